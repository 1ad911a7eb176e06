/**
 * What a run under load is held to: the same numbers that wake somebody in production. A test reads them from the rules in
 * `alerts/` and fails when they differ, so a load that passes here lights no alert there.
 */
export const THRESHOLDS = {
  /** Alert IntakeBudgetBurn: all but this share of webhooks are taken within this time. */
  intakeWithinSeconds: 1,
  intakeBadShare: 0.001,
  /** Alert ReplyBudgetBurn: the first word of all but this share of replies comes within this time. */
  replyWithinSeconds: 15,
  replyLateShare: 0.01,
  /** Alert HttpLatencyHigh: nineteen of twenty requests are faster. */
  requestP95Seconds: 1,
  /** Alert HttpErrorRateHigh: at most this share of requests ends in a 5xx. */
  failedShare: 0.05,
  /** Alert WebhooksRejected: at most so many are turned away in a quarter of an hour. */
  rejectedMax: 30,
  /** The same alert: at most so many have no valid proof in an hour. */
  notAuthenticMax: 5,
  /** Alert ModelSlow: a model that takes longer is a fault, and no load. */
  modelP95Seconds: 10,
  /** Alert QueueBacklog: nothing in the inbox or the outbox waits longer. */
  inboxOldestSeconds: 60,
  outboxOldestSeconds: 300,
  /** Alert EventLoopLag. */
  eventLoopLagSeconds: 0.25,
} as const;

/** A share of bad ones as the percentile that must be good: 0.001 is `p(99.9)`. */
export function percentileOf(badShare: number): string {
  return `p(${Number(((1 - badShare) * 100).toFixed(3))})`;
}
