import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

async function brunoTakesOver(): Promise<unknown> {
  const { id, epoch } = await ana.conversation();
  return await bakery.api('POST', `/conversations/${id}/takeover`, { body: { expectedEpoch: epoch } });
}

describe('Bruno, who takes a conversation over while the bot is thinking', () => {
  it('is not talked over: the draft is not sent, not even written down', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_000 }]);
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);

    const answer = await brunoTakesOver();
    await until(async () => (await leaseHolder()) === null);
    await ana.writes('Tem alguém aí?');
    await ana.isQuiet();

    expect(answer).toMatchObject({ status: 200, body: { owner: 'human', epoch: 1 } });
    expect(ana.received()).toEqual([]);
    expect((await ana.messages()).map((message) => message.author)).toEqual(['customer', 'customer']);
    expect(await ana.settled()).toEqual(['human', 'human']);
  });

  it('goes home without giving it back, and the bot answers once nobody has said anything for as long as the tenant wants', async () => {
    await bakery.api('PATCH', '/settings', { body: { takeoverIdleMinutes: 30 } });
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await ana.isQuiet();
    await brunoTakesOver();
    await ana.writes('Tem alguém aí?');
    await ana.isQuiet();
    const { lapses } = await town.database.db
      .updateTable('conversation')
      .set({ owner_lapses_at: sql<Date>`owner_lapses_at - interval '31 minutes'` })
      .returning(sql<number>`extract(epoch from owner_lapses_at - now())::float8`.as('lapses'))
      .executeTakeFirstOrThrow();

    await ana.writes('Aceitam cheque?');
    const [, second] = await ana.hears(2);
    await ana.isQuiet();

    expect(lapses).toBeLessThan(0);
    expect(second).toContain('Não aceitamos cheque');
    expect(await ana.conversation()).toMatchObject({ owner: 'bot', handoff: null });
  });

  it('gives it back, and the bot answers what comes then', async () => {
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await ana.isQuiet();
    await brunoTakesOver();
    const { id } = await ana.conversation();

    await bakery.api('POST', `/conversations/${id}/return`, { body: {} });
    await ana.writes('Aceitam cheque?');
    const [, second] = await ana.hears(2);
    await ana.isQuiet();

    expect(second).toContain('Não aceitamos cheque');
    expect(await ana.conversation()).toMatchObject({ owner: 'bot', handoff: null });
  });
});

async function leaseHolder(): Promise<string | null> {
  const { lease_owner: holder } = await town.database.db
    .selectFrom('conversation')
    .select('lease_owner')
    .executeTakeFirstOrThrow();
  return holder;
}
