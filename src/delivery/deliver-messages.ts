import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { withContext } from '../platform/context.ts';
import type { Logger } from '../platform/logger.ts';
import { fullJitterMs, monotonicMs, pause, systemClock } from '../platform/time.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import { deliveryAttempted, firstBubbleSent, unknownSendSettled } from '../vocabulary/events.ts';
import type { HandoffReason } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Gateway } from '../vocabulary/gateway.ts';
import type { ChannelId, ConversationId, OutboxId, TenantId } from '../vocabulary/ids.ts';
import type { Address } from '../vocabulary/message.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { settleEchoes } from './echo-store.ts';
import { endReply, openAddresses } from './outbox-store.ts';
import type { ClaimedBubble, OpenBubble, OutboxStore } from './outbox-store.ts';

/** What a delivery needs from the rest of the system, and nothing more. */
export interface DeliverNeeds {
  readonly db: Kysely<Schema>;
  readonly outbox: Pick<
    OutboxStore,
    'claim' | 'reserveSlot' | 'findHead' | 'markSent' | 'markForRetry' | 'unclaim' | 'markUnknown' | 'resend'
  >;
  readonly gateway: Gateway;
  readonly channelOf: (id: ChannelId) => Promise<Channel | undefined>;
  readonly keysOf: (tenantId: TenantId) => Promise<TenantKeys>;
  /** Gives the conversation to a person, in the caller's transaction. */
  readonly callPerson: (tx: Tx, id: ConversationId, reason: HandoffReason) => Promise<void>;
  /** Somebody on our side has answered, seen from an echo, in the caller's transaction. */
  readonly personAnswered: (tx: Tx, id: ConversationId, tenantId: TenantId) => Promise<void>;
  readonly recordDeadLetter: (tx: Tx, letter: DeliveryDeadLetter) => Promise<void>;
  /** Rings the delivery of this conversation again. Never throws and never waits. */
  readonly ringDelivery: (id: ConversationId, delayMs: number) => void;
  readonly pacingMs: number;
  readonly log: Logger;
}

export interface DeliveryDeadLetter {
  readonly tenantId: TenantId;
  readonly conversationId: ConversationId;
  readonly outboxId: OutboxId;
  readonly reason: string;
}

/** One call of a gateway, connection included. */
export const SEND_TIMEOUT_MS = 10_000;
/** A claim older than this may have been made before we were frozen; the world may have moved since. */
const CLAIM_GOOD_FOR_MS = 2_000;
/** Unconfirmed sends of one text after which it is nobody's to send again, whatever the policy. */
const RESENDS_MAX = 1;
const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
/** Tries to record a confirmed send, and the wait after the first, second … failure: ten seconds in all. */
const RECORD_ATTEMPTS_MAX = 7;
const RECORD_RETRY_MS = 500;
/** Rows looked at in one run; a conversation with more is rung again. */
const ROWS_PER_RUN = 16;

/**
 * Sends what waits in a conversation's outbox, in order, as far as it may be sent now.
 *
 * Safe to run again at any point and by several processes at once: one of them claims a row, and a row that was claimed
 * by a process that died becomes `unknown`, never `pending`, because it may have been said.
 */
export async function deliverMessages(needs: DeliverNeeds, id: ConversationId): Promise<void> {
  await withContext({ conversationId: id }, async () => {
    for (let rows = 0; rows < ROWS_PER_RUN; rows += 1) {
      // Before every part: a person may have answered between two of them.
      await settleWhatWasHeard(needs, id);
      if (needs.pacingMs > 0) await needs.outbox.reserveSlot(id, needs.pacingMs);
      const claimedAt = monotonicMs();
      const bubble = await needs.outbox.claim(id);
      const next = bubble === undefined ? await unblock(needs, id) : await send(needs, { id, bubble, claimedAt });
      if (next === 'stop') return;
    }
    needs.ringDelivery(id, 0);
  });
}

type Next = 'go-on' | 'stop';

interface Sending {
  readonly id: ConversationId;
  readonly bubble: ClaimedBubble;
  readonly claimedAt: number;
}

