import { randomBytes } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { LRUCache } from 'lru-cache';
import { isSealedWith, masterKeys, masterKeysNow, seal, unseal } from '../platform/crypto.ts';
import type { SealingKey } from '../platform/crypto.ts';
import { sqlState } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { Secret } from '../platform/secret.ts';
import { Failure } from '../vocabulary/failures.ts';
import { newId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { dataKeyPlace, inspectSealing } from './master-key.ts';
import type { Sealing } from './master-key.ts';
import { tenantKeys, TenantSettings } from './tenants.ts';
import type { Tenant, TenantKeys } from './tenants.ts';

export interface NewTenant {
  readonly slug: string;
  readonly name: string;
  readonly plan?: string | undefined;
  readonly locale?: string | undefined;
  readonly timeZone?: string | undefined;
}

const TENANTS_CACHED = 5_000;
/** How long a process may act on settings that another one has changed. */
const SETTINGS_TTL_MS = 5_000;
const UNIQUE_VIOLATION = '23505';
/** A line of the log names no more than these. */
const TENANTS_NAMED_MAX = 20;

/** Tenants, their settings and their keys. */
export class TenantStore {
  readonly #db: Kysely<Schema>;
  readonly #master: () => readonly SealingKey[];
  readonly #masterNow: () => readonly SealingKey[];
  // A tenant's data key never changes, only its wrapping does, so this cache needs no expiry.
  readonly #keys = new LRUCache<TenantId, TenantKeys>({ max: TENANTS_CACHED });
  readonly #tenants = new LRUCache<TenantId, Tenant>({ max: TENANTS_CACHED, ttl: SETTINGS_TTL_MS });

  constructor(db: Kysely<Schema>, master: { current: Secret; previous: Secret | undefined }) {
    this.#db = db;
    this.#master = () => masterKeys(master.current, master.previous);
    this.#masterNow = () => masterKeysNow(master.current, master.previous);
  }

  /** @throws {Failure} ALREADY_EXISTS when the slug is taken. */
  async create(tenant: NewTenant): Promise<Tenant> {
    const id = newId(TenantId);
    const [master] = this.#master();
    if (master === undefined) throw new Error('There is no master key');
    try {
      const row = await this.#db
        .insertInto('tenant')
        .values({
          id,
          slug: tenant.slug,
          name: tenant.name,
          plan: tenant.plan ?? null,
          ...(tenant.locale === undefined ? {} : { locale: tenant.locale }),
          ...(tenant.timeZone === undefined ? {} : { time_zone: tenant.timeZone }),
          sealed_data_key: seal(master, randomBytes(32), dataKeyPlace(id)),
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return tenantFromRow(row);
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION)
        throw new Failure('ALREADY_EXISTS', { slug: tenant.slug }, { cause: error });
      throw error;
    }
  }

  /** At most {@link SETTINGS_TTL_MS} old. */
  async find(id: TenantId): Promise<Tenant | undefined> {
    const cached = this.#tenants.get(id);
    if (cached !== undefined) return cached;
    const row = await this.#db.selectFrom('tenant').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return undefined;
    const tenant = tenantFromRow(row);
    this.#tenants.set(id, tenant);
    return tenant;
  }

  /** @throws {Failure} NOT_FOUND */
  async get(id: TenantId): Promise<Tenant> {
    const tenant = await this.find(id);
    if (tenant === undefined) throw new Failure('NOT_FOUND', { tenantId: id });
    return tenant;
  }

  async saveSettings(tx: Tx, id: TenantId, settings: TenantSettings): Promise<void> {
    await tx
      .updateTable('tenant')
      .set({ settings: JSON.stringify(settings) })
      .where('id', '=', id)
      .execute();
    this.#tenants.delete(id);
  }

  /** @throws {Failure} NOT_FOUND when there is no such tenant. */
  async keysOf(id: TenantId): Promise<TenantKeys> {
    const cached = this.#keys.get(id);
    if (cached !== undefined) return cached;
    const row = await this.#db.selectFrom('tenant').select('sealed_data_key').where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new Failure('NOT_FOUND', { tenantId: id });
    const keys = tenantKeys(unseal(this.#masterFor(row.sealed_data_key), row.sealed_data_key, dataKeyPlace(id)));
    this.#keys.set(id, keys);
    return keys;
  }

  /**
   * One tenant that cannot be opened is that tenant's trouble, and is logged; if it is all of them, the key is the wrong one.
   *
   * @throws then, so that a rollout with a wrong key stops at its first process.
   */
  async assertMasterKey(log: Logger): Promise<void> {
    const { current, pending, unreadable } = await this.inspectSealing();
    if (unreadable.length === 0) return;
    if (current + pending === 0) {
      throw new Error('MASTER_KEY is not the key of this database: nothing that it has sealed can be read');
    }
    const tenantIds = unreadable.slice(0, TENANTS_NAMED_MAX);
    log.error({ tenantIds, count: unreadable.length }, 'MASTER_KEY does not open what these tenants have sealed');
  }

  /** Which tenants the master keys open. Asked at the start and by people, never by the traffic. */
  async inspectSealing(): Promise<Sealing> {
    return await inspectSealing(this.#db, this.#masterNow());
  }

  /** During a rotation another process may have sealed with a key that stands in our files for less than a second. */
  #masterFor(sealed: Buffer): readonly SealingKey[] {
    const known = this.#master();
    return known.some((key) => isSealedWith(key, sealed)) ? known : this.#masterNow();
  }
}

function tenantFromRow(row: Selectable<Schema['tenant']>): Tenant {
  return {
    id: TenantId.parse(row.id),
    slug: row.slug,
    name: row.name,
    plan: row.plan ?? undefined,
    locale: row.locale,
    timeZone: row.time_zone,
    settings: TenantSettings.parse(row.settings),
    createdAt: row.created_at,
  };
}
