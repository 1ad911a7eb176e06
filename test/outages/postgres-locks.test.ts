import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import type { Transaction } from 'kysely';
import type { Schema } from '../../src/vocabulary/schema.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { metric, waitingForConnections } from '../support/metrics.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const ANSWER_MS_MAX = 1_500;

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
  await ana.writes('Aceitam cheque?');
  await ana.hears(1);
  await ana.isQuiet();
});

afterEach(async () => {
  await town.close();
});

/** Holds what `lock` takes for as long as `work` runs. */
async function holding(lock: string, work: (tx: Transaction<Schema>) => Promise<void>): Promise<void> {
  await town.database.db.transaction().execute(async (tx) => {
    await sql.raw(lock).execute(tx);
    await work(tx);
  });
}

describe('slow queries that hold every connection of the API', () => {
  it('make others of the API fail in time; intake and turns have their own and go on', async () => {
    await holding('lock table knowledge_document in access exclusive mode', async () => {
      const slow = Array.from({ length: 12 }, () => bakery.api('GET', '/knowledge/documents'));
      await until(async () => ((await metric(town.url, 'plantao_db_pool_waiting{pool="api"}')) ?? 0) > 0);
      const { answer: other, tookMs: otherMs } = await timed(() => bakery.api('GET', '/conversations'));
      const written = await ana.writes('Qual é a taxa de entrega?');
      const isAlive = (await fetch(`${town.url}/livez`)).status === 200;
      const statuses = (await Promise.all(slow)).map(({ status }) => status);

      expect([200, 503]).toContain(other.status);
      expect(otherMs).toBeLessThan(ANSWER_MS_MAX + 2_000);
      expect(written.status).toBe(200);
      expect(isAlive).toBe(true);
      expect(new Set(statuses)).toEqual(new Set([503]));
    });
    await ana.hears(2);
    await expectCleanHistory(town);

    expect((await bakery.api('GET', '/knowledge/documents')).status).toBe(200);
    await until(async () => (await waitingForConnections(town.url)) === 0);
  });
});

describe('a lock on every message, as a careless migration takes', () => {
  it('makes intake say so in time and piles nothing up; what was sent again is answered once', async () => {
    const ids = Array.from({ length: 10 }, (_, index) => `3EB0B${index}`);
    const send = (id: string): Promise<{ status: number }> =>
      ana.writes('Qual é a taxa de entrega?', { providerMessageId: id });
    await holding('lock table message in access exclusive mode', async () => {
      for (let round = 0; round < 3; round += 1) {
        const { answer: refusals, tookMs } = await timed(() => Promise.all(ids.map(send)));
        expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([503]));
        expect(tookMs).toBeLessThan(ANSWER_MS_MAX);
      }
      expect((await fetch(`${town.url}/livez`)).status).toBe(200);
    });
    for (const id of ids) await until(async () => (await send(id)).status === 200);
    await ana.hears(2);
    await expectCleanHistory(town, { accepted: ids });

    await until(async () => (await waitingForConnections(town.url)) === 0);
  });
});

describe('a lock on one conversation, as a frozen worker holds it', () => {
  it('stops nobody’s intake, and its answer comes when the lock is gone', async () => {
    await holding('select from conversation for no key update', async () => {
      expect((await ana.writes('Qual é a taxa de entrega?')).status).toBe(200);
    });
    await ana.hears(2);
    await expectCleanHistory(town);
  });
});

describe('a deadlock', () => {
  it('of which a turn is the victim costs nothing but time', async () => {
    // We lock the conversation's messages, and then want the conversation, while turns do it the other way round.
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 500 }]);
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 2);
    await town.database.db
      .transaction()
      .execute(async (tx) => {
        await sql`select from message where settled_at is null for update`.execute(tx);
        await until(async () => (await waitingForLocks()) > 0);
        await sql`select from conversation for update`.execute(tx);
      })
      .catch(() => {
        // PostgreSQL chooses whom it ends, us or the turn.
      });
    await ana.hears(2);
    await expectCleanHistory(town);

    expect(await ana.settled()).toEqual(['reply', 'reply']);
  });

  async function waitingForLocks(): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`.execute(town.database.db);
    return rows[0]?.count ?? 0;
  }
});
