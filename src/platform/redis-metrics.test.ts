import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { metricOfThisProcess } from '../../test/support/metrics.ts';
import { itWithRedisServer, startPrivateRedis } from '../../test/support/private-redis.ts';
import type { PrivateRedis } from '../../test/support/private-redis.ts';
import { measureRedisMemory } from './redis-metrics.ts';

let server: PrivateRedis;
let redis: Redis;

beforeEach(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url, { maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
});

afterEach(async () => {
  redis.disconnect();
  await server.close();
});

async function figures(): Promise<Record<string, number>> {
  await measureRedisMemory(redis);
  return {
    max: await metricOfThisProcess('plantao_redis_memory_max_bytes'),
    evictionPossible: await metricOfThisProcess('plantao_redis_eviction_possible'),
  };
}

describe('the memory of Redis', () => {
  itWithRedisServer('is shown with its limit, and whether jobs would be thrown away at it', async () => {
    await redis.config('SET', 'maxmemory', '0');
    const unlimited = await figures();
    await redis.config('SET', 'maxmemory', '64mb');
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const evicting = await figures();
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    const refusing = await figures();

    expect(unlimited).toEqual({ max: 0, evictionPossible: 0 });
    expect(evicting).toEqual({ max: 67_108_864, evictionPossible: 1 });
    expect(refusing).toEqual({ max: 67_108_864, evictionPossible: 0 });
    expect(await metricOfThisProcess('plantao_redis_memory_used_bytes')).toBeGreaterThan(100_000);
  });

  itWithRedisServer('keeps its last figures while Redis is away', async () => {
    await redis.config('SET', 'maxmemory', '64mb');
    await figures();
    await server.kill();

    expect(await figures()).toMatchObject({ max: 67_108_864 });
  });
});
