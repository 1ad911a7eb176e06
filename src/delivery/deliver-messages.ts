import { randomUUID } from 'node:crypto';
import { BreakerOpenError } from '../platform/breaker.ts';
import { sqlState } from '../platform/database.ts';
import { withContext } from '../platform/context.ts';
import { fullJitterMs, monotonicMs, pause, systemClock } from '../platform/time.ts';
import { currentTraceparent, inSpan } from '../platform/tracing.ts';
import type { OpenSpan } from '../platform/tracing.ts';
import type { Channel } from '../tenants/tenants.ts';
import { deliveryAttempted, firstBubbleSent, sendConfirmedLate, unknownSendSettled } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Gateway } from '../vocabulary/gateway.ts';
import type { ChannelId, ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Address } from '../vocabulary/message.ts';
import { CLAIM_GOOD_FOR_MS, SEND_TIMEOUT_MS } from './delivery.ts';
import { settleEchoes } from './echo-store.ts';
import type { EchoNeeds } from './echo-store.ts';
import { dropReply, giveUp } from './give-up.ts';
import type { ClaimedBubble, OpenBubble, OutboxStore } from './outbox-store.ts';
import { openAddresses } from './sealed-addresses.ts';
import { settleUnknown } from './settle-unknown.ts';
import type { SettleUnknownNeeds } from './settle-unknown.ts';

/** What a delivery needs from the rest of the system, and nothing more. */
export interface DeliverNeeds extends SettleUnknownNeeds, EchoNeeds {
  readonly outbox: SettleUnknownNeeds['outbox'] &
    Pick<
      OutboxStore,
      'claim' | 'unclaimUnheard' | 'reserveSlot' | 'findHead' | 'markSent' | 'markForRetry' | 'unclaim' | 'markUnknown'
    >;
  readonly gateway: Gateway;
  /** The channel as it is now; `channelOf` may answer from some seconds ago. */
  readonly newestChannelOf: (id: ChannelId) => Promise<Channel | undefined>;
  /** Rings the delivery of this conversation again. Never throws and never waits. */
  readonly ringDelivery: (id: ConversationId, delayMs: number) => void;
  /** Counts an attempt that did not end as sent. Never throws and never waits. */
  readonly countFailure: (tenantId: TenantId) => void;
  readonly pacingMs: number;
}

/** Between two looks at a gateway whose breaker is open, at least; a breaker lets somebody try every ten seconds. */
const LEFT_ALONE_MS = 2_000;
const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
/**
 * How long it is tried to record a confirmed send, and the wait between two tries. Short and many, because once the database is back the next
 * sweep finds the row and takes its sender for gone.
 */
const RECORD_WITHIN_MS = 30_000;
const RECORD_RETRY_MS = 250;
/** How long a claim that nobody heard of is looked for, and the wait between two looks. */
const TAKE_BACK_WITHIN_MS = 15_000;
const TAKE_BACK_RETRY_MS = 500;
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
      const bubble = await claim(needs, id);
      const next = bubble === undefined ? await unblock(needs, id) : await traced(needs, { id, bubble, claimedAt });
      if (next === 'stop') return;
    }
    needs.ringDelivery(id, 0);
  });
}

/**
 * A claim whose answer does not come may still be made: a frozen database does what it was told when it goes on. Nothing was
 * sent under such a claim, so it is taken back instead of being waited for as if its sender had died.
 */
async function claim(needs: DeliverNeeds, id: ConversationId): Promise<ClaimedBubble | undefined> {
  const claimId = randomUUID();
  try {
    return await needs.outbox.claim(id, claimId);
  } catch (error) {
    if (sqlState(error) === undefined) await takeBack(needs, id, claimId);
    throw error;
  }
}

