import { Counter, Histogram } from 'prom-client';
import { CappedLabel, OTHER_TENANTS, TENANTS_SHOWN } from '../platform/capped-label.ts';
import type { Logger } from '../platform/logger.ts';
import { LATENCY_BUCKETS_SECONDS, registry } from '../platform/metrics.ts';
import type { FailureCode } from './failures.ts';
import type { Disposition, ReceivedEvent } from './message.ts';

/*
 * One function per business event: its log line and its metric are written together and cannot drift apart. Fields are
 * ids, counts and closed words; what a customer wrote or who they are has no place here.
 */

/** Counters of tenants count the same tenants under their names. */
const tenantLabel = new CappedLabel(TENANTS_SHOWN, OTHER_TENANTS);
const tenantMessages = new Counter({
  name: 'plantao_tenant_messages_total',
  help: `Customer messages that were accepted, by tenant; of a process the first ${TENANTS_SHOWN} tenants, and all others together.`,
  labelNames: ['tenant'],
  registers: [registry],
});
const tenantReplies = new Counter({
  name: 'plantao_tenant_replies_total',
  help: 'Turns that ended in a reply, by tenant, with the same bound.',
  labelNames: ['tenant'],
  registers: [registry],
});
const tenantHandoffs = new Counter({
  name: 'plantao_tenant_handoffs_total',
  help: 'Turns that gave their conversation to a person, by tenant, with the same bound.',
  labelNames: ['tenant'],
  registers: [registry],
});

const webhooks = new Counter({
  name: 'plantao_webhook_requests_total',
  help: 'Authenticated webhooks by what became of them and what they were.',
  labelNames: ['disposition', 'kind'],
  registers: [registry],
});
const webhookSeconds = new Histogram({
  name: 'plantao_webhook_duration_seconds',
  help: 'From the whole body to the durable answer.',
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});
const webhookRejections = new Counter({
  name: 'plantao_webhook_rejections_total',
  help: 'Webhooks that were not taken, by reason.',
  labelNames: ['reason'],
  registers: [registry],
});
// Alerts count these. A counter that is not there before its first event loses that event, and a small channel has few.
const ALERTED_REJECTIONS: readonly FailureCode[] = ['WEBHOOK_NOT_AUTHENTIC', 'TOO_MANY_REQUESTS'];
for (const reason of ALERTED_REJECTIONS) webhookRejections.inc({ reason }, 0);

export interface WebhookReceived {
  readonly channelId: string;
  readonly disposition: Disposition;
  readonly kind: ReceivedEvent['type'];
  readonly durationMs: number;
}

export function webhookReceived(log: Logger, event: WebhookReceived): void {
  webhooks.inc({ disposition: event.disposition, kind: event.kind });
  webhookSeconds.observe(event.durationMs / 1_000);
  log.info({ event: 'webhook.received', ...event }, `Webhook ${event.disposition}`);
}

export function webhookRejected(log: Logger, event: { reason: FailureCode; channelId?: string }): void {
  webhookRejections.inc({ reason: event.reason });
  log.warn({ event: 'webhook.rejected', ...event }, 'Webhook not taken');
}

/** How a turn ended. A closed set: it is also a metric label. */
export const TURN_OUTCOMES = [
  'replied',
  'asked-back',
  'handed-off',
  'left-to-human',
  'recorded',
  'nothing-to-answer',
  'not-due',
  'busy',
  'suspect',
  'superseded',
  'overtaken',
  'failed',
] as const;
export type TurnOutcome = (typeof TURN_OUTCOMES)[number];

/** Nobody decided anything, because there was nothing to decide here and now. */
const UNDECIDED: ReadonlySet<TurnOutcome> = new Set(['nothing-to-answer', 'not-due', 'busy', 'suspect']);

const turns = new Counter({
  name: 'plantao_turns_total',
  help: 'Turns by how they ended.',
  labelNames: ['outcome'],
  registers: [registry],
});
const turnSeconds = new Histogram({
  name: 'plantao_turn_duration_seconds',
  help: 'From the lease to the commit, for turns that decided something.',
  labelNames: ['outcome'],
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});