async function send(needs: DeliverNeeds, { id, bubble, claimedAt }: Sending): Promise<Next> {
  const way = await findWay(needs, bubble);
  if (way === 'not-now') return 'stop';
  if (way === 'none') return await giveUp(needs, { id, row: bubble, reason: 'channel-removed' });
  const { channel, addresses } = way;
  if (monotonicMs() - claimedAt > CLAIM_GOOD_FOR_MS) {
    await needs.outbox.unclaim(bubble);
    return 'go-on';
  }
  const startedAt = monotonicMs();
  const attempted = (outcome: 'sent' | 'unknown' | 'retry' | 'failed', failure?: string): void => {
    deliveryAttempted(needs.log, {
      conversationId: id,
      outboxId: bubble.id,
      outcome,
      attempt: bubble.attempt,
      durationMs: monotonicMs() - startedAt,
      ...(failure === undefined ? {} : { failure }),
    });
  };
  let providerMessageId: string | undefined;
  try {
    const sent = await needs.gateway.sendText(
      channel.gateway,
      { addresses, ticketId: bubble.ticketId, text: bubble.text },
      AbortSignal.timeout(SEND_TIMEOUT_MS),
    );
    providerMessageId = sent.providerMessageId;
  } catch (error) {
    // What is not known to have stayed here may have been said. A bug of ours counts as unknown, too.
    const failure = error instanceof Failure ? error : new Failure('GATEWAY_OUTCOME_UNKNOWN', {}, { cause: error });
    return await afterFailure(needs, { id, bubble, failure, attempted });
  }
  // Outside of the try: a database that fails now does not make a message unknown that is known to be sent.
  const isMore = await recordSent(needs, bubble, providerMessageId);
  attempted('sent');
  if (bubble.part === 1 && bubble.askedAt !== undefined) {
    firstBubbleSent((systemClock.now().getTime() - bubble.askedAt.getTime()) / 1_000);
  }
  return isMore ? 'go-on' : 'stop';
}

/** Where a claimed bubble goes. What cannot be read now is not sent now: nothing has left the house yet. */
async function findWay(
  needs: DeliverNeeds,
  bubble: ClaimedBubble,
): Promise<{ channel: Channel; addresses: readonly Address[] } | 'none' | 'not-now'> {
  try {
    const channel = await needs.channelOf(bubble.channelId);
    if (channel === undefined) return 'none';
    return { channel, addresses: openAddresses(bubble, await needs.keysOf(bubble.tenantId)) };
  } catch (error) {
    await needs.outbox.markForRetry(bubble, { inMs: BACKOFF.baseMs, failure: 'not-readable' });
    needs.log.warn({ err: error, outboxId: bubble.id }, 'A bubble could not be prepared; it is tried again');
    return 'not-now';
  }
}

/** Tries to keep what the gateway has confirmed, for about as long as the row may say `sending`. */
async function recordSent(
  needs: DeliverNeeds,
  bubble: ClaimedBubble,
  providerMessageId: string | undefined,
): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await needs.outbox.markSent(bubble, providerMessageId);
    } catch (error) {
      if (attempt === RECORD_ATTEMPTS_MAX) throw error;
      needs.log.warn({ err: error, outboxId: bubble.id, attempt }, 'A confirmed send could not be recorded yet');
      await pause(RECORD_RETRY_MS * attempt);
    }
  }
}

interface Failed {
  readonly id: ConversationId;
  readonly bubble: ClaimedBubble;
  readonly failure: Failure;
  readonly attempted: (outcome: 'unknown' | 'retry' | 'failed', failure: string) => void;
}

async function afterFailure(needs: DeliverNeeds, { id, bubble, failure, attempted }: Failed): Promise<Next> {
  if (failure.code === 'GATEWAY_OUTCOME_UNKNOWN') {
    await needs.outbox.markUnknown({ id: bubble.id, attempts: bubble.attempt }, failure.code);
    attempted('unknown', failure.code);
    return 'go-on';
  }
  // What bounds the retries is the row's deadline: a gateway may be away for minutes, and nothing was said meanwhile.
  if (failure.verdict === 'retry-later') {
    const inMs = (failure.retryAfterMs ?? 0) + fullJitterMs(bubble.attempt, BACKOFF);
    await needs.outbox.markForRetry(bubble, { inMs, failure: failure.code });
    attempted('retry', failure.code);
    needs.ringDelivery(id, inMs);
    return 'stop';
  }
  attempted('failed', failure.code);
  return await giveUp(needs, { id, row: bubble, reason: failure.code });
}