async function takeBack(needs: DeliverNeeds, id: ConversationId, claimId: string): Promise<void> {
  const giveUpAt = monotonicMs() + TAKE_BACK_WITHIN_MS;
  // The second look is for a claim that was carried out behind the first one.
  let looks = 0;
  while (looks < 2 && monotonicMs() < giveUpAt) {
    try {
      if (await needs.outbox.unclaimUnheard(id, claimId)) return;
      looks += 1;
    } catch (error) {
      needs.log.debug({ err: error }, 'A claim without an answer could not be looked for yet');
    }
    await pause(TAKE_BACK_RETRY_MS);
  }
}

type Next = 'go-on' | 'stop';

interface Sending {
  readonly id: ConversationId;
  readonly bubble: ClaimedBubble;
  readonly claimedAt: number;
}

/** Sends on behalf of the request and of the turn that led to it, whoever it was that found it here. */
async function traced(needs: DeliverNeeds, sending: Sending): Promise<Next> {
  const { bubble } = sending;
  const { requestId } = bubble;
  const span = {
    kind: 'client' as const,
    parent: bubble.traceparent,
    links: [currentTraceparent()],
    attributes: {
      'plantao.outbox_id': bubble.id,
      'plantao.request_id': requestId,
      'plantao.part': bubble.part,
      'plantao.attempt': bubble.attempt,
    },
  };
  return await withContext(requestId === undefined ? {} : { requestId }, () =>
    inSpan('send', span, (open) => send(needs, sending, open)),
  );
}

async function send(needs: DeliverNeeds, { id, bubble, claimedAt }: Sending, span: OpenSpan): Promise<Next> {
  const way = await findWay(needs, bubble);
  if (way === 'not-now') return 'stop';
  if (way === 'none') {
    await giveUp(needs, { id, row: bubble, reason: 'channel-removed' });
    return 'go-on';
  }
  const { channel, addresses } = way;
  if (monotonicMs() - claimedAt > CLAIM_GOOD_FOR_MS) {
    await needs.outbox.unclaim(bubble, 0);
    return 'go-on';
  }
  const startedAt = monotonicMs();
  const attempted = (outcome: 'sent' | 'unknown' | 'retry' | 'failed', failure?: string): void => {
    span.set({ 'plantao.outcome': outcome, 'error.type': failure });
    if (outcome !== 'sent') needs.countFailure(bubble.tenantId);
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
    const message = { addresses, ticketId: bubble.ticketId, text: bubble.text };
    const sent = await withNewestToken(needs, channel, (gateway) =>
      needs.gateway.sendText(gateway, message, AbortSignal.timeout(SEND_TIMEOUT_MS)),
    );
    providerMessageId = sent.providerMessageId;
  } catch (error) {
    // What is not known to have stayed here may have been said. A bug of ours counts as unknown, too.
    const failure = error instanceof Failure ? error : new Failure('GATEWAY_OUTCOME_UNKNOWN', {}, { cause: error });
    return await afterFailure(needs, { id, bubble, failure, attempted });
  }
  // Outside of the try: a database that fails now does not make a message unknown that is known to be sent.
  const { isMore, wasUnknown } = await recordSent(needs, bubble, providerMessageId);
  attempted('sent');
  if (wasUnknown) unknownSendSettled(needs.log, { conversationId: id, outboxId: bubble.id, settledBy: 'answer' });
  if (bubble.part === 1 && bubble.askedAt !== undefined) {
    firstBubbleSent((systemClock.now().getTime() - bubble.askedAt.getTime()) / 1_000);
  }
  return isMore ? 'go-on' : 'stop';
}

/**
 * A token that is refused may have been changed since this process read the channel. A refusal comes before the gateway does
 * anything, so the new token may try at once.
 */
async function withNewestToken<Sent>(
  needs: DeliverNeeds,
  channel: Channel,
  call: (gateway: Channel['gateway']) => Promise<Sent>,
): Promise<Sent> {
  try {
    return await call(channel.gateway);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'GATEWAY_CREDENTIALS_REFUSED') throw error;
    const newest = await needs.newestChannelOf(channel.id).catch(() => undefined);
    if (newest === undefined || newest.gateway.token.reveal() === channel.gateway.token.reveal()) throw error;
    return await call(newest.gateway);
  }
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

