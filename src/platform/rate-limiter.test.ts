import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startPrivateRedis } from '../../test/support/private-redis.ts';
import type { PrivateRedis } from '../../test/support/private-redis.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from './logger.ts';
import { RateLimiter } from './rate-limiter.ts';
import { createRedis, RedisHealth } from './redis.ts';
import type { RedisConnection } from './redis.ts';
import { Secret } from './secret.ts';
import { systemClock } from './time.ts';

const LIMIT = { name: 'test', points: 3, perSeconds: 60 };
const log = createLogger({ level: 'silent', process: 'test' });

let server: PrivateRedis;
let open: { redis: RedisConnection; health: RedisHealth }[];

beforeEach(async () => {
  server = await startPrivateRedis();
  open = [];
});

afterEach(async () => {
  for (const { redis, health } of open) {
    health.close();
    redis.disconnect();
  }
  await server.close();
});

/** A limiter as one process has it. */
async function limiterOfAProcess(): Promise<RateLimiter> {
  const redis = createRedis(Secret.of(server.url), log);
  const health = new RedisHealth(redis, log, () => systemClock.now());
  open.push({ redis, health });
  await until(() => health.isUp);
  return new RateLimiter(LIMIT, redis, health);
}

async function takeTimes(limiter: RateLimiter, times: number): Promise<readonly (number | undefined)[]> {
  const taken: (number | undefined)[] = [];
  for (let time = 0; time < times; time += 1) taken.push(await limiter.take('ana'));
  return taken;
}

describe('a limit', () => {
  it('lets through what it allows, then says how long to wait', async () => {
    const [first, second, third, fourth] = await takeTimes(await limiterOfAProcess(), 4);

    expect([first, second, third]).toEqual([undefined, undefined, undefined]);
    expect(fourth).toBeGreaterThan(50_000);
    expect(fourth).toBeLessThanOrEqual(60_000);
  });

  it('is one limit for all processes, and one for each key', async () => {
    const [one, other] = [await limiterOfAProcess(), await limiterOfAProcess()];
    await takeTimes(one, 3);

    expect(await other.take('ana')).toBeGreaterThan(0);
    expect(await other.take('bia')).toBeUndefined();
  });

  it('holds in each process by itself while Redis is away', async () => {
    const limiter = await limiterOfAProcess();
    await server.kill();

    const taken = await takeTimes(limiter, 4);

    expect(taken.slice(0, 3)).toEqual([undefined, undefined, undefined]);
    expect(taken[3]).toBeGreaterThan(0);
  });
});
