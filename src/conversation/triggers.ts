import type { FoundPassage } from '../knowledge/knowledge.ts';
import type { HandoffRule, TenantSettings } from '../tenants/tenants.ts';
import type { HandoffPriority, HandoffReason } from '../vocabulary/events.ts';
import { foldedText, holdsWords } from '../vocabulary/folded-text.ts';
import type { Routing, Turn } from './conversation.ts';
import { soundsAngry } from './mood.ts';
import { spelledOut } from './phone-spelling.ts';
import { threatensIn } from './threats.ts';
import { wantsHumanIn } from './wants-human.ts';

/** What is read of one message. */
const READ_CHARACTERS_MAX = 4_000;
/** Below this a passage shares little more than chance with the question, and its title says nothing about the topic. */
const TOPIC_SCORE_MIN = 0.3;

type Found = readonly Pick<FoundPassage, 'title' | 'score'>[];

/**
 * What calls a person before anything is searched or asked, the most pressing first: a threat, the customer's own wish, a
 * rule of the tenant about words or mood, a contact whom the tenant never leaves to the bot. Empty on an ordinary day. Pure.
 */
export function triggersInWords(turn: Turn, settings: TenantSettings): readonly HandoffReason[] {
  const words = wordsOf(turn);
  const reasons: HandoffReason[] = [];
  if (words.threatens) reasons.push('threat');
  if (words.wantsHuman) reasons.push('customer-asked');
  if (matchingRule(settings, words) !== undefined) reasons.push('tenant-rule');
  if (settings.vipHandoff === 'at-once' && isVip(turn, settings)) reasons.push('vip');
  return reasons;
}

/** Whether what was found makes this a matter for a person: a rule of the tenant about topics. Pure. */
export function isTopicForPerson(turn: Turn, settings: TenantSettings, found: Found): boolean {
  return matchingRule(settings, wordsOf(turn), topicsOf(found)) !== undefined;
}

/**
 * Where a handoff of this turn goes and how much it hurries, whatever called for it: the first rule that fits says so; a
 * threat and a VIP hurry by themselves.
 */
export function routingOf(turn: Turn, settings: TenantSettings, found: Found): Routing {
  const words = wordsOf(turn);
  const rule = matchingRule(settings, words, topicsOf(found));
  const isPressing = words.threatens || isVip(turn, settings);
  const priority: HandoffPriority = rule?.priority ?? (isPressing ? 'high' : 'normal');
  return { rule: rule?.name, destination: rule?.destination, priority };
}

/** What the rules hear in the customer's words. */
interface Words {
  /** Folded. */
  readonly folded: readonly string[];
  readonly threatens: boolean;
  readonly wantsHuman: boolean;
  /** Only rules of tenants ask for it, and few have one. */
  readonly soundsAngry: () => boolean;
}

/** A turn asks for them several times over, and its messages do not change meanwhile. They go when the turn goes. */
const HEARD = new WeakMap<Turn['messages'], Words>();

function wordsOf(turn: Turn): Words {
  const known = HEARD.get(turn.messages);
  if (known !== undefined) return known;
  const texts = textsOf(turn);
  const folded = texts.map(foldedText);
  const said = folded.map(spelledOut);
  let isAngry: boolean | undefined;
  const words: Words = {
    folded,
    threatens: said.some(threatensIn),
    wantsHuman: said.some(wantsHumanIn),
    soundsAngry: () => (isAngry ??= texts.some(soundsAngry)),
  };
  HEARD.set(turn.messages, words);
  return words;
}

/** Of a long text its beginning and its end: fifty of the longest must not keep everybody else waiting. */
function textsOf(turn: Turn): readonly string[] {
  const half = READ_CHARACTERS_MAX / 2;
  return turn.messages.flatMap(({ text = '' }) => {
    if (text.trim() === '') return [];
    return text.length <= READ_CHARACTERS_MAX ? [text] : [`${text.slice(0, half)}\n${text.slice(-half)}`];
  });
}

/** The best passage tells the topic; the others may be about anything. */
function topicsOf(found: Found): readonly string[] {
  const [best] = found;
  return best === undefined || best.score < TOPIC_SCORE_MIN ? [] : [foldedText(best.title)];
}

/** The first rule of which everything holds that it names. One about topics fits nothing before there are any. */
function matchingRule(settings: TenantSettings, words: Words, topics: readonly string[] = []): HandoffRule | undefined {
  return settings.handoffRules.find(({ keywords, topics: wanted, sentiment }) => {
    if (keywords !== undefined && !isAnyIn(keywords, words.folded)) return false;
    if (sentiment !== undefined && !words.soundsAngry()) return false;
    return wanted === undefined || isAnyIn(wanted, topics);
  });
}

function isAnyIn(wanted: readonly string[], texts: readonly string[]): boolean {
  if (texts.length === 0) return false;
  return foldedOnce(wanted).some((words) => texts.some((text) => holdsWords(text, words)));
}

/** A tenant's words are the same from turn to turn, until its settings are read again. */
const FOLDED = new WeakMap<readonly string[], readonly string[]>();

function foldedOnce(wanted: readonly string[]): readonly string[] {
  const known = FOLDED.get(wanted) ?? wanted.map(foldedText);
  FOLDED.set(wanted, known);
  return known;
}

function isVip(turn: Turn, settings: TenantSettings): boolean {
  const wanted = new Set(settings.vipTags.map(foldedText));
  return turn.contactTags.some((tag) => wanted.has(foldedText(tag)));
}
