import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { OTHER_TENANTS } from '../platform/capped-label.ts';
import type { TenantId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';

const SLUGS_CACHED = 5_000;

/** The short names of tenants, for metrics. A slug never changes, so each is read once. */
export class TenantSlugs {
  readonly #db: Kysely<Schema>;
  readonly #slugs = new LRUCache<TenantId, string>({ max: SLUGS_CACHED });
  readonly #reading = new Map<TenantId, Promise<string | undefined>>();

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /** Those who ask together for the same one share a query. */
  async find(id: TenantId): Promise<string | undefined> {
    const known = this.#slugs.get(id);
    if (known !== undefined) return known;
    const underway = this.#reading.get(id) ?? this.#read(id).finally(() => this.#reading.delete(id));
    this.#reading.set(id, underway);
    return await underway;
  }

  /** As metrics show it. Never rejects: whose name cannot be read is counted under none. */
  async shownAs(id: TenantId): Promise<string> {
    return (await this.find(id).catch(() => undefined)) ?? OTHER_TENANTS;
  }

  async #read(id: TenantId): Promise<string | undefined> {
    const row = await this.#db.selectFrom('tenant').select('slug').where('id', '=', id).executeTakeFirst();
    if (row !== undefined) this.#slugs.set(id, row.slug);
    return row?.slug;
  }
}
