import type { TicketDestination } from '../vocabulary/gateway.ts';
import type { TicketState } from '../vocabulary/ticket.ts';

/**
 * How far the ticket of a called person is on its way to people. `failed` has a dead letter; `not-possible`: this channel
 * has no way or no destination; `moot`: the handoff was over, or somebody came, before anything was moved.
 */
export const TRANSFER_STATES = ['pending', 'moving', 'verified', 'failed', 'not-possible', 'moot'] as const;
export type TransferState = (typeof TRANSFER_STATES)[number];

/** Where a ticket is to be when the conversation is no person's any more: with the bot, or over. */
export const RETURN_GOALS = ['bot', 'closed'] as const;
export type ReturnGoal = (typeof RETURN_GOALS)[number];

/** Where a channel's tickets go when a person is called: the default, and queues by the names that rules use. */
export interface Destinations {
  readonly queueId: number | undefined;
  readonly userId: number | undefined;
  readonly queues: Readonly<Record<string, number>>;
}

/**
 * The destination that a logical name stands for; the channel's default for a name that it does not know.
 *
 * Ids come from the channel's configuration alone: a model never names one.
 */
export function destinationOf(channel: Destinations, name: string | undefined): TicketDestination | undefined {
  const named = name !== undefined && Object.hasOwn(channel.queues, name) ? channel.queues[name] : undefined;
  if (named !== undefined) return { queueId: named, userId: undefined };
  const { queueId, userId } = channel;
  return queueId === undefined && userId === undefined ? undefined : { queueId, userId };
}

/** Whether the ticket is where it shall be. In a queue somebody may have accepted it already, which is what it is there for. */
export function isAt(ticket: TicketState, to: TicketDestination): boolean {
  const isInQueue = to.queueId === undefined || ticket.queueId === to.queueId;
  if (to.userId === undefined) return isInQueue && (ticket.status === 'pending' || ticket.status === 'open');
  return isInQueue && ticket.status === 'open' && ticket.userId === to.userId;
}

/** Whether somebody has accepted the ticket, wherever it is. Nobody takes it away from them. */
export function isWithPerson(ticket: TicketState): boolean {
  return ticket.status === 'open' && ticket.userId !== undefined;
}

/** About a quarter of an hour in all: what has not worked by then needs somebody who looks. */
const WAITS_MS = [5_000, 15_000, 60_000, 240_000, 600_000];
export const TRANSFER_ATTEMPTS_MAX = WAITS_MS.length + 1;

/** @returns undefined when this was the last one. */
export function waitAfterMs(attempt: number): number | undefined {
  return WAITS_MS[attempt - 1];
}

/** What no other try will change: somebody has to correct the channel's configuration first. */
const FINAL_REASONS: ReadonlySet<string> = new Set(['unknown-queue', 'unknown-user', 'of-another-company']);

export function isFinal(reason: string): boolean {
  return FINAL_REASONS.has(reason);
}
