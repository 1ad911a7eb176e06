import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { CounterOf } from '../support/counter.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { TcpProxy } from './tcp-proxy.ts';

const suspects = new CounterOf('plantao_suspects_total', 'outcome');

let line: TcpProxy;
let town: Town;
let bakery: TownTenant;
let ana: Customer;

/** The worker's line to PostgreSQL is its own, so that what it hears can be taken from it alone. */
beforeEach(async () => {
  suspects.forget();
  town = await Town.start({ worker: false });
  const { hostname, port } = new URL(town.database.url);
  line = await TcpProxy.start({ host: hostname, port: Number(port) });
  await town.startWorker({ DATABASE_URL: line.through(town.database.url) });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  line.heal();
  await town.close();
  await line.close();
});

async function outbox() {
  return await town.database.db.selectFrom('outbox').select(['state', 'attempts', 'unknown_since']).execute();
}

describe('a PostgreSQL that does what it is told and is not heard', () => {
  it('gives a lease that nobody knows of: it is given back, and its turn is nobody to suspect', async () => {
    line.misbehave({ deafAfter: 'lease_owner' });
    await ana.writes('Qual é a taxa de entrega?');
    await until(async () => {
      const rows = await town.database.db.selectFrom('conversation').select('lease_owner').execute();
      return rows.some((row) => row.lease_owner !== null);
    });
    line.heal();
    await ana.hears(1);
    await expectCleanHistory(town);

    expect(await suspects.counts()).toEqual({});
  });

  it('claims a send that nobody knows of: it is taken back, and sent once', async () => {
    line.misbehave({ deafAfter: 'claim_id' });
    await ana.writes('Qual é a taxa de entrega?');
    await until(async () => (await outbox()).some(({ state }) => state === 'sending'));
    line.heal();
    await ana.hears(1);
    await expectCleanHistory(town);

    expect((await outbox()).every((row) => row.state === 'sent' && row.attempts === 1)).toBe(true);
    expect((await outbox()).every((row) => row.unknown_since === null)).toBe(true);
    expect(await ana.settled()).toEqual(['reply']);
  });
});
