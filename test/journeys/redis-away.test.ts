import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { itWithRedisServer, startPrivateRedis } from '../support/private-redis.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { askedOfGemini } from '../support/prompts.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let redis: PrivateRedis;
let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  redis = await startPrivateRedis();
  town = await Town.start({ environment: { REDIS_URL: redis.url } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
  await redis.close();
});

async function wipe(): Promise<void> {
  const connection = new Redis(redis.url);
  await connection.flushall();
  connection.disconnect();
}

describe('a Redis that is wiped', () => {
  it('loses no message: what waits is found in PostgreSQL and answered once', async () => {
    const people = Array.from({ length: 5 }, (_, index) => bakery.customer(`Cliente ${index}`, `551198888200${index}`));
    town.gemini.nextAnswers(people.map(() => ({ mode: 'slow' as const, delayMs: 700 })));

    await Promise.all(people.map((person) => person.writes('Qual é a taxa de entrega?')));
    await wipe();
    await Promise.all(people.map((person) => person.hears(1)));
    await Promise.all(people.map((person) => person.isQuiet()));

    expect(people.map((person) => person.received().length)).toEqual([1, 1, 1, 1, 1]);
  });

  it('forgets no conversation: what was said before is read back', async () => {
    await ana.writes('Meu pedido número 4711 não chegou.');
    await ana.hears(1);
    await ana.isQuiet();

    await wipe();
    await ana.writes('Qual é a taxa de entrega dele?');
    await ana.hears(2);
    await ana.isQuiet();

    const asked = askedOfGemini(town.gemini.requests.at(-1));
    expect(asked.messages[0]?.text).toContain('Meu pedido número 4711 não chegou.');
    expect(asked.system).toContain('pedido 4711');
  });
});

describe('a Redis that is gone for good', () => {
  it('stops nobody: messages are taken, workers look for themselves, and customers are answered in order', async () => {
    await redis.kill();

    const answer = await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1, 5_000);
    await ana.writes('Aceitam cheque?');
    await ana.hears(2, 5_000);
    await ana.isQuiet();

    expect(answer).toMatchObject({ status: 200, body: { status: 'accepted' } });
    expect(ana.received()).toEqual([
      expect.stringContaining('R$ 8,00'),
      expect.stringContaining('Não aceitamos cheque'),
    ]);
  });

  it('lets nobody wait for somebody else: a slow answer to Ana does not hold up Bia', async () => {
    const bia = bakery.customer('Bia', '5511988880002');
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_800 }]);
    await redis.kill();

    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);
    await bia.writes('Aceitam cheque?');
    await bia.hears(1, 5_000);

    expect(ana.received()).toEqual([]);
    await ana.hears(1);
    await Promise.all([ana.isQuiet(), bia.isQuiet()]);
  });

  it('and lets go of nobody: a worker is still able to end in order', async () => {
    const worker = await town.startWorkerProcess();
    await redis.kill();
    await until(() => town.redis.status !== 'ready');

    const { answer: code, tookMs } = await timed(() => worker.end());

    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(12_000);
  });
});

describe('a Redis that has frozen', () => {
  itWithRedisServer('is worked around as if it were gone, and used again when it thaws', async () => {
    redis.freeze();

    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1, 8_000);
    redis.thaw();
    await ana.writes('Aceitam cheque?');
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()).toHaveLength(2);
  });
});
