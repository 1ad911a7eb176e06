/*
 * What happened in a run: what was posted and accepted, what the database says, what the gateway received. All times are
 * milliseconds since 1970 on the clock of the one machine.
 */

export interface HistoryChannel {
  readonly name: string;
  /** Whether the gateway repeats what it was given, so that every send can be known. */
  readonly hasEcho: boolean;
  /** Whether what was said can be looked up at the gateway, which is the other way to know. */
  readonly hasLogin: boolean;
  /** Otherwise: what the channel wants done about a send of which nothing is known. */
  readonly onUnknown: 'hand-over' | 'resend';
}

/** A message of a customer, as the sender knows it. */
export interface Question {
  readonly id: string;
  readonly channel: string;
  readonly phone: string;
  /** By the provider. */
  readonly saidAt: number;
  /** When the first 2xx came; undefined when none ever did. */
  readonly acceptedAt: number | undefined;
}

/** A message of a customer, as the database knows it. */
export interface StoredMessage {
  readonly id: string;
  readonly questionId: string;
  readonly conversationId: string;
  readonly receivedAt: number;
  readonly settled:
    | {
        readonly kind: string;
        readonly reason: string | undefined;
        readonly turnId: string | undefined;
        readonly at: number;
      }
    | undefined;
}

export interface StoredConversation {
  readonly id: string;
  readonly channel: string;
  /** Why a person was called or came, each time. */
  readonly handoffs: readonly string[];
}

/** A conversation became a person's. Seen while it was locked, so what else locks it came wholly before or after. */
export interface HandedToPerson {
  readonly conversationId: string;
  /** From here on. What was decided in an earlier one may not set out any more. */
  readonly epoch: number;
  readonly at: number;
}

export interface StoredTurn {
  readonly id: string;
  readonly conversationId: string;
  readonly startedAt: number;
  /** The owner's epoch that it was decided in. */
  readonly epoch: number;
  /** Of the lease it was decided under, and of the newest lease of its conversation when it was committed. */
  readonly fence: number;
  readonly newestFence: number;
}

/** Somebody was given the right to decide for a conversation. */
export interface StoredLease {
  readonly conversationId: string;
  readonly fence: number;
  /** The process, by a name that it has for as long as it lives. */
  readonly holder: string;
  readonly beganAt: number;
  /** When its holder gave it back; undefined when nobody did. */
  readonly endedAt: number | undefined;
  /** Whether it was given although somebody else had one that had not run out. */
  readonly wasHeld: boolean;
}

/** The model was asked for a draft. */
export interface AskedDraft {
  /** Which worker asked. */
  readonly worker: string;
  readonly questionIds: readonly string[];
  readonly beganAt: number;
  /** When the answer was given or the line was closed; undefined when neither has happened. */
  readonly endedAt: number | undefined;
}

/** Somebody whom the last net of the product caught: everything before it had forgotten them. */
export interface Stranded {
  readonly conversationId: string;
  readonly stuck: string;
  readonly repair: string;
  readonly at: number;
}

/** A worker was there, from when it was ready until it ended. */
export interface Life {
  readonly worker: string;
  readonly from: number;
  readonly to: number;
}

/** What was done to somebody, for as long as it lasted. */
export interface Disturbance {
  readonly what: 'worker-killed' | 'worker-frozen' | 'database-away';
  /** Of a worker's. */
  readonly worker: string | undefined;
  readonly from: number;
  readonly to: number;
}

/** One bubble on its way out. */
export interface StoredBubble {
  readonly id: string;
  readonly messageId: string;
  readonly conversationId: string;
  readonly turnId: string;
  /** Grows with every bubble that was committed. */
  readonly place: number;
  readonly epoch: number;
  readonly text: string;
  readonly state: string;
  /** What is recorded about a bubble that was not sent. */
  readonly failure: string | undefined;
  readonly wasUnknown: boolean;
  /** What told in the end that it was sent. */
  readonly settledBy: string | undefined;
  /** When the channel's policy had it said once more. */
  readonly resentAt: readonly number[];
  readonly createdAt: number;
  /** When the last attempt began. */
  readonly sendingSince: number | undefined;
}

/** A message on a customer's phone. */
export interface Received {
  readonly channel: string;
  readonly phone: string;
  readonly text: string;
  readonly at: number;
}

/** A takeover that the API has confirmed. */
export interface Takeover {
  readonly conversationId: string;
  readonly epoch: number;
  readonly confirmedAt: number;
  /** The message that it said may still arrive. */
  readonly stillSending: string | undefined;
}

export interface History {
  readonly channels: readonly HistoryChannel[];
  readonly questions: readonly Question[];
  readonly messages: readonly StoredMessage[];
  readonly conversations: readonly StoredConversation[];
  readonly turns: readonly StoredTurn[];
  readonly bubbles: readonly StoredBubble[];
  readonly handedToPerson: readonly HandedToPerson[];
  readonly leases: readonly StoredLease[];
  readonly stranded: readonly Stranded[];
  readonly drafts: readonly AskedDraft[];
  readonly disturbances: readonly Disturbance[];
  readonly lives: readonly Life[];
  /** In the order in which they came. */
  readonly received: readonly Received[];
  readonly takeovers: readonly Takeover[];
}
