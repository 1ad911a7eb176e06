import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { itWithRedisServer, startPrivateRedis } from '../support/private-redis.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

const ANSWER_MS_MAX = 1_500;

let redis: PrivateRedis;
let town: Town;
let bakery: TownTenant;

beforeEach(async () => {
  redis = await startPrivateRedis();
  town = await Town.start({ worker: false, environment: { REDIS_URL: redis.url } });
  bakery = await town.tenant();
});

afterEach(async () => {
  await town.close();
  await redis.close();
});

/** Ten customers at once, then one after the other: the first ones meet an outage that nobody has noticed yet. */
async function customersWrite(): Promise<{ statuses: ReadonlySet<number>; slowestMs: number }> {
  const statuses = new Set<number>();
  let slowestMs = 0;
  const write = async (index: number): Promise<void> => {
    const ana = bakery.customer('Ana', `55119888830${10 + index}`);
    const { answer, tookMs } = await timed(() => ana.writes('Oi'));
    statuses.add(answer.status);
    slowestMs = Math.max(slowestMs, tookMs);
  };
  await Promise.all(Array.from({ length: 10 }, (_, index) => write(index)));
  for (let index = 10; index < 20; index += 1) await write(index);
  return { statuses, slowestMs };
}

async function rows(): Promise<number> {
  return (await town.database.db.selectFrom('inbound_event').select('id').execute()).length;
}

describe('intake without Redis', () => {
  it('takes every message in time when Redis has died', async () => {
    await redis.kill();

    const { statuses, slowestMs } = await customersWrite();

    expect(statuses).toEqual(new Set([200]));
    expect(slowestMs).toBeLessThan(ANSWER_MS_MAX);
    expect(await rows()).toBe(20);
  });

  itWithRedisServer('takes every message in time when Redis has frozen', async () => {
    redis.freeze();

    const { statuses, slowestMs } = await customersWrite();

    expect(statuses).toEqual(new Set([200]));
    expect(slowestMs).toBeLessThan(ANSWER_MS_MAX);
    expect(await rows()).toBe(20);
  });

  it('still tells a guesser to wait: the limit is then counted in memory', async () => {
    await redis.kill();
    const wrong = { 'x-webhook-signature': 'f'.repeat(64) };

    for (let failure = 0; failure < 60; failure += 1) await bakery.connection.post('{}', wrong);

    expect((await bakery.connection.post('{}', wrong)).status).toBe(429);
    expect((await bakery.customer('Ana', '5511988883001').writes('Oi')).status).toBe(200);
  });

  it('stays ready: nobody is sent away because of it', async () => {
    await redis.kill();

    const response = await fetch(`${town.url}/readyz`);

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ redis: 'down', database: 'up' });
  });
});
