import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisHealth } from './redis.ts';

export interface RateLimit {
  /** Names the limit; part of its keys, so unique. */
  readonly name: string;
  readonly points: number;
  readonly perSeconds: number;
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
  readonly #health: RedisHealth;

  constructor(limit: RateLimit, redis: Redis, health: RedisHealth) {
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
    this.#health = health;
  }

  /**
   * Takes one point.
   *
   * @returns undefined when there was one, else the milliseconds until there is one again.
   */
  async take(key: string): Promise<number | undefined> {
    const limiter = this.#health.isUp ? this.#shared : this.#insurance;
    try {
      await limiter.consume(key);
      return undefined;
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return Math.max(1, refusal.msBeforeNext);
      throw refusal;
    }
  }
}
