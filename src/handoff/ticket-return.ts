import { deadlineSignal } from '../platform/time.ts';
import type { Channel } from '../tenants/tenants.ts';
import { ticketReturned } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { TicketState } from '../vocabulary/ticket.ts';
import type { ClaimedReturn, ReturnEnd, TicketReturnStore } from './ticket-return-store.ts';
import { isFinal, waitAfterMs } from './transfer.ts';
import { TRY_MS } from './transfer-store.ts';
import { findTicket } from './transfer-ticket.ts';
import type { TransferNeeds } from './transfer-ticket.ts';

/** What taking a ticket back needs from the rest of the system, and nothing more. */
export interface ReturnNeeds extends Pick<
  TransferNeeds,
  'tickets' | 'channelOf' | 'recipientOf' | 'noteTicket' | 'log'
> {
  readonly returns: TicketReturnStore;
}

/**
 * Takes the ticket of a conversation that a person gave back to where the bot works, or closes that of one that is over: the
 * move, then a look, which alone decides. Who has a ticket in the gateway's own panel would go on answering otherwise, and a
 * fork that shows whose it is would take the conversation away from the bot again.
 *
 * Safe to run again: it looks first. What gives up is recorded, and asked for anew by giving the conversation back again.
 */
export async function returnTicket(needs: ReturnNeeds, claim: ClaimedReturn, stopping: AbortSignal): Promise<void> {
  const signal = deadlineSignal(TRY_MS, stopping);
  const end = await tried(needs, claim, signal).catch((error: unknown): ReturnEnd => {
    if (stopping.aborted) return { state: 'pending', reason: 'interrupted', retryInMs: 0 };
    if (signal.aborted) return again(claim, 'too-slow');
    if (error instanceof Failure) return again(claim, error.code);
    needs.log.error({ err: error, conversationId: claim.conversationId }, 'A ticket could not be taken back');
    return again(claim, 'failed');
  });
  if (!(await needs.returns.end(claim, end))) return;
  const { conversationId, goal, attempt } = claim;
  const outcome = end.state === 'pending' || end.state === 'moving' ? 'retry' : end.state;
  ticketReturned(needs.log, { conversationId, goal, outcome, attempt, ...(end.reason && { reason: end.reason }) });
}

async function tried(needs: ReturnNeeds, claim: ClaimedReturn, signal: AbortSignal): Promise<ReturnEnd> {
  if (claim.goal === undefined) return { state: 'moot', reason: 'with-a-person' };
  const channel = await needs.channelOf(claim.channelId);
  if (channel === undefined) return { state: 'not-possible', reason: 'no-channel' };
  const refusal = needs.tickets.refusal(channel.gateway);
  if (refusal !== undefined) return { state: 'not-possible', reason: refusal };

  const found = await findTicket(needs, claim, { channel, signal });
  if (found === 'no-ticket') return { state: 'moot', reason: found };
  if (typeof found === 'string') return again(claim, found);
  if (isThere(found, claim, channel)) return await arrived(needs, claim, found);
  // A ticket that was closed is opened by the customer and not by us.
  if (found.status === 'closed') return { state: 'moot', reason: 'closed' };
  if (claim.goal === 'bot' && staysWithPeople(found, channel)) {
    await arrived(needs, claim, found);
    return { state: 'not-possible', reason: 'no-bot-queue' };
  }
  // What has changed since the claim is looked at anew, and not overtaken.
  if (!(await needs.returns.isWanted(claim))) return again(claim, 'owner-changed');
  return await taken(needs, claim, { channel, ticketId: found.id, signal });
}

interface Way {
  readonly channel: Channel;
  readonly ticketId: string;
  readonly signal: AbortSignal;
}

/** Takes it and looks. What the gateway said is only the reason when it is not there. */
async function taken(needs: ReturnNeeds, claim: ClaimedReturn, way: Way): Promise<ReturnEnd> {
  const { tickets } = needs;
  const { channel, ticketId, signal } = way;
  const to = { queueId: channel.handoff.botQueueId, userId: undefined };
  const refused = await orFailure(
    claim.goal === 'closed'
      ? tickets.closeTicket(channel.gateway, ticketId, signal)
      : tickets.moveTicket(channel.gateway, { ticketId, to }, signal),
  );
  const seen = await tickets.readTicket(channel.gateway, ticketId, signal);
  if (seen === 'not-there') return { state: 'moot', reason: 'no-ticket' };
  if (typeof seen === 'string') return again(claim, seen);
  if (isThere(seen, claim, channel)) return await arrived(needs, claim, seen);
  const missing = claim.goal === 'bot' ? await orFailure(tickets.findMissing(channel.gateway, to, signal)) : undefined;
  const reason = missing instanceof Failure ? undefined : missing;
  return again(claim, reason ?? (refused instanceof Failure ? refused.code : 'not-moved'));
}

async function orFailure<Result>(call: Promise<Result>): Promise<Result | Failure> {
  return await call.catch((error: unknown) => {
    if (error instanceof Failure) return error;
    throw error;
  });
}

/** With the bot is a ticket that is nobody's, in the queue where the bot works; where that is not named, in any but theirs. */
function isThere(ticket: TicketState, { goal }: ClaimedReturn, { handoff }: Channel): boolean {
  if (goal === 'closed') return ticket.status === 'closed';
  const isNobodys = ticket.userId === undefined && (ticket.status === 'pending' || ticket.status === 'open');
  if (handoff.botQueueId !== undefined) return isNobodys && ticket.queueId === handoff.botQueueId;
  return isNobodys && (ticket.queueId === undefined || !isOfPeople(ticket.queueId, handoff));
}

function isOfPeople(queueId: number, { queueId: main, queues }: Channel['handoff']): boolean {
  return queueId === main || Object.values(queues).includes(queueId);
}

/** Out of people's queue a ticket goes only where there is a place for it: in none, many a fork sends its menu. */
function staysWithPeople({ queueId }: TicketState, { handoff }: Channel): boolean {
  return handoff.botQueueId === undefined && queueId !== undefined && isOfPeople(queueId, handoff);
}

/** What we have made of it is remembered, so that it is not taken for somebody else's doing. */
async function arrived(needs: ReturnNeeds, { conversationId }: ClaimedReturn, seen: TicketState): Promise<ReturnEnd> {
  await needs.noteTicket(conversationId, seen, { isOurDoing: true });
  return { state: 'verified', reason: undefined };
}

function again({ attempt }: ClaimedReturn, reason: string): ReturnEnd {
  const retryInMs = isFinal(reason) ? undefined : waitAfterMs(attempt);
  return retryInMs === undefined ? { state: 'failed', reason } : { state: 'pending', reason, retryInMs };
}