/** Tries to keep what the gateway has confirmed, for longer than the row may say `sending`. */
async function recordSent(
  needs: DeliverNeeds,
  bubble: ClaimedBubble,
  providerMessageId: string | undefined,
): Promise<{ isMore: boolean; wasUnknown: boolean }> {
  const giveUpAt = monotonicMs() + RECORD_WITHIN_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await needs.outbox.markSent(bubble, providerMessageId);
    } catch (error) {
      if (monotonicMs() > giveUpAt) throw error;
      needs.log.warn({ err: error, outboxId: bubble.id, attempt }, 'A confirmed send could not be recorded yet');
      await pause(RECORD_RETRY_MS);
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
    const row = { id: bubble.id, attempts: bubble.attempt };
    if ((await needs.outbox.markUnknown(row, failure.code, 'alive')) === 'confirmed') {
      unknownSendSettled(needs.log, { conversationId: id, outboxId: bubble.id, settledBy: 'echo' });
    }
    attempted('unknown', failure.code);
    return 'go-on';
  }
  // Its gateway is left alone: nothing was tried, so the wait for its return does not grow.
  if (failure.cause instanceof BreakerOpenError) {
    const inMs = LEFT_ALONE_MS + fullJitterMs(1, { baseMs: LEFT_ALONE_MS, capMs: LEFT_ALONE_MS });
    await needs.outbox.unclaim(bubble, inMs);
    attempted('retry', failure.code);
    needs.ringDelivery(id, inMs);
    return 'stop';
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
  await giveUp(needs, { id, row: bubble, reason: failure.code });
  return 'go-on';
}

/** The first row could not be claimed: finds out why, and does what there is to do about it. */
async function unblock(needs: DeliverNeeds, id: ConversationId): Promise<Next> {
  const head = await needs.outbox.findHead(id);
  if (head === undefined) return 'stop';
  switch (head.state) {
    case 'pending':
      if (head.isOfOlderEpoch) return await drop(needs, id, head);
      if (!head.hasExpired) return waitFor(needs, id, head);
      await giveUp(needs, { id, row: head, reason: 'expired' });
      return 'go-on';
    case 'sending':
      if (head.dueInMs > 0) return waitFor(needs, id, head);
      await needs.outbox.markUnknown(head, 'sender-died', 'gone');
      return 'go-on';
    case 'unknown':
      if (head.dueInMs > 0) return waitFor(needs, id, head);
      await settleUnknown(needs, id, head);
      return 'go-on';
  }
}

/** Due now and not claimed: another process has just taken it, or is about to. */
const NOT_YET_MS = 50;

function waitFor(needs: DeliverNeeds, id: ConversationId, head: OpenBubble): Next {
  needs.ringDelivery(id, Math.max(NOT_YET_MS, head.dueInMs));
  return 'stop';
}

/** The owner changed after this was decided: it is not said, and nobody needs to be told. */
async function drop(needs: DeliverNeeds, id: ConversationId, head: OpenBubble): Promise<Next> {
  if (await dropReply(needs, { id, row: head, reason: 'owner-changed' })) {
    deliveryAttempted(needs.log, {
      conversationId: id,
      outboxId: head.id,
      outcome: 'dropped',
      attempt: head.attempts,
      durationMs: 0,
    });
  }
  return 'go-on';
}

async function settleWhatWasHeard(needs: DeliverNeeds, id: ConversationId): Promise<void> {
  const { confirmed, confirmedLate } = await settleEchoes(needs, id);
  for (const outboxId of confirmed) {
    unknownSendSettled(needs.log, { conversationId: id, outboxId, settledBy: 'echo' });
  }
  for (const outboxId of confirmedLate) sendConfirmedLate(needs.log, { conversationId: id, outboxId });
}
