import type { Kysely, Selectable } from 'kysely';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { seal, unseal } from '../platform/crypto.ts';
import { Secret } from '../platform/secret.ts';
import { monotonicMs, pause } from '../platform/time.ts';
import { GATEWAY_PROFILES } from '../vocabulary/gateway.ts';
import type { GatewayConnection, GatewayProfile } from '../vocabulary/gateway.ts';
import { ChannelId, newId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { SealedCredentials, SealedSecrets } from './tenants.ts';
import type { Channel, TenantKeys, UnknownSendPolicy, WebhookAuthentication } from './tenants.ts';

export interface NewChannel {
  readonly name: string;
  readonly profile: GatewayProfile;
  readonly baseUrl: string;
  readonly connectionId?: string | undefined;
  readonly credentials: SealedCredentials;
  readonly webhook: {
    readonly kind: WebhookAuthentication['kind'];
    readonly header?: string | undefined;
    readonly secrets: readonly string[];
  };
  readonly onUnknown?: UnknownSendPolicy | undefined;
  readonly handoff?: NewDestinations | undefined;
}

export interface NewDestinations {
  readonly queueId?: number | undefined;
  readonly userId?: number | undefined;
  readonly queues?: Readonly<Record<string, number>> | undefined;
  readonly botQueueId?: number | undefined;
  readonly notPeople?: readonly number[] | undefined;
}

const CHANNELS_CACHED = 10_000;
/** How long a process may act on a channel that another one has changed. */
const FRESH_MS = 5_000;
/** How long a known channel is still believed while the database cannot be asked. */
const STALE_MS = 600_000;
/** How long a request waits for a fresh copy when it has one that is merely not fresh. */
const PATIENCE_MS = 200;

/** Channels, opened. The webhook asks for one at every request, so they are cached. */
export class ChannelStore {
  readonly #db: Kysely<Schema>;
  readonly #keysOf: (id: TenantId) => Promise<TenantKeys>;
  readonly #cache = new LRUCache<string, { channel: Channel; readAt: number }>({ max: CHANNELS_CACHED, ttl: STALE_MS });
  readonly #reading = new Map<string, Promise<Channel | undefined>>();

  constructor(db: Kysely<Schema>, keysOf: (id: TenantId) => Promise<TenantKeys>) {
    this.#db = db;
    this.#keysOf = keysOf;
  }

  async create(tx: Tx, tenantId: TenantId, channel: NewChannel): Promise<Channel> {
    const keys = await this.#keysOf(tenantId);
    const id = newId(ChannelId);
    const place = (column: string) => ({ tenantId, table: 'channel', column, rowId: id });
    const row = await tx
      .insertInto('channel')
      .values({
        id,
        tenant_id: tenantId,
        name: channel.name,
        kind: 'whaticket',
        gateway_profile: channel.profile,
        gateway_base_url: channel.baseUrl,
        gateway_connection_id: channel.connectionId ?? null,
        sealed_credentials: seal(keys.sealing, JSON.stringify(channel.credentials), place('sealed_credentials')),
        webhook_auth: channel.webhook.kind,
        webhook_header: channel.webhook.header?.toLowerCase() ?? null,
        sealed_webhook_secrets: seal(
          keys.sealing,
          JSON.stringify(channel.webhook.secrets),
          place('sealed_webhook_secrets'),
        ),
        ...(channel.onUnknown === undefined ? {} : { on_unknown: channel.onUnknown }),
        handoff_queue_id: channel.handoff?.queueId ?? null,
        handoff_user_id: channel.handoff?.userId ?? null,
        handoff_queues: JSON.stringify(channel.handoff?.queues ?? {}),
        bot_queue_id: channel.handoff?.botQueueId ?? null,
        handoff_not_people: [...(channel.handoff?.notPeople ?? [])],
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return channelFromRow(row, keys);
  }

  /**
   * The channel, at most {@link FRESH_MS} old; while the database is slow or down, as old as {@link STALE_MS}.
   *
   * @throws the database's error when the channel is not known here and cannot be read.
   */
  async find(id: ChannelId): Promise<Channel | undefined> {
    const cached = this.#cache.get(id);
    if (cached === undefined) return await this.findFresh(id);
    if (monotonicMs() - cached.readAt < FRESH_MS) return cached.channel;
    const asked = this.findFresh(id).catch(() => cached.channel);
    return await Promise.race([asked, pause(PATIENCE_MS).then(() => cached.channel)]);
  }

  async listOf(tx: Tx, tenantId: TenantId): Promise<readonly Channel[]> {
    const keys = await this.#keysOf(tenantId);
    const rows = await tx
      .selectFrom('channel')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .orderBy('created_at')
      .execute();
    return rows.map((row) => channelFromRow(row, keys));
  }

  /** The channel as it is now. Requests that ask together share one query. */
  async findFresh(id: ChannelId): Promise<Channel | undefined> {
    const underway = this.#reading.get(id) ?? this.#read(id).finally(() => this.#reading.delete(id));
    this.#reading.set(id, underway);
    return await underway;
  }

  async #read(id: ChannelId): Promise<Channel | undefined> {
    const row = await this.#db.selectFrom('channel').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) {
      this.#cache.delete(id);
      return undefined;
    }
    const channel = channelFromRow(row, await this.#keysOf(TenantId.parse(row.tenant_id)));
    this.#cache.set(id, { channel, readAt: monotonicMs() });
    return channel;
  }
}

const Profile = z.enum(GATEWAY_PROFILES);
const AuthenticationKind = z.enum(['hmac', 'bearer', 'url-secret']);
const Queues = z.record(z.string(), z.int());
const OnUnknown = z.enum(['hand-over', 'resend']);

function channelFromRow(row: Selectable<Schema['channel']>, keys: TenantKeys): Channel {
  const open = (column: 'sealed_credentials' | 'sealed_webhook_secrets'): unknown => {
    const place = { tenantId: row.tenant_id, table: 'channel', column, rowId: row.id };
    return JSON.parse(unseal([keys.sealing], row[column], place).toString());
  };
  return {
    id: ChannelId.parse(row.id),
    tenantId: TenantId.parse(row.tenant_id),
    name: row.name,
    gateway: gatewayConnection(row, SealedCredentials.parse(open('sealed_credentials'))),
    webhook: {
      kind: AuthenticationKind.parse(row.webhook_auth),
      header: row.webhook_header ?? undefined,
      secrets: SealedSecrets.parse(open('sealed_webhook_secrets')).map((secret) => Secret.of(secret)),
    },
    onUnknown: OnUnknown.parse(row.on_unknown),
    handoff: {
      queueId: row.handoff_queue_id ?? undefined,
      userId: row.handoff_user_id ?? undefined,
      queues: Queues.parse(row.handoff_queues),
      botQueueId: row.bot_queue_id ?? undefined,
      notPeople: row.handoff_not_people,
    },
    createdAt: row.created_at,
  };
}

function gatewayConnection(row: Selectable<Schema['channel']>, credentials: SealedCredentials): GatewayConnection {
  const { token, previousToken, email, password } = credentials;
  return {
    profile: Profile.parse(row.gateway_profile),
    baseUrl: row.gateway_base_url,
    token: Secret.of(token),
    previousToken: previousToken === undefined ? undefined : Secret.of(previousToken),
    login: email === undefined || password === undefined ? undefined : { email, password: Secret.of(password) },
    connectionId: row.gateway_connection_id ?? undefined,
  };
}
