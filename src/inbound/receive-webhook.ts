import type { IncomingHttpHeaders } from 'node:http';
import { isDataError } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import type { Clock } from '../platform/time.ts';
import { currentTraceparent } from '../platform/tracing.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import { webhookReceived } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import { ChannelId } from '../vocabulary/ids.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Disposition, ReceivedEvent } from '../vocabulary/message.ts';
import { dedupeKey, waitForRestMs } from './inbound.ts';
import type { Coalescing } from './inbound.ts';
import type { InboxRow, Recorded } from './inbox-store.ts';
import { isAuthentic, standardWebhookId } from './webhook-authentication.ts';

/** What the intake of a webhook needs from the rest of the system, and nothing more. */
export interface ReceiveWebhookNeeds {
  readonly channels: {
    /** The channel as known here, possibly a few seconds old. */
    find(id: ChannelId): Promise<Channel | undefined>;
    /** The channel as it is now. */
    findFresh(id: ChannelId): Promise<Channel | undefined>;
  };
  readonly keysOf: (tenantId: TenantId) => Promise<TenantKeys>;
  /** Reads a fork's wire. Never throws: what it does not know is an event of type `unknown`. */
  readonly recognise: (body: unknown) => ReceivedEvent;
  /** Resolves once the event is durable. */
  readonly record: (row: InboxRow) => Promise<Recorded>;
  readonly limits: {
    /** Milliseconds until the channel may send again, or undefined while it may. */
    readonly perChannel: (id: ChannelId) => Promise<number | undefined>;
    readonly perFailedAddress: (address: string) => Promise<number | undefined>;
  };
  /** Both ring without waiting and never throw: a lost ring is found by the sweeper. */
  readonly ringTurn: (conversationId: ConversationId, delayMs: number) => void;
  readonly ringDelivery: (conversationId: ConversationId) => void;
  /** What an edit, a deletion, a delivery status or a ticket changes. Never throws and never waits: it is recorded either way. */
  readonly apply: (channel: Channel, event: ReceivedEvent, recorded: RecordedAs) => void;
  /** Counts a customer's message that was accepted. Never throws and never waits. */
  readonly countMessage: (tenantId: TenantId) => void;
  /** Counts a webhook of a known channel that proved nothing or was too many. Never throws and never waits. */
  readonly countRejection: (tenantId: TenantId) => void;
  readonly coalescing: Coalescing;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where an event was recorded. */
export interface RecordedAs {
  readonly dedupeKey: string;
  readonly conversationId: ConversationId | undefined;
}

export interface WebhookRequest {
  readonly channelId: string;
  readonly urlSecret: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly rawBody: Buffer;
  readonly remoteAddress: string;
  readonly requestId: string;
}

/**
 * Takes one webhook: authenticate, recognise, record, and only then say yes.
 *
 * Safe to repeat: an event that was recorded before is answered `duplicate` and rings nobody.
 *
 * @throws {Failure} NOT_FOUND, WEBHOOK_NOT_AUTHENTIC, TOO_MANY_REQUESTS, BODY_NOT_PARSEABLE
 * @throws the store's error when the event could not be made durable.
 */
export async function receiveWebhook(needs: ReceiveWebhookNeeds, request: WebhookRequest): Promise<Disposition> {
  const startedAt = monotonicMs();
  const receivedAt = needs.clock.now();
  const channel = await authenticatedChannel(needs, request, receivedAt);
  const overLimitMs = await needs.limits.perChannel(channel.id);
  if (overLimitMs !== undefined) {
    needs.countRejection(channel.tenantId);
    throw new Failure('TOO_MANY_REQUESTS', { channelId: channel.id, retryAfterMs: overLimitMs });
  }

  const event = needs.recognise(parseJson(request.rawBody));
  const keys = await needs.keysOf(channel.tenantId);
  const webhookId = standardWebhookId(request.headers);
  const { requestId, rawBody: raw } = request;
  const waitMs = event.type === 'message' ? waitForRestMs(event.text, needs.coalescing) : 0;
  const key = dedupeKey({ event, raw, receivedAt, webhookId }, keys.index);
  const recorded = await recordOrPark(needs, { channel, keys, event, dedupeKey: key, raw, requestId, waitMs });

  if (recorded.isNew) {
    ringFor(needs, recorded.event, recorded);
    needs.apply(channel, recorded.event, { dedupeKey: key, conversationId: recorded.conversationId });
  }
  const disposition = recorded.isNew ? dispositionOf(recorded.event) : 'duplicate';
  if (disposition === 'accepted') needs.countMessage(channel.tenantId);
  webhookReceived(needs.log, {
    channelId: channel.id,
    disposition,
    kind: recorded.event.type,
    durationMs: monotonicMs() - startedAt,
  });
  return disposition;
}

async function authenticatedChannel(
  needs: ReceiveWebhookNeeds,
  request: WebhookRequest,
  receivedAt: Date,
): Promise<Channel> {
  const id = ChannelId.safeParse(request.channelId);
  if (!id.success) throw new Failure('NOT_FOUND');
  const signed = { headers: request.headers, rawBody: request.rawBody, urlSecret: request.urlSecret, receivedAt };
  const known = await needs.channels.find(id.data);
  if (known === undefined) throw new Failure('NOT_FOUND', { channelId: id.data });
  if (isAuthentic(known.webhook, signed)) return known;
  // The secret may have been rotated since this process read the channel. Nobody retries a webhook that got a 401.
  const fresh = await needs.channels.findFresh(id.data);
  if (fresh !== undefined && isAuthentic(fresh.webhook, signed)) return fresh;
  needs.countRejection(known.tenantId);
  // Counted after the check, so that a flood of bad signatures never shuts out a good one from the same address.
  const waitMs = await needs.limits.perFailedAddress(request.remoteAddress);
  if (waitMs !== undefined) throw new Failure('TOO_MANY_REQUESTS', { channelId: id.data, retryAfterMs: waitMs });
  throw new Failure('WEBHOOK_NOT_AUTHENTIC', { channelId: id.data });
}

/** An event whose values the database refuses is kept as bytes for a person to look at: better parked than lost. */
async function recordOrPark(
  needs: ReceiveWebhookNeeds,
  untraced: InboxRow,
): Promise<Recorded & { readonly event: ReceivedEvent }> {
  // Taken here and not where the batch is written: that is done on behalf of many.
  const row = { ...untraced, traceparent: currentTraceparent() };
  try {
    return { ...(await needs.record(row)), event: row.event };
  } catch (error) {
    if (!isDataError(error)) throw error;
    needs.log.error({ err: error }, 'An event could not be stored as what it is; it is parked');
    const { providerMessageId, occurredAt, isSelfDating } = row.event;
    const event = { type: 'unknown', reason: 'not-storable', providerMessageId, occurredAt, isSelfDating } as const;
    return { ...(await needs.record({ ...row, event, waitMs: 0 })), event };
  }
}

/** @throws {Failure} BODY_NOT_PARSEABLE */
function parseJson(raw: Buffer): unknown {
  try {
    const body: unknown = JSON.parse(raw.toString('utf8'));
    return body;
  } catch (error) {
    throw new Failure('BODY_NOT_PARSEABLE', {}, { cause: error });
  }
}

function ringFor(needs: ReceiveWebhookNeeds, event: ReceivedEvent, recorded: Recorded): void {
  if (recorded.conversationId === undefined) return;
  if (event.type === 'message') needs.ringTurn(recorded.conversationId, waitForRestMs(event.text, needs.coalescing));
  // An echo may settle a send, or mean that a person has answered.
  if (event.type === 'echo') needs.ringDelivery(recorded.conversationId);
}

function dispositionOf(event: ReceivedEvent): Disposition {
  switch (event.type) {
    case 'message':
      return 'accepted';
    case 'echo':
    case 'status':
    case 'edit':
    case 'deletion':
    case 'reaction':
    case 'group':
    case 'ticket':
    case 'system':
      return 'ignored';
    case 'unknown':
      return 'parked';
  }
}
