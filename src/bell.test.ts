import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Redis } from 'ioredis';
import { startPrivateRedis } from '../test/support/private-redis.ts';
import type { PrivateRedis } from '../test/support/private-redis.ts';
import { until } from '../test/support/until.ts';
import { Bell } from './bell.ts';
import { createLogger } from './platform/logger.ts';
import { createRedis, RedisHealth } from './platform/redis.ts';
import type { RedisConnection } from './platform/redis.ts';
import { Secret } from './platform/secret.ts';
import { systemClock } from './platform/time.ts';
import { ConversationId, newId } from './vocabulary/ids.ts';

let server: PrivateRedis;
let redis: RedisConnection;
let health: RedisHealth;
let bell: Bell;
let observer: Redis;

beforeEach(async () => {
  const log = createLogger({ level: 'silent', process: 'test' });
  server = await startPrivateRedis();
  redis = createRedis(Secret.of(server.url), log);
  health = new RedisHealth(redis, log, () => systemClock.now());
  bell = new Bell(redis, health, log);
  observer = new Redis(server.url);
  await until(() => health.isUp);
});

afterEach(async () => {
  await bell.close();
  health.close();
  redis.disconnect();
  observer.disconnect();
  await server.close();
});

async function waiting(): Promise<number> {
  return await observer.llen('{plantao}:deliver-messages:wait');
}

/** Rings, no more at once than may be on their way. */
async function ringOneByOne(count: number): Promise<void> {
  for (let rung = 0; rung < count; rung += 100) {
    for (let index = 0; index < 100; index += 1) bell.ringDelivery(newId(ConversationId));
    // Commands of one connection are answered in order: with this answer the rings have arrived.
    await redis.ping();
  }
}

describe('a flood of rings', () => {
  it('is cut to what may be on its way at once', async () => {
    for (let rung = 0; rung < 900; rung += 1) bell.ringDelivery(newId(ConversationId));
    await bell.close();

    expect(await waiting()).toBe(200);
  });

  it('is cut to a thousand in a second, and the next second is free again', async () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(7_000_000);
    await ringOneByOne(3_000);
    const inOneSecond = await waiting();
    clock.mockReturnValue(7_001_000);
    await ringOneByOne(100);
    const inTheNext = await waiting();
    clock.mockRestore();

    expect([inOneSecond, inTheNext]).toEqual([1_000, 1_100]);
  });
});

describe('a heartbeat', () => {
  it('is in a queue once, however often it is rung', async () => {
    for (let rung = 0; rung < 5; rung += 1) bell.ringHeartbeat('deliver-messages', new Date(rung).toISOString());
    await bell.close();

    expect(await waiting()).toBe(1);
  });
});
