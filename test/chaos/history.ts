/*
 * What happened in a run: what was posted and accepted, what the database says, what the gateway received. All times are
 * milliseconds since 1970 on the clock of the one machine.
 */

export interface HistoryChannel {
  readonly name: string;
  /** Whether the gateway repeats what it was given, so that every send can be known. */
  readonly hasEcho: boolean;
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
  /** Whether a person was ever called or came. */
  readonly hasHandoff: boolean;
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
  readonly resends: number;
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
  /** In the order in which they came. */
  readonly received: readonly Received[];
  readonly takeovers: readonly Takeover[];
}