export interface TurnFinished {
  readonly conversationId: string;
  readonly outcome: TurnOutcome;
  readonly durationMs: number;
  readonly messages?: number;
  readonly rung?: string;
}

export function turnFinished(log: Logger, event: TurnFinished): void {
  turns.inc({ outcome: event.outcome });
  if (UNDECIDED.has(event.outcome)) {
    log.debug({ event: 'turn.finished', ...event }, `Turn ${event.outcome}`);
    return;
  }
  turnSeconds.observe({ outcome: event.outcome }, event.durationMs / 1_000);
  log.info({ event: 'turn.finished', ...event }, `Turn ${event.outcome}`);
}

const sends = new Counter({
  name: 'plantao_sends_total',
  help: 'Attempts to send by how they ended.',
  labelNames: ['outcome'],
  registers: [registry],
});
const sendSeconds = new Histogram({
  name: 'plantao_send_duration_seconds',
  help: 'One call of the gateway.',
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});
const unknownSends = new Counter({
  name: 'plantao_sends_unknown_total',
  help: 'Sends whose outcome the gateway did not tell, by what settled them.',
  labelNames: ['settled_by'],
  registers: [registry],
});
const messageSeconds = new Histogram({
  name: 'plantao_message_e2e_seconds',
  help: 'From the durable acceptance of the oldest message of a turn to the first bubble that the gateway took.',
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});

export interface DeliveryAttempted {
  readonly conversationId: string;
  readonly outboxId: string;
  readonly outcome: 'sent' | 'unknown' | 'retry' | 'failed' | 'dropped';
  readonly attempt: number;
  readonly durationMs: number;
  readonly failure?: string;
}

export function deliveryAttempted(log: Logger, event: DeliveryAttempted): void {
  sends.inc({ outcome: event.outcome });
  sendSeconds.observe(event.durationMs / 1_000);
  const level = event.outcome === 'sent' ? 'info' : 'warn';
  log[level]({ event: 'delivery.attempted', ...event }, `Send ${event.outcome}`);
}

export function firstBubbleSent(seconds: number): void {
  messageSeconds.observe(seconds);
}

export interface UnknownSendSettled {
  readonly conversationId: string;
  readonly outboxId: string;
  /** What told us, or the channel's policy where nothing did. */
  readonly settledBy: 'echo' | 'answer' | 'read-back' | 'resend' | 'hand-over';
}

/** Once for each time that a send became unknown. */
export function unknownSendSettled(log: Logger, event: UnknownSendSettled): void {
  unknownSends.inc({ settled_by: event.settledBy });
  log.warn({ event: 'delivery.unknown-settled', ...event }, 'An unconfirmed send was settled');
}

const confirmedLate = new Counter({
  name: 'plantao_sends_confirmed_late_total',
  help: 'Sends that an echo confirmed after the policy of the channel had been applied to them.',
  registers: [registry],
});

export function sendConfirmedLate(log: Logger, event: { conversationId: string; outboxId: string }): void {
  confirmedLate.inc();
  log.warn({ event: 'delivery.confirmed-late', ...event }, 'An echo confirmed what had been given up or said again');
}

const readBacks = new Counter({
  name: 'plantao_read_backs_total',
  help: 'Looks into a ticket for an unconfirmed send, by what they told.',
  labelNames: ['outcome'],
  registers: [registry],
});

export interface ReadBackMade {
  readonly conversationId: string;
  readonly outboxId: string;
  /** `not-possible`: this channel or customer does not let us look, and nobody has. */
  readonly outcome: 'found' | 'not-found' | 'not-possible' | 'failed';
  readonly failure?: string;
}

export function readBackMade(log: Logger, event: ReadBackMade): void {
  readBacks.inc({ outcome: event.outcome });
  if (event.outcome === 'not-possible') return;
  log.info({ event: 'delivery.read-back', ...event }, `Read-back ${event.outcome}`);
}

const deadLetters = new Counter({
  name: 'plantao_dead_letters_total',
  help: 'Work that gave up, by stage.',
  labelNames: ['stage'],
  registers: [registry],
});