/** The first row could not be claimed: finds out why, and does what there is to do about it. */
async function unblock(needs: DeliverNeeds, id: ConversationId): Promise<Next> {
  const head = await needs.outbox.findHead(id);
  if (head === undefined) return 'stop';
  switch (head.state) {
    case 'pending':
      if (head.isOfOlderEpoch) return await drop(needs, id, head);
      if (head.hasExpired) return await giveUp(needs, { id, row: head, reason: 'expired' });
      return waitFor(needs, id, head);
    case 'sending':
      if (head.dueInMs > 0) return waitFor(needs, id, head);
      await needs.outbox.markUnknown(head, 'sender-died');
      return 'go-on';
    case 'unknown':
      if (head.dueInMs > 0) return waitFor(needs, id, head);
      return await settleUnknown(needs, id, head);
  }
}

/** Due now and not claimed: another process has just taken it, or is about to. */
const NOT_YET_MS = 50;

function waitFor(needs: DeliverNeeds, id: ConversationId, head: OpenBubble): Next {
  needs.ringDelivery(id, Math.max(NOT_YET_MS, head.dueInMs));
  return 'stop';
}

async function settleUnknown(needs: DeliverNeeds, id: ConversationId, head: OpenBubble): Promise<Next> {
  const channel = await needs.channelOf(head.channelId);
  const mayResend = channel?.onUnknown === 'resend' && head.attempts <= RESENDS_MAX && !head.isOfOlderEpoch;
  if (mayResend) {
    if (await needs.outbox.resend(head)) {
      unknownSendSettled(needs.log, { conversationId: id, outboxId: head.id, settledBy: 'resend' });
    }
    return 'go-on';
  }
  unknownSendSettled(needs.log, { conversationId: id, outboxId: head.id, settledBy: 'hand-over' });
  return await giveUp(needs, { id, row: head, reason: 'GATEWAY_OUTCOME_UNKNOWN' });
}

/** The owner changed after this was decided: it is not said, and nobody needs to be told. */
async function drop(needs: DeliverNeeds, id: ConversationId, head: OpenBubble): Promise<Next> {
  await needs.db.transaction().execute(async (tx) => {
    await endReply(tx, head, { state: 'dropped', failure: 'owner-changed', settleAs: 'human' });
  });
  deliveryAttempted(needs.log, {
    conversationId: id,
    outboxId: head.id,
    outcome: 'dropped',
    attempt: head.attempts,
    durationMs: 0,
  });
  return 'go-on';
}

interface GivingUp {
  readonly id: ConversationId;
  readonly row: { readonly id: OutboxId; readonly turnId: string; readonly tenantId: TenantId };
  readonly reason: string;
}

/** The part is dead: it ends its reply, is kept for a person to look at, and a person gets the customer. */
async function giveUp(needs: DeliverNeeds, { id, row, reason }: GivingUp): Promise<Next> {
  await needs.db.transaction().execute(async (tx) => {
    // The conversation first, as everywhere: two transactions that lock in one order never wait in a circle.
    await sql`select from conversation where id = ${id} for no key update`.execute(tx);
    // Somebody may have settled it since it was looked at: then there is nothing to give up, and nobody to call.
    if (!(await endReply(tx, row, { state: 'failed', failure: reason, settleAs: 'human' }))) return;
    await needs.callPerson(tx, id, reason === 'GATEWAY_OUTCOME_UNKNOWN' ? 'send-unconfirmed' : 'delivery-failed');
    await needs.recordDeadLetter(tx, { tenantId: row.tenantId, conversationId: id, outboxId: row.id, reason });
  });
  return 'go-on';
}

async function settleWhatWasHeard(needs: DeliverNeeds, id: ConversationId): Promise<void> {
  const settled = await settleEchoes(needs.db, id, needs.personAnswered);
  for (const outboxId of settled.confirmed) {
    unknownSendSettled(needs.log, { conversationId: id, outboxId, settledBy: 'echo' });
  }
}
