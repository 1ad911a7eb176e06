import type { Kysely } from 'kysely';
import type { Logger } from '../platform/logger.ts';
import { deadlineSignal } from '../platform/time.ts';
import type { Channel } from '../tenants/tenants.ts';
import { ticketTransferred } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { GatewayTickets, Recipient, TicketDestination } from '../vocabulary/gateway.ts';
import type { ChannelId, ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import type { TicketState } from '../vocabulary/ticket.ts';
import { destinationOf, isAt, isFinal, isWithPerson, waitAfterMs } from './transfer.ts';
import { TRY_MS } from './transfer-store.ts';
import type { ClaimedTransfer, TransferEnd, TransferStore } from './transfer-store.ts';

/** What moving a ticket needs from the rest of the system, and nothing more. */
export interface TransferNeeds {
  readonly db: Kysely<Schema>;
  readonly transfers: TransferStore;
  readonly tickets: GatewayTickets;
  readonly channelOf: (id: ChannelId) => Promise<Channel | undefined>;
  /** Under which addresses the customer's ticket may be found. */
  readonly recipientOf: (tenantId: TenantId, id: ConversationId) => Promise<Recipient>;
  /** What the person is told about the conversation; undefined while nobody has written it. */
  readonly packetTextFor: (handoffId: string) => Promise<string | undefined>;
  /** What the gateway shows of the ticket once it is there. */
  readonly noteTicket: (
    id: ConversationId,
    seen: TicketState,
    sight: { readonly isOurDoing: boolean },
  ) => Promise<void>;
  readonly recordDeadLetter: (tx: Tx, letter: TransferLetter) => Promise<void>;
  readonly log: Logger;
}

export interface TransferLetter {
  readonly tenantId: TenantId;
  readonly handoffId: string;
  readonly conversationId: ConversationId;
  readonly reason: string;
}

/**
 * Gets the ticket of a customer for whom a person was called to where people work: the note, then the move, then a look.
 *
 * Only the look decides. A gateway that answers 500 may have moved the ticket, and one that answers 200 may not have. Safe
 * to run again: it looks first, and a note that may be there is not written twice. Whatever happens, the conversation has a
 * human owner with us already; what gives up here becomes a dead letter.
 */
export async function transferTicket(
  needs: TransferNeeds,
  claim: ClaimedTransfer,
  stopping: AbortSignal,
): Promise<void> {
  const signal = deadlineSignal(TRY_MS, stopping);
  const last = await tried(needs, claim, signal).catch((error: unknown): TransferEnd => {
    if (stopping.aborted) return { state: 'pending', reason: 'interrupted', retryInMs: 0 };
    if (signal.aborted) return again(claim, 'too-slow');
    if (error instanceof Failure) return again(claim, reasonOf(error));
    needs.log.error({ err: error, handoffId: claim.handoffId }, 'A ticket could not be moved');
    return again(claim, 'failed');
  });
  // A ticket that is there stays there, whatever becomes of its note.
  const isOver = last.state !== 'pending' && last.state !== 'verified';
  const end = claim.isThere && isOver ? await withoutNote(needs, claim) : last;
  const isOurs = await needs.db.transaction().execute(async (tx) => {
    const isEnded = await needs.transfers.end(tx, claim, end);
    const { tenantId, handoffId, conversationId } = claim;
    if (isEnded && end.state === 'failed') {
      await needs.recordDeadLetter(tx, { tenantId, handoffId, conversationId, reason: end.reason ?? 'failed' });
    }
    return isEnded;
  });
  if (!isOurs) return;
  const { handoffId, conversationId, attempt } = claim;
  const outcome = end.state === 'pending' || end.state === 'moving' ? 'retry' : end.state;
  ticketTransferred(needs.log, {
    handoffId,
    conversationId,
    outcome,
    attempt,
    ...(end.reason && { reason: end.reason }),
  });
}

async function tried(needs: TransferNeeds, claim: ClaimedTransfer, signal: AbortSignal): Promise<TransferEnd> {
  if (claim.isThere && !claim.isOpen) return await withoutNote(needs, claim);
  if (!claim.isWaiting && !claim.isThere) return { state: 'moot', reason: 'no-longer-waiting' };
  const channel = await needs.channelOf(claim.channelId);
  const to = channel && destinationOf(channel.handoff, claim.destination);
  if (channel === undefined || to === undefined) return { state: 'not-possible', reason: 'no-destination' };
  const refusal = needs.tickets.refusal(channel.gateway);
  if (refusal !== undefined) return { state: 'not-possible', reason: refusal };

  const found = await findTicket(needs, claim, { channel, signal });
  if (typeof found === 'string') return again(claim, found, to);
  const hasNote = await writeNote(needs, claim, { channel, ticketId: found.id, signal });
  if (claim.isThere) return hasNote ? { state: 'verified', reason: undefined } : await noteAgain(needs, claim, to);
  const way: Way = { channel, ticketId: found.id, to, signal, hasNote };
  // Somebody who accepted it since the last try keeps it.
  if (isAt(found, to) || (claim.attempt > 1 && isWithPerson(found)))
    return await arrived(needs, claim, { ...way, seen: found });
  if (!(await needs.transfers.isWaiting(claim.handoffId))) {
    return { state: 'moot', reason: 'no-longer-waiting', ticketId: found.id };
  }
  return await moved(needs, claim, way);
}

/** Why a ticket that is there is not done with. */
const NO_NOTE = 'note-not-written';

interface Way {
  readonly channel: Channel;
  readonly ticketId: string;
  readonly to: TicketDestination;
  readonly signal: AbortSignal;
  /** Whether the note is there, as far as there can be one. */
  readonly hasNote: boolean;
}

/** The ticket as it is now. One that was named to us and is gone, or whose time is over, may have a successor. */
export async function findTicket(
  { tickets, recipientOf }: Pick<TransferNeeds, 'tickets' | 'recipientOf'>,
  { ticketId, tenantId, conversationId }: Pick<ClaimedTransfer, 'ticketId' | 'tenantId' | 'conversationId'>,
  { channel, signal }: { readonly channel: Channel; readonly signal: AbortSignal },
): Promise<TicketState | 'no-ticket' | 'of-another-company'> {
  const named = ticketId === undefined ? 'not-there' : await tickets.readTicket(channel.gateway, ticketId, signal);
  if (typeof named !== 'string' && named.status !== 'closed') return named;
  const recipient = await recipientOf(tenantId, conversationId);
  const found = await tickets.findTicket(channel.gateway, { ...recipient, ticketId: undefined }, signal);
  if (found !== undefined) return found;
  if (typeof named !== 'string') return named;
  return named === 'not-there' ? 'no-ticket' : named;
}

/**
 * A note that cannot be written keeps nobody from the customer: the packet is to be had from our API as well, and the note is
 * tried again when the ticket is there.
 *
 * @returns whether it is there, or never can be.
 */
async function writeNote(
  needs: TransferNeeds,
  claim: ClaimedTransfer,
  way: Pick<Way, 'channel' | 'ticketId' | 'signal'>,
): Promise<boolean> {
  if (claim.noteState === 'written' || claim.noteState === 'not-possible') return true;
  const mark = `[${claim.handoffId.slice(0, 8)}]`;
  const words = (await needs.packetTextFor(claim.handoffId)) ?? `Plantão: ${claim.reason}`;
  await needs.transfers.saveNote(claim, 'writing');
  try {
    const note = { ticketId: way.ticketId, text: `${words}\n\n${mark}`, mark, wasTried: claim.noteState === 'writing' };
    const outcome = await needs.tickets.writeNote(way.channel.gateway, note, way.signal);
    await needs.transfers.saveNote(claim, outcome === 'not-possible' ? outcome : 'written');
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    needs.log.warn({ err: error, handoffId: claim.handoffId }, 'The note for the person could not be written');
    return false;
  }
}

/** The ticket is there without its note, which is tried as often as the move. */
async function noteAgain(needs: TransferNeeds, claim: ClaimedTransfer, to: TicketDestination): Promise<TransferEnd> {
  const retryInMs = waitAfterMs(claim.attempt);
  if (retryInMs === undefined) return await withoutNote(needs, claim);
  return { state: 'pending', reason: NO_NOTE, to, isThere: true, retryInMs };
}

/** Nobody needs a note any more, or it cannot be written: the move is what counts, and it went well. */
async function withoutNote(needs: TransferNeeds, claim: ClaimedTransfer): Promise<TransferEnd> {
  await needs.transfers.saveNote(claim, 'failed');
  return { state: 'verified', reason: NO_NOTE };
}

/** Moves the ticket and looks. What the gateway said about the move is only the reason when it is not there. */
async function moved(needs: TransferNeeds, claim: ClaimedTransfer, way: Way): Promise<TransferEnd> {
  const { channel, ticketId, to, signal } = way;
  const refused = await needs.tickets.moveTicket(channel.gateway, { ticketId, to }, signal).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof Failure) return error;
      throw error;
    },
  );
  const seen = await needs.tickets.readTicket(channel.gateway, ticketId, signal);
  if (typeof seen === 'string') return again(claim, seen === 'not-there' ? 'no-ticket' : seen, to);
  if (isAt(seen, to)) return await arrived(needs, claim, { ...way, seen });
  const missing = await needs.tickets.findMissing(channel.gateway, to, signal).catch((error: unknown) => {
    if (error instanceof Failure) return undefined;
    throw error;
  });
  return again(claim, missing ?? (refused === undefined ? 'not-moved' : reasonOf(refused)), to);
}

/** A user to whom we have assigned the ticket has not come yet; one who accepted it from the queue has. */
async function arrived(
  needs: TransferNeeds,
  claim: ClaimedTransfer,
  here: Way & { readonly seen: TicketState },
): Promise<TransferEnd> {
  const { to, ticketId, seen, hasNote } = here;
  const isOurDoing = to.userId !== undefined && seen.userId === to.userId;
  await needs.noteTicket(claim.conversationId, seen, { isOurDoing });
  if (!hasNote) return { ...(await noteAgain(needs, claim, to)), ticketId };
  return { state: 'verified', reason: undefined, ticketId, to };
}

function again(claim: ClaimedTransfer, reason: string, to?: TicketDestination): TransferEnd {
  const retryInMs = isFinal(reason) ? undefined : waitAfterMs(claim.attempt);
  return retryInMs === undefined ? { state: 'failed', reason, to } : { state: 'pending', reason, to, retryInMs };
}

function reasonOf(failure: Failure): string {
  return failure.code;
}