export interface DeadLettered {
  readonly stage: 'intake' | 'turn' | 'delivery' | 'knowledge';
  readonly subjectId: string;
  readonly reason: string;
}

export function deadLettered(log: Logger, event: DeadLettered): void {
  deadLetters.inc({ stage: event.stage });
  log.error({ event: 'dead-letter.recorded', ...event }, 'Work gave up and waits for a person');
}

const handoffs = new Counter({
  name: 'plantao_handoffs_total',
  help: 'Conversations given to a person, by reason.',
  labelNames: ['reason'],
  registers: [registry],
});

/** Why a person is called. A closed set: it is also a metric label. */
export const HANDOFF_REASONS = [
  'customer-asked',
  'unsure-twice',
  'model-unavailable',
  'delivery-failed',
  'send-unconfirmed',
  'turn-failed',
  'too-old',
  'loop',
  'contact-limit',
  'taken-over',
  'answered-elsewhere',
] as const;
export type HandoffReason = (typeof HANDOFF_REASONS)[number];

export function handoffRequested(log: Logger, event: { conversationId: string; reason: HandoffReason }): void {
  handoffs.inc({ reason: event.reason });
  log.info({ event: 'handoff.requested', ...event }, 'A person was called');
}

const rewakes = new Counter({
  name: 'plantao_sweeper_rewakes_total',
  help: 'Work that nobody was doing and the sweeper found.',
  labelNames: ['work'],
  registers: [registry],
});

export function sweeperFound(log: Logger, event: { work: 'turn' | 'delivery' | 'document'; count: number }): void {
  rewakes.inc({ work: event.work }, event.count);
  log.info({ event: 'sweeper.found', ...event }, 'The sweeper found forgotten work');
}

const suspects = new Counter({
  name: 'plantao_suspects_total',
  help: 'Turns whose process had died or frozen and that were taken alone, by how that ended; died: it killed its process again.',
  labelNames: ['outcome'],
  registers: [registry],
});

/** A turn that is suspected of killing its processes was taken in one where it was alone. */
export function suspectTaken(
  log: Logger,
  event: { conversationId: string; outcome: TurnOutcome | 'not-taken' | 'died' },
): void {
  suspects.inc({ outcome: event.outcome });
  const level = event.outcome === 'died' ? 'error' : 'info';
  log[level]({ event: 'suspect.taken', ...event }, `A turn taken alone: ${event.outcome}`);
}

const quarantineFailures = new Counter({
  name: 'plantao_quarantine_failures_total',
  help: 'Times that the process in which suspects run alone did not start.',
  registers: [registry],
});

export function quarantineFailed(log: Logger, event: { inARow: number; reason: string }): void {
  quarantineFailures.inc();
  log.error({ event: 'quarantine.failed', ...event }, 'The process in which suspects run alone did not start');
}

const violations = new Counter({
  name: 'plantao_promise_violations_total',
  help: 'Times that the watchdog found a customer whom nobody was looking after, by what was stuck and what it did about it.',
  labelNames: ['stuck', 'repair'],
  registers: [registry],
});

export interface PromiseViolated {
  readonly conversationId: string;
  /** The decision about what the customer wrote, or the way of our answer to the customer. */
  readonly stuck: 'turn' | 'delivery';
  readonly repair: 'wake' | 'offline' | 'person' | 'none';
  readonly waitedMs: number;
}

export function promiseViolated(log: Logger, event: PromiseViolated): void {
  violations.inc({ stuck: event.stuck, repair: event.repair });
  log.error({ event: 'promise.violated', ...event }, 'A customer was stranded');
}

/** A customer's message was accepted. */
export function tenantMessageAccepted(tenant: string): void {
  tenantMessages.inc({ tenant: tenantLabel.of(tenant) });
}

/** What a turn of this tenant has committed. */
export function tenantTurnCommitted(event: { tenant: string; outcome: TurnOutcome }): void {
  const tenant = tenantLabel.of(event.tenant);
  if (event.outcome === 'replied' || event.outcome === 'asked-back') tenantReplies.inc({ tenant });
  if (event.outcome === 'handed-off') tenantHandoffs.inc({ tenant });
}
