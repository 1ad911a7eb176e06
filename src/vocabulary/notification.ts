import type { Secret } from '../platform/secret.ts';

/** What a tenant's people can be told about. */
export const NOTIFICATION_KINDS = ['handoff', 'sla-warning', 'sla-breach', 'dead-letter'] as const;
export type NotificationKind = (typeof NOTIFICATION_KINDS)[number];

/** By what they can be told. A closed set: it is also a metric label. */
export const TARGET_KINDS = ['slack', 'pagerduty', 'email', 'webhook'] as const;
export type TargetKind = (typeof TARGET_KINDS)[number];

/** Where something is told. Whoever knows a Slack address may post there, so the address itself is a secret. */
export type TargetAddress =
  | { readonly kind: 'slack'; readonly url: Secret }
  | { readonly kind: 'pagerduty'; readonly routingKey: Secret }
  | { readonly kind: 'email'; readonly addresses: readonly string[] }
  | { readonly kind: 'webhook'; readonly url: Secret; readonly secret: Secret };

export type AddressOf<Kind extends TargetKind> = Extract<TargetAddress, { readonly kind: Kind }>;

/** What is told, in our own words: ids, closed words and links; what a customer said or who they are only where asked for. */
export interface Notice {
  /** The same at every try, so that whoever is told twice can know it. */
  readonly id: string;
  readonly kind: NotificationKind | 'test';
  /** `resolve` ends the alarm that an earlier notice with the same `alarmKey` began. */
  readonly action: 'tell' | 'resolve';
  readonly alarmKey: string;
  readonly severity: 'info' | 'warning' | 'critical';
  /** One line. */
  readonly title: string;
  readonly lines: readonly string[];
  readonly link: string | undefined;
  readonly happenedAt: Date;
  /** The same for programs. */
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Tells one target one thing.
 *
 * It makes one attempt. It resolves when the other side has taken the notice and throws a `Failure` otherwise. A notice
 * whose fate is not known counts as not told: it is told again under the same id, and being told twice is better than never.
 */
export interface Notifier {
  tell(address: TargetAddress, notice: Notice, signal: AbortSignal): Promise<void>;
}
