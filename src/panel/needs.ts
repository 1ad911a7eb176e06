import type { Request } from 'express';
import type { Kysely } from 'kysely';
import type { Rehearsal, Rehearsed } from '../conversation/rehearse-turn.ts';
import type { Suggestion } from '../conversation/suggest-reply.ts';
import type { Suggesting } from '../conversation/suggestion-store.ts';
import type { CheckReport, CheckState } from '../platform/deep-check.ts';
import type { Logger } from '../platform/logger.ts';
import type { Secret } from '../platform/secret.ts';
import type { ChannelStore } from '../tenants/channel-store.ts';
import type { TenantStore } from '../tenants/tenant-store.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { ChannelId, ConversationId, DeadLetterId, DocumentId, TenantId } from '../vocabulary/ids.ts';
import type { Notifier } from '../vocabulary/notification.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';

/** What the API for people needs from the rest of the system, and nothing more. */
export interface PanelNeeds {
  readonly db: Kysely<Schema>;
  readonly tenants: Pick<TenantStore, 'create' | 'get' | 'saveSettings' | 'keysOf'>;
  readonly channels: Pick<ChannelStore, 'create'>;
  /** Opens everything of every tenant. */
  readonly adminApiKey: Secret;
  /** Tells somebody something, for a test of whether it arrives. */
  readonly notifier: Notifier;
  /** Bounds how often a tenant tries that. Answers the milliseconds to wait when it was too often. */
  readonly notifierTests: { take(key: string): Promise<number | undefined> };
  /** Where gateways reach us, without a slash at the end. */
  readonly publicUrl: (req: Request) => string;
  /** Bounds failed sign-ins of an address. Answers the milliseconds to wait when there were too many. */
  readonly limiter: { take(key: string): Promise<number | undefined> };
  /** Wakes whoever has work now, once that is committed. It fails nothing: the sweepers find what was not rung. */
  readonly bell: {
    ringTurn(conversationId: ConversationId, delayMs: number): void;
    ringDelivery(conversationId: ConversationId): void;
    ringDocument(documentId: DocumentId): void;
  };
  /** The bot, as people ask it. */
  readonly assistant: {
    /** Bounds what a tenant asks. Answers the milliseconds to wait when that was too much. */
    readonly limiter: { take(key: string): Promise<number | undefined> };
    rehearse(tenant: Tenant, rehearsal: Rehearsal): Promise<Rehearsed>;
    suggest(tenant: Tenant, said: Suggesting): Promise<Suggestion>;
  };
  readonly deadLetters: {
    replay(tx: Tx, tenantId: TenantId, id: DeadLetterId): Promise<'replayed' | 'not-found' | 'settled-already'>;
    discard(tx: Tx, tenantId: TenantId, id: DeadLetterId): Promise<'discarded' | 'not-found' | 'settled-already'>;
  };
  /** Asks what everything rests on, for those who may know. */
  readonly deepHealth: {
    report(): Promise<CheckReport>;
    ofChannel(id: ChannelId): Promise<{ readonly state: CheckState; readonly detail: string } | undefined>;
  };
  readonly log: Logger;
}
