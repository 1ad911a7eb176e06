import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** From the moment when the turn was due. */
const FOUND_WITHIN_SECONDS = 5;

let town: Town;
let bakery: TownTenant;

beforeEach(async () => {
  town = await Town.start({ environment: { COALESCE_MIN_MS: '1500', COALESCE_MAX_MS: '1500' } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterEach(() => town.close());

it('a wake that is lost while Redis is well is found by the sweeper within five seconds', async () => {
  const ana = bakery.customer('Ana', '5511988880001');
  await ana.writes('Qual é a taxa de entrega?');
  await until(async () => (await town.redis.zcard('{plantao}:take-turn:delayed')) === 1);
  await town.redis.flushdb();
  await ana.hears(1);
  await ana.isQuiet();

  const { rows } = await sql<{ begun_after: number }>`
    select extract(epoch from min(t.started_at) - min(m.answer_after))::float8 as begun_after
      from turn t join message m on m.settled_turn_id = t.id`.execute(town.database.db);
  expect(rows[0]?.begun_after).toBeGreaterThan(0);
  expect(rows[0]?.begun_after).toBeLessThan(FOUND_WITHIN_SECONDS);
  expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
});
