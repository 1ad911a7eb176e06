import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { RedisConnection, RedisHealth } from './redis.ts';

export interface RateLimit {
  /** Names the limit; part of its keys, so unique. */
  readonly name: string;
  readonly points: number;
  readonly perSeconds: number;
  /**
   * Points that each process grants by itself before it asks the others. They are not counted together, so the limit as a
   * whole is so much higher for each process, and an ordinary day costs Redis nothing. None unless told.
   */
  readonly grantedLocally?: number;
}

/**
 * Counts in Redis, so that all processes share a limit, and in memory while Redis is away.
 *
 * The two counts are not reconciled: for the length of an outage each process grants the whole limit. A limit here
 * protects us from floods; it is not what keeps one customer's data from another.
 */
export class RateLimiter {
  readonly #shared: RateLimiterRedis;
  readonly #insurance: RateLimiterMemory;
  readonly #local: RateLimiterMemory | undefined;
  readonly #health: RedisHealth;

  constructor(limit: RateLimit, redis: RedisConnection, health: RedisHealth) {
    const common = { points: limit.points, duration: limit.perSeconds, keyPrefix: `limit:${limit.name}` };
    this.#insurance = new RateLimiterMemory(common);
    this.#shared = new RateLimiterRedis({
      ...common,
      storeClient: redis,
      rejectIfRedisNotReady: true,
      insuranceLimiter: this.#insurance,
      // A key that is over its limit is refused from memory, without asking Redis again.
      inMemoryBlockOnConsumed: limit.points + 1,
    });
    if (limit.grantedLocally !== undefined) {
      this.#local = new RateLimiterMemory({
        ...common,
        points: limit.grantedLocally,
        keyPrefix: `local:${limit.name}`,
      });
    }
    this.#health = health;
  }

  /**
   * Takes one point.
   *
   * @returns undefined when there was one, else the milliseconds until there is one again.
   */
  async take(key: string): Promise<number | undefined> {
    if (this.#local !== undefined && (await take(this.#local, key)) === undefined) return undefined;
    return await take(this.#health.isUp ? this.#shared : this.#insurance, key);
  }
}

async function take(limiter: RateLimiterAbstract, key: string): Promise<number | undefined> {
  try {
    await limiter.consume(key);
    return undefined;
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return Math.max(1, refusal.msBeforeNext);
    throw refusal;
  }
}
