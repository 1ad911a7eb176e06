import { afterEach, describe, expect } from '@jest/globals';
import { z } from 'zod';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { itWithRedisServer } from '../support/private-redis.ts';
import { startRedisWithSentinel } from '../support/redis-sentinel.ts';
import type { RedisWithSentinel } from '../support/redis-sentinel.ts';
import { Stopwatch, timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { TcpProxy } from './tcp-proxy.ts';

/*
 * REDIS_URL names one address: who runs a Sentinel puts a proxy before it that follows the master, as is usual, and as is
 * done here.
 */
const ANSWER_MS_MAX = 1_500;
/** From the death of the master to a Redis that we use again; a second of it is the sentinel's own patience. */
const GAP_MS_MAX = 5_000;

let redis: RedisWithSentinel;
let line: TcpProxy;
let town: Town;
let bakery: TownTenant;
/** What was opened, for a machine that can open it. */
let closers: (() => Promise<unknown>)[] = [];

async function open(): Promise<void> {
  redis = await startRedisWithSentinel();
  closers.unshift(() => redis.close());
  line = await TcpProxy.start(await redis.master());
  closers.unshift(() => line.close());
  town = await Town.start({ environment: { REDIS_URL: `redis://127.0.0.1:${line.port}` } });
  closers.unshift(() => town.close());
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
}

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

async function redisIs(state: 'up' | 'down'): Promise<boolean> {
  const answer: unknown = await (await fetch(`${town.url}/readyz`)).json();
  return z.object({ redis: z.string() }).parse(answer).redis === state;
}

describe('a Redis whose replica becomes the master', () => {
  itWithRedisServer('is changed without a restart, and nobody waits, misses or repeats anything', async () => {
    await open();
    const before = await redis.master();
    const accepted: string[] = [];
    let slowestMs = 0;
    let hasNewMaster = false;

    await redis.killMaster();
    const gap = new Stopwatch();
    for (let index = 0; !hasNewMaster || !(await redisIs('up')); index += 1) {
      const ana = bakery.customer(`Cliente ${index}`, `55119888${String(index).padStart(5, '0')}`);
      const { answer, tookMs } = await timed(() => ana.writes('Qual é a taxa de entrega?'));
      slowestMs = Math.max(slowestMs, tookMs);
      expect(answer.status).toBe(200);
      accepted.push(answer.providerMessageId);
      const now = await redis.master();
      if (now.port !== before.port) line.leadTo(now);
      hasNewMaster = now.port !== before.port;
      // The patience of one who waits for the sentinel, and no more people than it takes.
      await until(() => town.sent().length >= accepted.length);
    }
    const gapMs = gap.stop();
    await bakery.customer('Ana', '5511988889999').writes('Aceitam cheque?');
    await expectCleanHistory(town, { accepted });

    expect(gapMs).toBeLessThan(GAP_MS_MAX);
    expect(slowestMs).toBeLessThan(ANSWER_MS_MAX);
  });
});
