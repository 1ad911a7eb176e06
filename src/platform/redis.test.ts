import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { itWithRedisServer, startPrivateRedis } from '../../test/support/private-redis.ts';
import type { PrivateRedis } from '../../test/support/private-redis.ts';
import { timed } from '../../test/support/stopwatch.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from './logger.ts';
import { createRedis, RedisHealth } from './redis.ts';
import type { RedisConnection } from './redis.ts';
import { Secret } from './secret.ts';
import { systemClock } from './time.ts';

let server: PrivateRedis;
let redis: RedisConnection;
let health: RedisHealth;
let lines: string[];

beforeEach(async () => {
  server = await startPrivateRedis();
  lines = [];
  const log = createLogger({ level: 'info', process: 'test' }, { write: (line) => lines.push(line) });
  redis = createRedis(Secret.of(server.url), log);
  health = new RedisHealth(redis, log, () => systemClock.now());
  await until(() => health.isUp);
});

afterEach(async () => {
  health.close();
  redis.disconnect();
  await server.close();
});

async function msUntilRefused(): Promise<number> {
  const { tookMs } = await timed(() => expect(redis.get('key')).rejects.toThrow());
  return tookMs;
}

describe('a Redis that has died', () => {
  it('is known to be down at once, and commands fail instead of waiting', async () => {
    await server.kill();
    await until(() => !health.isUp, 2_000);

    expect(await msUntilRefused()).toBeLessThan(100);
  });

  it('is told about once, not with every attempt to reconnect', async () => {
    await server.kill();
    await until(() => lines.some((line) => line.includes('working without it')));
    await until(() => redis.status === 'reconnecting');

    expect(lines.filter((line) => line.includes('Redis cannot be reached')).length).toBeLessThanOrEqual(1);
  });
});

describe('a Redis that has frozen', () => {
  itWithRedisServer('costs a command half a second at most, and is then known to be down', async () => {
    server.freeze();

    expect(await msUntilRefused()).toBeLessThan(900);
    await until(() => !health.isUp, 2_000);
    server.thaw();
    await until(() => health.isUp);
    expect(await redis.ping()).toBe('PONG');
  });
});

describe('a Redis over TLS whose line is cut while the file of its certificate is being replaced', () => {
  it('is looked for where it was, and ends nobody', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'plantao-redis-'));
    const file = path.join(folder, 'ca.pem');
    writeFileSync(file, 'first');
    const log = createLogger({ level: 'silent', process: 'test' });
    const overTls = createRedis(Secret.of(`rediss://127.0.0.1:1?cafile=${file}`), log);
    overTls.disconnect();
    rmSync(folder, { recursive: true });
    if (!(overTls instanceof Redis)) throw new Error('This is no single Redis');

    expect(overTls.options.retryStrategy?.(1)).toBe(100);
    expect(overTls.options.tls).toEqual({ ca: 'first' });
  });
});
