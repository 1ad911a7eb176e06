import type { TicketState } from '../vocabulary/ticket.ts';

/** What is known when a gateway shows a ticket. */
export interface TicketSight {
  /** What it showed before; undefined the first time, and for another ticket. */
  readonly previous: Omit<TicketState, 'said'> | undefined;
  readonly seen: TicketState;
  readonly owner: 'bot' | 'human' | 'nobody';
  /** The queue in which the bot works, where the channel names one. */
  readonly botQueueId: number | undefined;
  /** Whether the gateway told of a change, as opposed to showing a state that we or somebody asked for. */
  readonly isEvent: boolean;
  /** Users who are programs. */
  readonly notPeople: readonly number[];
}

/** What a ticket says about who answers the customer. */
export type TicketMeaning = 'taken' | 'returned' | 'closed' | 'nothing' | 'strange-status';

/**
 * Only a change means anything. A ticket that simply still is with somebody does not take the conversation again from a bot
 * to whom a person gave it back, and one that was somebody's before we ever saw it may be so from a matter of last year; one
 * that lies in the bot's queue because it was never moved has not been returned; and one that was closed before the person
 * was called does not end the handoff. What is a program's means nothing at all.
 */
export function meaningOf({ previous, seen, owner, botQueueId, isEvent, notPeople }: TicketSight): TicketMeaning {
  if (seen.userId !== undefined && notPeople.includes(seen.userId)) return 'nothing';
  switch (seen.status) {
    case 'unknown':
      return 'strange-status';
    case 'closed': {
      const hasClosed = isEvent || (previous !== undefined && previous.status !== 'closed');
      return hasClosed && owner !== 'nobody' ? 'closed' : 'nothing';
    }
    case 'open':
      if (seen.userId !== undefined) return hasAccepted(previous, seen, isEvent) ? 'taken' : 'nothing';
      return hasReturned(previous, seen, botQueueId) && owner === 'human' ? 'returned' : 'nothing';
    case 'pending':
      return hasReturned(previous, seen, botQueueId) && owner === 'human' ? 'returned' : 'nothing';
  }
}

function hasAccepted(previous: TicketSight['previous'], seen: TicketState, isEvent: boolean): boolean {
  if (previous === undefined) return isEvent;
  return previous.status !== 'open' || previous.userId !== seen.userId;
}

function hasReturned(previous: TicketSight['previous'], seen: TicketState, botQueueId: number | undefined): boolean {
  if (botQueueId === undefined || seen.queueId !== botQueueId || seen.userId !== undefined) return false;
  return previous !== undefined && (previous.queueId !== botQueueId || previous.userId !== undefined);
}
