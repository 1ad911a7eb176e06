import type { Kysely } from 'kysely';
import { MIGRATIONS } from '../migrations/migrations.ts';
import { Bell } from './bell.ts';
import { createDatabase, createPool, onceReachable } from './platform/database.ts';
import type { PoolOptions } from './platform/database.ts';
import { Health } from './platform/health.ts';
import type { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { assertMigrated } from './platform/migrator.ts';
import { createRedis, RedisHealth } from './platform/redis.ts';
import type { Secret } from './platform/secret.ts';
import { systemClock } from './platform/time.ts';
import { ChannelStore } from './tenants/channel-store.ts';
import { TenantStore } from './tenants/tenant-store.ts';
import type { Schema } from './vocabulary/schema.ts';

/*
 * Joins the parts. Nothing in the composition decides anything: parts are opened in order, handed what they declared that
 * they need, and closed in reverse. Here stands what every process has; compose-service.ts and compose-work.ts add the rest.
 */

/** Readiness has a line of its own: a part that has used up its pool is busy, and the process is not away. */
const HEALTH_POOL = { name: 'health', connectionsMax: 1, queryTimeoutMs: 1_000, acquireTimeoutMs: 1_000 };

/** What every process reads from its environment. */
export interface BaseConfig {
  readonly databaseUrl: Secret;
  readonly redisUrl: Secret;
  readonly masterKey: Secret;
  readonly masterKeyPrevious: Secret | undefined;
}

/** What every process has. */
export interface Base {
  readonly db: Kysely<Schema>;
  readonly redis: ReturnType<typeof createRedis>;
  readonly redisHealth: RedisHealth;
  readonly tenants: TenantStore;
  readonly channels: ChannelStore;
  readonly bell: Bell;
  readonly health: Health;
  readonly closing: Lifecycle;
  readonly log: Logger;
}

export interface Opening {
  readonly config: BaseConfig;
  readonly closing: Lifecycle;
  readonly log: Logger;
}

/** @throws when the database cannot be reached for ten seconds, or lacks a migration. Redis may be away. */
export async function openBase(opening: Opening, pool: PoolOptions): Promise<Base> {
  const { config, closing, log } = opening;
  const redis = closing.keep('redis', createRedis(config.redisUrl, log), (it) => {
    it.disconnect();
  });
  const redisHealth = closing.keep('redis health', new RedisHealth(redis, log, () => systemClock.now()), (it) => {
    it.close();
  });
  const db = openDatabase(opening, pool);
  const healthDb = openDatabase(opening, HEALTH_POOL);
  const tenants = new TenantStore(db, { current: config.masterKey, previous: config.masterKeyPrevious });
  await onceReachable(() => assertMigrated(db, MIGRATIONS), log);
  return {
    db,
    redis,
    redisHealth,
    tenants,
    channels: new ChannelStore(db, (id) => tenants.keysOf(id)),
    bell: closing.keep('bell', new Bell(redis, redisHealth, log), (it) => it.close()),
    health: new Health({
      database: () => healthDb.selectNoFrom((is) => is.lit(1).as('one')).execute(),
      detail: () => ({ redis: redisHealth.isUp ? 'up' : 'down', redisSince: redisHealth.since.toISOString() }),
    }),
    closing,
    log,
  };
}

/** A pool of its own: what one part exhausts, the others still have. */
export function openDatabase({ config, closing, log }: Opening, options: PoolOptions): Kysely<Schema> {
  const db = createDatabase<Schema>(createPool(config.databaseUrl, options, log));
  return closing.keep(`database of ${options.name}`, db, (it) => it.destroy());
}
