import { afterEach, describe, expect } from '@jest/globals';
import type { Job, Queue, Worker } from 'bullmq';
import { createLogger } from '../../src/platform/logger.ts';
import { createQueue, createWorker } from '../../src/platform/queue.ts';
import { RateLimiter } from '../../src/platform/rate-limiter.ts';
import { createBlockingRedis, createRedis, RedisHealth } from '../../src/platform/redis.ts';
import type { RedisConnection } from '../../src/platform/redis.ts';
import { Secret } from '../../src/platform/secret.ts';
import { systemClock } from '../../src/platform/time.ts';
import { itWhere, whyNoRedisServer } from '../support/it-where.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedisWithSentinel } from '../support/redis-sentinel.ts';
import { SecretFiles } from '../support/secret-files.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { until } from '../support/until.ts';

const log = createLogger({ level: 'silent', process: 'test' });
/** The gap that a failover may make. */
const GAP_MS_MAX = 10_000;

let closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

function keep<Thing>(thing: Thing, close: (thing: Thing) => unknown): Thing {
  closers.unshift(() => close(thing));
  return thing;
}

interface Bells {
  readonly redis: RedisConnection;
  readonly health: RedisHealth;
  readonly queue: Queue<{ n: number }>;
  /** What the worker has run, in order. */
  readonly heard: number[];
}

/** A queue and its worker, connected as service and workers are. */
async function ring(url: Secret): Promise<Bells> {
  const redis = keep(createRedis(url, log), (it) => {
    it.disconnect();
  });
  const health = keep(new RedisHealth(redis, log, () => systemClock.now()), (it) => {
    it.close();
  });
  const queue = keep(createQueue<{ n: number }>('bells', redis, log), (it) => it.close());
  const blocking = keep(createBlockingRedis(url, log), (it) => {
    it.disconnect();
  });
  const heard: number[] = [];
  const run = (_data: unknown, job: Job<{ n: number }>): Promise<void> => {
    heard.push(job.data.n);
    return Promise.resolve();
  };
  keep<Worker>(createWorker('bells', { connection: blocking, concurrency: 1, parse: (data) => data, run }, log), (it) =>
    it.close(true),
  );
  await until(() => health.isUp);
  return { redis, health, queue, heard };
}

describe('REDIS_URL', () => {
  itWhere(whyNoRedisServer(), 'names sentinels: the next master is found without a restart', async () => {
    const servers = keep(await startRedisWithSentinel(), (it) => it.close());
    const { health, queue, heard } = await ring(Secret.of(servers.url));
    await queue.add('bell', { n: 1 });
    await until(() => heard.includes(1));

    await servers.killMaster();
    const gap = new Stopwatch();
    await until(() => !health.isUp);
    await until(() => health.isUp, GAP_MS_MAX);
    const gapMs = gap.stop();
    await queue.add('bell', { n: 2 });
    await until(() => heard.includes(2));

    expect(gapMs).toBeLessThan(GAP_MS_MAX);
  });

  itWhere(whyNoRedisServer(), 'names nodes of a cluster: queues, limits and waits are in it', async () => {
    const cluster = keep(await startRedisCluster(), (it) => it.close());
    const { redis, health, queue, heard } = await ring(Secret.of(cluster.url));
    const limiter = new RateLimiter({ name: 'test', points: 1, perSeconds: 60 }, redis, health);

    await queue.add('bell', { n: 1 }, { deduplication: { id: 'c-1', keepLastIfActive: true, reschedule: true } });
    await queue.add('bell', { n: 2 }, { delay: 50 });
    await until(() => heard.length === 2);

    expect(heard.toSorted()).toEqual([1, 2]);
    expect(await limiter.take('ana')).toBeUndefined();
    expect(await limiter.take('ana')).toBeGreaterThan(0);
  });

  itWhere(
    whyNoRedisServer(),
    'has another password in its file: every connection follows when it reconnects',
    async () => {
      const server = keep(await startPrivateRedis(), (it) => it.close());
      const files = keep(new SecretFiles(), (it) => {
        it.remove();
      });
      const withPassword = (password: string): string => `redis://:${password}@${new URL(server.url).host}`;
      await server.command('acl', 'setuser', 'default', 'resetpass', '>primeira');
      const { REDIS_URL_FILE = '' } = files.environment({ REDIS_URL: withPassword('primeira') });
      const { health, queue, heard, redis } = await ring(Secret.fromFile(REDIS_URL_FILE));

      await redis.call('acl', 'setuser', 'default', '>segunda');
      files.write('REDIS_URL', withPassword('segunda'));
      await redis.call('acl', 'setuser', 'default', '<primeira');
      await redis.call('client', 'kill', 'type', 'normal', 'skipme', 'no').catch(() => undefined);
      await until(() => !health.isUp);
      await until(() => health.isUp);
      await queue.add('bell', { n: 1 });
      await until(() => heard.includes(1));

      expect(heard).toEqual([1]);
    },
  );
});
