import type { FoundPassage } from '../knowledge/knowledge.ts';
import type { HandoffRule, TenantSettings } from '../tenants/tenants.ts';
import type { HandoffPriority, HandoffReason } from '../vocabulary/events.ts';
import { foldedText, holdsWords } from '../vocabulary/folded-text.ts';
import type { Routing, Turn } from './conversation.ts';
import { soundsAngry } from './mood.ts';
import { threatens } from './threats.ts';
import { wantsHuman } from './wants-human.ts';

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
  const texts = textsOf(turn);
  const reasons: HandoffReason[] = [];
  if (texts.some(threatens)) reasons.push('threat');
  if (texts.some(wantsHuman)) reasons.push('customer-asked');
  if (matchingRule(settings, texts) !== undefined) reasons.push('tenant-rule');
  if (settings.vipHandoff === 'at-once' && isVip(turn, settings)) reasons.push('vip');
  return reasons;
}

/** Whether what was found makes this a matter for a person: a rule of the tenant about topics. Pure. */
export function isTopicForPerson(turn: Turn, settings: TenantSettings, found: Found): boolean {
  return matchingRule(settings, textsOf(turn), topicsOf(found)) !== undefined;
}

/**
 * Where a handoff of this turn goes and how much it hurries, whatever called for it: the first rule that fits says so; a
 * threat and a VIP hurry by themselves.
 */
export function routingOf(turn: Turn, settings: TenantSettings, found: Found): Routing {
  const texts = textsOf(turn);
  const rule = matchingRule(settings, texts, topicsOf(found));
  const isPressing = texts.some(threatens) || isVip(turn, settings);
  const priority: HandoffPriority = rule?.priority ?? (isPressing ? 'high' : 'normal');
  return { rule: rule?.name, destination: rule?.destination, priority };
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
function matchingRule(
  settings: TenantSettings,
  texts: readonly string[],
  topics: readonly string[] = [],
): HandoffRule | undefined {
  if (settings.handoffRules.length === 0) return undefined;
  const folded = texts.map(foldedText);
  return settings.handoffRules.find(({ keywords, topics: wanted, sentiment }) => {
    if (keywords !== undefined && !isAnyIn(keywords, folded)) return false;
    if (sentiment !== undefined && !texts.some(soundsAngry)) return false;
    return wanted === undefined || isAnyIn(wanted, topics);
  });
}

function isAnyIn(words: readonly string[], folded: readonly string[]): boolean {
  return words.some((word) => folded.some((text) => holdsWords(text, foldedText(word))));
}

function isVip(turn: Turn, settings: TenantSettings): boolean {
  const wanted = new Set(settings.vipTags.map(foldedText));
  return turn.contactTags.some((tag) => wanted.has(foldedText(tag)));
}
