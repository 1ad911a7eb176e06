import { z } from 'zod';
import type { KeyObject } from 'node:crypto';
import { deriveHmacKey, deriveKey, sealingKey } from '../platform/crypto.ts';
import type { SealingKey } from '../platform/crypto.ts';
import type { Secret } from '../platform/secret.ts';
import { BusinessCalendarSetting } from '../vocabulary/business-calendar.ts';
import type { GatewayConnection } from '../vocabulary/gateway.ts';
import type { ChannelId, TenantId } from '../vocabulary/ids.ts';
import { SlaSetting } from '../vocabulary/sla.ts';
import { CourtesySettings } from './courtesy-settings.ts';
import { HandoffSettings } from './handoff-settings.ts';
import { LoopSettings } from './loop-settings.ts';

/*
 * The door of `tenants`: the client companies that the bot serves, their channels, settings and keys.
 *
 * This domain owns the tables tenant, api_key and channel. Its invariant: a credential leaves the database sealed and
 * opens only with the tenant's own data key, which opens only with the master key. It decides nothing about messages.
 */

export { filledIn } from './courtesy-settings.ts';
export type { HandoffRule } from './handoff-settings.ts';

/** What a tenant may change about the bot. Every number is a limit, and 0 switches it off. */
export const TenantSettings = z.object({
  /** Turns in one conversation within ten minutes after which two machines are assumed to talk, and a person is called. */
  loopBreaker: z.int().min(0).max(1_000).default(30),
  /** Replies to a contact in a minute; the rest wait, in order, until the minute is over. */
  contactPerMinute: z.int().min(0).max(10_000).default(20),
  /** Replies to a contact in a day; after that a person is called. */
  contactPerDay: z.int().min(0).max(1_000_000).default(500),
  /** Minutes after which a takeover seen from an echo (somebody answered from the phone) lapses back to the bot. */
  humanIdleMinutes: z.int().min(0).max(43_200).default(240),
  /** Minutes after which a takeover by the API lapses, too; a person's words put it off. */
  takeoverIdleMinutes: z.int().min(0).max(43_200).default(0),
  /** A message older than this is not answered by the bot any more; a person gets it. Minutes. */
  answerWithinMinutes: z.int().min(0).max(43_200).default(720),
  /** When people are there; null: around the clock. */
  businessCalendar: BusinessCalendarSetting.nullable().default(null),
  /** What customers are promised once people are to answer. */
  sla: SlaSetting.prefault({}),
  ...LoopSettings,
  ...HandoffSettings,
  ...CourtesySettings,
});
export type TenantSettings = z.infer<typeof TenantSettings>;

export interface Tenant {
  readonly id: TenantId;
  readonly slug: string;
  readonly name: string;
  readonly plan: string | undefined;
  readonly locale: string;
  readonly timeZone: string;
  readonly settings: TenantSettings;
  readonly createdAt: Date;
}

/** What a webhook of a channel must prove. */
export interface WebhookAuthentication {
  readonly kind: 'hmac' | 'bearer' | 'url-secret';
  /** Where the proof is, when not in the usual header. Lower case. */
  readonly header: string | undefined;
  /** All that are valid now, so that they can be rotated. Never empty. */
  readonly secrets: readonly Secret[];
}

/** Where tickets go when a person is called, by the gateway's own ids. */
export interface HandoffDestinations {
  readonly queueId: number | undefined;
  readonly userId: number | undefined;
  /** Ids of queues by the logical names that a tenant's rules use. */
  readonly queues: Readonly<Record<string, number>>;
  /** The queue in which the bot works: a ticket that a person moves there is given back to it. */
  readonly botQueueId: number | undefined;
  /** Users who are programs: a ticket that is theirs means nothing. */
  readonly notPeople: readonly number[];
}

/** What to do with a text that may or may not have been sent. */
export type UnknownSendPolicy = 'hand-over' | 'resend';

export interface Channel {
  readonly id: ChannelId;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly gateway: GatewayConnection;
  readonly webhook: WebhookAuthentication;
  readonly onUnknown: UnknownSendPolicy;
  readonly handoff: HandoffDestinations;
  readonly createdAt: Date;
}

/** The keys of one tenant, each for one purpose, all derived from its data key. */
export interface TenantKeys {
  /** Seals credentials, names and addresses. */
  readonly sealing: SealingKey;
  /** Finds a contact again by an address that is not stored in clear. */
  readonly index: KeyObject;
  /** Mints ids that two processes agree on without talking. */
  readonly ids: KeyObject;
}

export function tenantKeys(dataKey: Buffer): TenantKeys {
  return {
    sealing: sealingKey(deriveKey(dataKey, 'seal')),
    index: deriveHmacKey(dataKey, 'blind-index'),
    ids: deriveHmacKey(dataKey, 'ids'),
  };
}

/** What a channel keeps sealed, as JSON. */
export const SealedCredentials = z.object({
  token: z.string(),
  /** The one before, kept until the next change: a gateway and its channel never change at the same moment. */
  previousToken: z.string().optional(),
  email: z.string().optional(),
  password: z.string().optional(),
});
export type SealedCredentials = z.infer<typeof SealedCredentials>;

export const SealedSecrets = z.array(z.string()).min(1);
