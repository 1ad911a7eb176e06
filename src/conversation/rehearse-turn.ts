import { ChannelId, ContactId, ConversationId, MessageId, newId } from '../vocabulary/ids.ts';
import type { Tenant } from '../tenants/tenants.ts';
import { emptyContext, remember } from './conversation-context.ts';
import type { Author, MessageKind } from '../vocabulary/message.ts';
import { wordsOf } from './conversation.ts';
import type { Turn, UnansweredMessage } from './conversation.ts';
import { decideTurn } from './decide-turn.ts';
import type { Decided, DecideNeeds } from './decide-turn.ts';
import type { SaidMessage } from './loop-breaker.ts';
import { threatens } from './threats.ts';
import { unleasedTurn } from './unleased-turn.ts';
import { wantsHuman } from './wants-human.ts';

/** By which way words reach us. A contact's name is not said by anybody. */
export const REHEARSED_WAYS = [
  'text',
  'quoted',
  'document',
  'filename',
  'vcard',
  'transcript',
  'image-caption',
  'contact-name',
] as const;
export type RehearsedWay = (typeof REHEARSED_WAYS)[number];

export interface Rehearsal {
  readonly text: string;
  readonly history: readonly { readonly author: Author; readonly text: string }[];
  readonly way: RehearsedWay;
}

export interface Rehearsed {
  readonly decided: Decided;
  readonly verdict: 'reply' | 'ask' | 'hand-over';
  /** What would be said; null where nothing would. */
  readonly reply: string | null;
  readonly wantsHuman: boolean;
}

/**
 * What a turn would do about these words, by the very rules, knowledge and models of a turn. Nothing is sent, and nothing
 * is stored: there is no conversation.
 *
 * @param time.deadline on the monotonic clock.
 */
export async function rehearseTurn(
  needs: Pick<DecideNeeds, 'knowledge' | 'models' | 'log'>,
  { tenant, rehearsal, now }: { tenant: Tenant; rehearsal: Rehearsal; now: Date },
  time: { deadline: number; signal: AbortSignal },
): Promise<Rehearsed> {
  const past = rehearsal.history.map((said) => ({ ...said, kind: 'text' as const, saidAt: now }));
  const context = remember(emptyContext(), past, '0');
  const turn = rehearsedTurn(tenant, rehearsal, now);
  const said = saidIn(rehearsal, now);
  const rehearsing = { ...needs, contextOf: () => Promise.resolve(context), saidLately: () => Promise.resolve(said) };
  const decided = await decideTurn(rehearsing, { turn, tenant: withoutPace(tenant) }, time);
  // The rules that wait or take back look at counts and owners, which a rehearsal has not.
  if ('instead' in decided) throw new Error('A rehearsed turn was put off');
  const { decision, draft } = decided;
  const bubbles = wordsOf(decision);
  return {
    decided,
    verdict: decision.kind === 'hand-over' ? 'hand-over' : isAsking(decided) ? 'ask' : 'reply',
    reply: bubbles.length === 0 ? null : bubbles.join('\n\n'),
    wantsHuman:
      draft?.wantsHuman === true || turn.messages.some(({ text = '' }) => wantsHuman(text) || threatens(text)),
  };
}

function saidIn({ history, text }: Rehearsal, now: Date): readonly SaidMessage[] {
  const past = history.flatMap(({ author, text: words }) =>
    author === 'human' ? [] : [{ author, text: words, at: now }],
  );
  return [...past, { author: 'customer', text, at: now }];
}

/** What is rehearsed was said at no time, so nothing can be said too fast. */
function withoutPace(tenant: Tenant): Tenant {
  return { ...tenant, settings: { ...tenant.settings, loopCadence: 0 } };
}

function isAsking({ decision }: Decided): boolean {
  return decision.kind === 'reply' && decision.isUnsure;
}

function rehearsedTurn(tenant: Tenant, rehearsal: Rehearsal, now: Date): Turn {
  return unleasedTurn({
    conversationId: newId(ConversationId),
    tenantId: tenant.id,
    channelId: newId(ChannelId),
    contactId: newId(ContactId),
    owner: 'bot',
    epoch: 0,
    messages: [messageOf(rehearsal, now)],
    episodeStartedAt: now,
    now,
  });
}

const KINDS: Readonly<Record<RehearsedWay, MessageKind>> = {
  text: 'text',
  quoted: 'text',
  document: 'text',
  filename: 'document',
  vcard: 'contact',
  transcript: 'text',
  'image-caption': 'image',
  'contact-name': 'text',
};

/** Something to say beside what is quoted: a reply to a message has words of its own. */
const BESIDE_A_QUOTE = '?';

/**
 * The message as intake would have stored it. What a way does not bring before the bot today (the inside of a document, its
 * name, what is heard in a voice note, how a contact is called) is given as if it did: who rehearses wants to know what
 * happens then.
 */
function messageOf({ text, way }: Rehearsal, now: Date): UnansweredMessage {
  const said = way === 'quoted' ? { text: BESIDE_A_QUOTE, quotedText: text } : { text, quotedText: undefined };
  return { id: newId(MessageId), kind: KINDS[way], ...said, saidAt: now, receivedAt: now, requestId: undefined };
}
