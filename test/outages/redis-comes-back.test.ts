import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { z } from 'zod';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { itWhere, whyNoRedisServer } from '../support/it-where.ts';
import { itWithRedisServer, startPrivateRedis } from '../support/private-redis.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import type { SmallDisk } from '../support/small-disk.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** A gateway that waits longer than this for its answer may give up. */
const ANSWER_MS_MAX = 1_500;
/** From the end of an outage to the end of everything that waited. */
const DRAINED_MS_MAX = 10_000;
const PEOPLE = 30;

let redis: PrivateRedis;
let town: Town;
let bakery: TownTenant;
let disk: SmallDisk | undefined;

async function open(directory?: string): Promise<void> {
  redis = await startPrivateRedis(directory === undefined ? {} : { directory });
  town = await Town.start({ environment: { REDIS_URL: redis.url } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
}

afterEach(async () => {
  redis.thaw();
  await town.close();
  await redis.close();
  disk?.close();
  disk = undefined;
});

interface Written {
  readonly accepted: readonly string[];
  readonly slowestMs: number;
}

/** Many people write one after the other, each two messages. */
async function peopleWrite(from: number): Promise<Written> {
  const accepted: string[] = [];
  let slowestMs = 0;
  for (let index = from; index < from + PEOPLE; index += 1) {
    const person = bakery.customer(`Cliente ${index}`, `55119888${String(index).padStart(5, '0')}`);
    for (const question of ['Qual é a taxa de entrega?', 'Aceitam cheque?']) {
      const { answer, tookMs } = await timed(() => person.writes(question));
      slowestMs = Math.max(slowestMs, tookMs);
      if (answer.status === 200) accepted.push(answer.providerMessageId);
    }
  }
  return { accepted, slowestMs };
}

async function redisIs(state: 'up' | 'down'): Promise<void> {
  await until(async () => {
    const answer: unknown = await (await fetch(`${town.url}/readyz`)).json();
    return z.object({ redis: z.string() }).parse(answer).redis === state;
  });
}

/** What happened to Redis has cost nobody a message, a second or an answer. */
async function expectNothingWasNoticed({ accepted, slowestMs }: Written): Promise<void> {
  await expectCleanHistory(town, { accepted, withinMs: DRAINED_MS_MAX });
  expect(accepted).toHaveLength(2 * PEOPLE);
  expect(slowestMs).toBeLessThan(ANSWER_MS_MAX);
}

describe('a Redis that was killed', () => {
  beforeEach(() => open());

  itWithRedisServer('and comes back, is used again; whatever came meanwhile is answered once', async () => {
    await redis.kill();
    const written = await peopleWrite(0);
    await redis.restart();
    await redisIs('up');

    await expectNothingWasNoticed(written);
    const ana = bakery.customer('Ana', '5511988880001');
    await ana.writes('Aceitam cheque?');
    await ana.hears(1);
    await expectCleanHistory(town);
  });
});

describe('a Redis that froze', () => {
  beforeEach(() => open());

  itWithRedisServer('lets nobody hang, also not a guesser, who is counted in memory', async () => {
    redis.freeze();
    const written = await peopleWrite(0);
    const wrong = { 'x-webhook-signature': 'f'.repeat(64) };
    for (let failure = 0; failure < 60; failure += 1) await bakery.connection.post('{}', wrong);
    const guess = await bakery.connection.post('{}', wrong);
    redis.thaw();
    await redisIs('up');

    expect(guess.status).toBe(429);
    await expectNothingWasNoticed(written);
  });
});

describe('a Redis that is wiped again and again under load', () => {
  beforeEach(() => open());

  itWithRedisServer('loses no message and repeats none, although its job numbers begin anew', async () => {
    const [written, wipes] = await Promise.all([peopleWrite(0), wipeUntilEverybodyWasAnswered()]);

    expect(wipes).toBeGreaterThan(5);
    await expectNothingWasNoticed(written);
  });

  /** Wipes it with every few answers. Returns how often. */
  async function wipeUntilEverybodyWasAnswered(): Promise<number> {
    let wipes = 0;
    for (; town.sent().length < PEOPLE; wipes += 1) {
      const before = town.sent().length;
      await redis.command('flushall');
      await until(() => town.sent().length > before + 3 || town.sent().length >= PEOPLE);
    }
    return wipes;
  }
});

describe('a Redis that is full', () => {
  beforeEach(() => open());

  itWithRedisServer(
    'stops nothing: what it cannot ring is found, and it is used again when there is room',
    async () => {
      await redis.command('config', 'set', 'maxmemory', '1');
      await expect(redis.command('set', 'x', 'y')).rejects.toThrow('OOM');
      const written = await peopleWrite(0);
      await expectNothingWasNoticed(written);
      await redis.command('config', 'set', 'maxmemory', '0');

      const ana = bakery.customer('Ana', '5511988880001');
      await ana.writes('Aceitam cheque?');
      await ana.hears(1);
      await expectCleanHistory(town);
    },
  );
});

describe('a Redis whose disk is full', () => {
  itWhere(
    whyNoRedisServer() ?? whyNoSmallDisk(),
    'is as good as gone, and is used again when there is room',
    async () => {
      disk = mountSmallDisk(8);
      await open(disk.directory);
      disk.fill();
      await until(async () => (await redis.command('set', 'x', 'y'.repeat(100)).catch(String)) !== 'OK');
      await redisIs('down');

      const written = await peopleWrite(0);
      await expectNothingWasNoticed(written);
      disk.free();
      await redisIs('up');

      await bakery.customer('Ana', '5511988880001').writes('Aceitam cheque?');
      await bakery.customer('Ana', '5511988880001').hears(1);
      await expectCleanHistory(town);
    },
  );
});
