import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { createTestDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** A gateway that waits longer than this for its answer may give up, and then does not know. */
const ANSWER_MS_MAX = 1_500;

let database: TestDatabase;
let line: TcpProxy;
let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  database = await createTestDatabase();
  const { hostname, port } = new URL(database.url);
  line = await TcpProxy.start({ host: hostname, port: Number(port) });
  town = await Town.start({ environment: { DATABASE_URL: line.through(database.url) } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
  await bakery.customer('Bia', '5511988880002').writes('Oi');
  await bakery.customer('Bia', '5511988880002').hears(1);
});

afterEach(async () => {
  line.heal();
  await town.close();
  await line.close();
  await database.close();
});

async function post(url: string): Promise<{ status: number; retryAfter: number; body: unknown; tookMs: number }> {
  const { auth } = bakery.connection.webhook;
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${auth.secret}` };
  const { answer, tookMs } = await timed(async () => {
    const response = await fetch(url, { method: 'POST', headers, body: '{}' });
    const body: unknown = await response.json();
    return { status: response.status, retryAfter: Number(response.headers.get('retry-after')), body };
  });
  return { ...answer, tookMs };
}

describe.each(['cut off', 'silent'] as const)('a PostgreSQL that is %s', (how) => {
  const goesAway = (): void => {
    if (how === 'silent') line.goSilent();
    else line.cut();
  };

  it('makes intake say so in time, to everybody, and a message that is sent again is taken once', async () => {
    goesAway();
    const { answer: answers, tookMs } = await timed(() =>
      Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          ana.writes('Qual é a taxa de entrega?', { providerMessageId: `3EB0A${index % 4}` }),
        ),
      ),
    );
    line.heal();
    await until(
      async () => (await ana.writes('Qual é a taxa de entrega?', { providerMessageId: '3EB0A0' })).status === 200,
    );
    for (const id of ['3EB0A0', '3EB0A1', '3EB0A2', '3EB0A3']) {
      expect((await ana.writes('Qual é a taxa de entrega?', { providerMessageId: id })).status).toBe(200);
    }
    await ana.hears(1);
    await ana.isQuiet();

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(answers[0]?.body).toMatchObject({ code: 'NOT_STORED' });
    expect(tookMs).toBeLessThan(ANSWER_MS_MAX);
    expect(await ana.settled()).toEqual(['reply', 'reply', 'reply', 'reply']);
  });

  it('is said with a time to come back, also for a channel that this process has never heard of', async () => {
    const clinic = await town.tenant({ slug: 'clinica', auth: { kind: 'bearer' } });
    goesAway();

    const answer = await post(clinic.connection.webhook.url);

    expect(answer.status).toBe(503);
    expect(answer.retryAfter).toBeGreaterThan(0);
    expect(answer.tookMs).toBeLessThan(ANSWER_MS_MAX);
  });

  it('takes the service out of the rotation and not out of life', async () => {
    goesAway();
    await until(async () => (await fetch(`${town.url}/readyz`)).status === 503);

    expect((await fetch(`${town.url}/livez`)).status).toBe(200);
    line.heal();
    await until(async () => (await fetch(`${town.url}/readyz`)).status === 200);
  });

  it('costs no answer: what was accepted before is answered after', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 800 }]);
    const asked = town.gemini.requests.length;
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === asked + 1);

    goesAway();
    await until(async () => (await ana.writes('Alô?', { providerMessageId: '3EB0FF' })).status === 503);
    line.heal();
    await ana.hears(1, 20_000);
    await until(async () => (await ana.writes('Alô?', { providerMessageId: '3EB0FF' })).status === 200);
    await ana.isQuiet(20_000);

    expect((await ana.settled()).every((kind) => kind === 'reply')).toBe(true);
    expect(ana.received().filter((text) => text.includes('R$ 8,00'))).toHaveLength(1);
  });
});
