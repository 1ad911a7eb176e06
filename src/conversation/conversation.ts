import type { ConsentChange } from '../privacy/privacy.ts';
import type { ChannelId, ContactId, ConversationId, MessageId, TenantId } from '../vocabulary/ids.ts';
import type { Author, MessageKind } from '../vocabulary/message.ts';
import type { HandoffPriority, HandoffReason, TurnOutcome } from '../vocabulary/events.ts';

/*
 * The door of `conversation`: what we decide.
 *
 * This domain owns the tables conversation, message and turn. Its invariant is the promise itself: every accepted
 * customer message ends in exactly one of a reply, a human owner or a recorded reason. A decision, its words, the marks on
 * the messages it settles and the trace are one commit, and that commit fails if lease or epoch has moved.
 */

/** A customer's message that nothing has settled yet. */
export interface UnansweredMessage {
  readonly id: MessageId;
  readonly kind: MessageKind;
  readonly text: string | undefined;
  readonly quotedText: string | undefined;
  readonly saidAt: Date;
  readonly receivedAt: Date;
  readonly requestId: string | undefined;
  /** The span in which it arrived, where somebody records spans. */
  readonly traceparent?: string | undefined;
}

/** A message of the past, as the context is built from it. */
export interface RememberedMessage {
  readonly author: Author;
  readonly kind: MessageKind;
  readonly text: string | undefined;
  readonly saidAt: Date;
}

/** A conversation under our lease, with everything that waits for an answer. */
export interface Turn {
  readonly conversationId: ConversationId;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly contactId: ContactId;
  /** What people have written on the contact's card, e.g. `vip`. */
  readonly contactTags: readonly string[];
  readonly owner: 'bot' | 'human' | 'nobody';
  readonly ownerLapsesAt: Date | undefined;
  readonly epoch: number;
  /** Proves that the lease is still ours: it grows with every lease. */
  readonly fence: string;
  /** Tries since the last turn that ended well, this one included. A try whose process died is not one: see `deaths`. */
  readonly attempts: number;
  /** Processes that have died or frozen over these messages. The first had other turns as well, the later ones only this. */
  readonly deaths: number;
  readonly unsureInARow: number;
  /** In provider order: by the provider's time, then by arrival. Never empty. */
  readonly messages: readonly UnansweredMessage[];
  /** The number of the last message that is already part of the past; '0' when there is none. */
  readonly knownUpTo: string;
  readonly lastSaidAt: Date | undefined;
  readonly episodeStartedAt: Date;
  readonly courtesy: CourtesyState;
  /** By the database's clock, which all processes share. */
  readonly now: Date;
  readonly counts: {
    /** Replies to this contact, on all channels of the tenant. */
    readonly answeredLastMinute: number;
    readonly answeredLastDay: number;
    /** Replies in this conversation. */
    readonly turnsLastTenMinutes: number;
    /** What models have cost for this contact in a day, in millionths of a US dollar. */
    readonly spentLastDay: number;
  };
}

/** What was said to this customer beside the answers, and what the customer wishes to hear. */
export interface CourtesyState {
  /** Whether the contact has opted out: the bot is silent then, on every channel of the tenant. */
  readonly isOptedOut: boolean;
  /** When the bot said last that it is an assistant. */
  readonly introducedAt: Date | undefined;
  /** When the bot said last that people are away. */
  readonly awaySaidAt: Date | undefined;
  /** The question about the service that waits for this customer's answer. */
  readonly surveyId: string | undefined;
}

/** What a decision notes down beside its words, in the same commit. */
export interface Courtesies {
  readonly consent?: ConsentChange | undefined;
  readonly csat?: CsatGiven | undefined;
  /** It says that an assistant is speaking. */
  readonly introduces?: boolean | undefined;
  /** It says that people are away, and when they are back. */
  readonly saysAway?: boolean | undefined;
}

/** A customer's answer to the question about the service. */
export interface CsatGiven {
  readonly surveyId: string;
  readonly score: number;
  readonly messageId: MessageId;
  readonly hasComment: boolean;
}

/** Why a message ends without an answer and without a person. */
export type RecordedReason = 'nothing-said' | 'sticker-only' | 'opted-out' | 'closing-thanks' | 'csat-answer';

/** Where a handoff goes and how much it hurries. */
export interface Routing {
  /** The tenant's rule that says so, by its name. */
  readonly rule: string | undefined;
  /** A name of the tenant's own; a channel says what it is there. */
  readonly destination: string | undefined;
  readonly priority: HandoffPriority;
}

/** What a turn decided. Everything that it may do to the world is one of these. */
export type Decision = (
  | {
      readonly kind: 'reply';
      readonly bubbles: readonly [string, ...string[]];
      /** Said without being sure: asks back, and counts towards calling a person. */
      readonly isUnsure: boolean;
    }
  | {
      readonly kind: 'hand-over';
      readonly reason: HandoffReason;
      readonly bubbles: readonly string[];
      /** Absent: nowhere in particular, and no hurry. */
      readonly routing?: Routing | undefined;
    }
  | { readonly kind: 'leave-to-human' }
  | {
      readonly kind: 'record';
      readonly reason: RecordedReason;
      /** A word of thanks at most: it answers nothing. */
      readonly bubbles?: readonly [string] | undefined;
    }
) & { readonly courtesies?: Courtesies | undefined };

/** What a decision says, bubble by bubble. */
export function wordsOf(decision: Decision): readonly string[] {
  return 'bubbles' in decision ? (decision.bubbles ?? []) : [];
}

/** The words for a decision that was committed. */
export function outcomeOf(decision: Decision): TurnOutcome {
  switch (decision.kind) {
    case 'reply':
      return decision.isUnsure ? 'asked-back' : 'replied';
    case 'hand-over':
      return 'handed-off';
    case 'leave-to-human':
      return 'left-to-human';
    case 'record':
      return 'recorded';
  }
}

/** Silence after which what follows is a new episode: the old one is facts, not the thread of the talk. */
const EPISODE_SILENCE_MS = 12 * 3_600_000;

/** Whether these messages open a new episode. */
export function opensEpisode(turn: Turn): boolean {
  if (turn.owner === 'nobody' || turn.lastSaidAt === undefined) return true;
  return turn.now.getTime() - turn.lastSaidAt.getTime() > EPISODE_SILENCE_MS;
}
