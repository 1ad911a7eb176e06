import { Counter, Histogram } from 'prom-client';
import { CappedLabel, OTHER_TENANTS, TENANTS_SHOWN } from '../platform/capped-label.ts';
import type { Logger } from '../platform/logger.ts';
import { LATENCY_BUCKETS_SECONDS, registry } from '../platform/metrics.ts';
import type { FailureCode } from './failures.ts';
import type { Disposition, ReceivedEvent } from './message.ts';
import { TARGET_KINDS } from './notification.ts';
import type { NotificationKind, TargetKind } from './notification.ts';
import { SLA_KINDS } from './sla.ts';
import type { SlaKind } from './sla.ts';

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
/** Each has names of its own: in a crowd of tenants those in trouble are few, and are the ones that somebody asks for. */
const rejectedTenantLabel = new CappedLabel(TENANTS_SHOWN, OTHER_TENANTS);
const tenantRejections = new Counter({
  name: 'plantao_tenant_webhook_rejections_total',
  help: `Webhooks for a channel that is known which had no valid proof or were too many, by tenant; of a process the first ${TENANTS_SHOWN} tenants with any, and all others together.`,
  labelNames: ['tenant'],
  registers: [registry],
});
const failingTenantLabel = new CappedLabel(TENANTS_SHOWN, OTHER_TENANTS);
const tenantSendFailures = new Counter({
  name: 'plantao_tenant_send_failures_total',
  help: `Attempts to send that ended as retry, failed or unknown, by tenant; of a process the first ${TENANTS_SHOWN} tenants with any, and all others together.`,
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
  readonly stage: 'intake' | 'turn' | 'delivery' | 'knowledge' | 'handoff' | 'notification';
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
  'threat',
  'tenant-rule',
  'vip',
  'nothing-found',
  'unreadable-twice',
  // Kept for the reply firewall.
  'firewall',
  'unsure-twice',
  'model-unavailable',
  'delivery-failed',
  'send-unconfirmed',
  'turn-failed',
  'too-old',
  'loop',
  'contact-limit',
  'outside-hours',
  'taken-over',
  'answered-elsewhere',
  'ticket-assigned',
] as const;
export type HandoffReason = (typeof HANDOFF_REASONS)[number];

/** What gave a machine away that answers us. A closed set: it is also a metric label. */
export const LOOP_SIGNALS = ['repeated-text', 'machine-cadence', 'own-words'] as const;
export type LoopSignal = (typeof LOOP_SIGNALS)[number];

const loops = new Counter({
  name: 'plantao_loops_broken_total',
  help: 'Conversations given to a person because a machine seemed to answer, by what gave it away.',
  labelNames: ['signal'],
  registers: [registry],
});

export function loopBroken(log: Logger, event: { conversationId: string; signal: LoopSignal; replies: number }): void {
  loops.inc({ signal: event.signal });
  log.warn({ event: 'loop.broken', ...event }, 'A machine seems to answer us');
}

/** How much a handoff hurries. */
export const HANDOFF_PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;
export type HandoffPriority = (typeof HANDOFF_PRIORITIES)[number];

export function handoffRequested(log: Logger, event: { conversationId: string; reason: HandoffReason }): void {
  handoffs.inc({ reason: event.reason });
  log.info({ event: 'handoff.requested', ...event }, 'A person was called');
}

const transfers = new Counter({
  name: 'plantao_handoff_transfers_total',
  help: "Tries to get a called person's ticket to people in the gateway, by how they ended.",
  labelNames: ['outcome'],
  registers: [registry],
});

export interface TicketTransferred {
  readonly handoffId: string;
  readonly conversationId: string;
  /** `moot`: somebody had come, or it was over. `not-possible`: the channel has no way or no destination. */
  readonly outcome: 'verified' | 'retry' | 'failed' | 'not-possible' | 'moot';
  readonly attempt: number;
  readonly reason?: string;
}

export function ticketTransferred(log: Logger, event: TicketTransferred): void {
  transfers.inc({ outcome: event.outcome });
  const level = event.outcome === 'retry' || event.outcome === 'failed' ? 'warn' : 'info';
  log[level]({ event: 'handoff.transfer', ...event }, `Transfer of a ticket: ${event.outcome}`);
}

const ticketReturns = new Counter({
  name: 'plantao_ticket_returns_total',
  help: 'Tries to take the ticket of a conversation that was given back or closed back to the bot in the gateway, or to close it, by how they ended.',
  labelNames: ['outcome'],
  registers: [registry],
});

export interface TicketReturned {
  readonly conversationId: string;
  /** Undefined: a person has the conversation again. */
  readonly goal: 'bot' | 'closed' | undefined;
  readonly outcome: TicketTransferred['outcome'];
  readonly attempt: number;
  readonly reason?: string;
}

/** The ticket of a conversation that is no person's any more was taken back or closed, or could not be. */
export function ticketReturned(log: Logger, event: TicketReturned): void {
  ticketReturns.inc({ outcome: event.outcome });
  const level = event.outcome === 'retry' || event.outcome === 'failed' ? 'warn' : 'info';
  log[level]({ event: 'ticket.return', ...event }, `Return of a ticket: ${event.outcome}`);
}

const ticketSights = new Counter({
  name: 'plantao_ticket_changes_total',
  help: 'Tickets that were seen to have changed in the gateway, by what that meant.',
  labelNames: ['meaning'],
  registers: [registry],
});

export interface TicketChanged {
  readonly conversationId: string;
  /** `ignored`: it was closed while the bot was answering. `strange-status`: a word we have never seen. */
  readonly meaning: 'taken' | 'returned' | 'closed' | 'ignored' | 'strange-status';
  /** The gateway's own word for the status. */
  readonly said: string;
}

/** A person has done something to a ticket that says who answers the customer. */
export function ticketChanged(log: Logger, event: TicketChanged): void {
  ticketSights.inc({ meaning: event.meaning });
  const level = event.meaning === 'strange-status' ? 'warn' : 'info';
  log[level]({ event: 'ticket.changed', ...event }, `A ticket changed: ${event.meaning}`);
}

const slaBreaches = new Counter({
  name: 'plantao_sla_breaches_total',
  help: 'Promises to customers who wait for people that were broken, by what they waited for and how much that hurried.',
  labelNames: ['kind', 'priority'],
  registers: [registry],
});
for (const kind of SLA_KINDS) for (const priority of HANDOFF_PRIORITIES) slaBreaches.inc({ kind, priority }, 0);

export interface SlaStepTaken {
  readonly conversationId: string;
  readonly handoffId: string;
  readonly clockId: string;
  readonly kind: SlaKind;
  readonly priority: HandoffPriority;
  /** `warning`, `breach`, or one step up the ladder. */
  readonly step: string;
}

/** Something was done about a customer who has waited for people, or soon will have, longer than was promised. */
export function slaStepTaken(log: Logger, event: SlaStepTaken): void {
  if (event.step === 'breach') slaBreaches.inc({ kind: event.kind, priority: event.priority });
  log.warn({ event: 'sla.step', ...event }, `SLA of ${event.kind}: ${event.step}`);
}

const consents = new Counter({
  name: 'plantao_consent_events_total',
  help: 'Customers who wanted to hear nothing more from the bot, or to hear from it again, by which of the two.',
  labelNames: ['kind'],
  registers: [registry],
});
const csatQuestions = new Counter({
  name: 'plantao_csat_questions_total',
  help: 'Questions about the service that were asked after a closing.',
  registers: [registry],
});
const csatAnswers = new Counter({
  name: 'plantao_csat_answers_total',
  help: 'Answers to the question about the service, by score.',
  labelNames: ['score'],
  registers: [registry],
});

export interface CourtesiesKept {
  readonly conversationId: string;
  readonly consent?: { readonly kind: 'opt-out' | 'opt-in' } | undefined;
  readonly csat?: { readonly score: number } | undefined;
}

/** What a committed turn has noted beside its answer. */
export function courtesiesKept(log: Logger, { conversationId, consent, csat }: CourtesiesKept): void {
  if (consent !== undefined) {
    consents.inc({ kind: consent.kind });
    log.info({ event: 'consent.changed', conversationId, kind: consent.kind }, `Consent: ${consent.kind}`);
  }
  if (csat !== undefined) {
    csatAnswers.inc({ score: csat.score });
    log.info({ event: 'csat.answered', conversationId, score: csat.score }, 'The service was rated');
  }
}

export function csatAsked(log: Logger, event: { conversationId: string }): void {
  csatQuestions.inc();
  log.info({ event: 'csat.asked', ...event }, 'The customer was asked how the service was');
}

/** What became of an attempt to tell people. `held`: it waits for the end of quiet hours. A closed set: also a label. */
const NOTIFICATION_OUTCOMES = ['sent', 'retry', 'failed', 'moot', 'held'] as const;
export type NotificationOutcome = (typeof NOTIFICATION_OUTCOMES)[number];

const notifications = new Counter({
  name: 'plantao_notifications_total',
  help: 'Attempts to tell the people of tenants something, by the kind of target and how they ended.',
  labelNames: ['target_kind', 'outcome'],
  registers: [registry],
});
for (const kind of TARGET_KINDS) {
  for (const outcome of NOTIFICATION_OUTCOMES) notifications.inc({ target_kind: kind, outcome }, 0);
}

export interface NotificationSettled {
  readonly notificationId: string;
  readonly targetId: string;
  readonly targetKind: TargetKind;
  readonly kind: NotificationKind;
  readonly outcome: NotificationOutcome;
  readonly attempt: number;
  readonly failure?: string;
}

export function notificationSettled(log: Logger, event: NotificationSettled): void {
  notifications.inc({ target_kind: event.targetKind, outcome: event.outcome });
  const level = event.outcome === 'retry' || event.outcome === 'failed' ? 'warn' : 'info';
  log[level]({ event: 'notification.settled', ...event }, `Notification ${event.outcome}`);
}

export interface NotificationTargetChanged {
  readonly tenantId: string;
  readonly targetId: string;
  readonly targetKind: TargetKind;
  readonly change: 'created' | 'changed' | 'deleted' | 'tested';
  /** Of a deletion: alarms that rang there. Those left have to be ended by hand where they ring. */
  readonly alarmsEnded?: number;
  readonly alarmsLeft?: number;
}

/** Somebody has changed whom a tenant tells. */
export function notificationTargetChanged(log: Logger, event: NotificationTargetChanged): void {
  const level = (event.alarmsLeft ?? 0) > 0 ? 'warn' : 'info';
  log[level]({ event: 'notification-target.changed', ...event }, `A notification target was ${event.change}`);
}

const packets = new Counter({
  name: 'plantao_handoff_packets_asked_total',
  help: 'Packets for a called person that a model was asked to write, by what became of it; else the one by rule stays.',
  labelNames: ['outcome'],
  registers: [registry],
});

/** A model was asked to write a packet. `not-traceable`: what it wrote rests on no message of the conversation. */
export function packetImproved(
  log: Logger,
  event: { handoffId: string; outcome: 'written' | 'no-answer' | 'not-traceable' },
): void {
  packets.inc({ outcome: event.outcome });
  log.info({ event: 'packet.asked', ...event }, `A packet by a model: ${event.outcome}`);
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

/** A webhook of one of this tenant's channels had no valid proof, or was too many. */
export function tenantWebhookRejected(tenant: string): void {
  tenantRejections.inc({ tenant: rejectedTenantLabel.of(tenant) });
}

/** An attempt to send for this tenant ended as anything but sent. */
export function tenantSendFailed(tenant: string): void {
  tenantSendFailures.inc({ tenant: failingTenantLabel.of(tenant) });
}

/** What a turn of this tenant has committed. */
export function tenantTurnCommitted(event: { tenant: string; outcome: TurnOutcome }): void {
  const tenant = tenantLabel.of(event.tenant);
  if (event.outcome === 'replied' || event.outcome === 'asked-back') tenantReplies.inc({ tenant });
  if (event.outcome === 'handed-off') tenantHandoffs.inc({ tenant });
}
