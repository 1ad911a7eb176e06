import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { expectCleanHistory } from '../support/clean-history.ts';
import { CounterOf } from '../support/counter.ts';
import { metric } from '../support/metrics.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const PEOPLE = 12;
const failuresOf = new CounterOf('plantao_tenant_send_failures_total', 'tenant');

let town: Town;
let bakery: TownTenant;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant();
  town.gemini.answers('O pão sai às 7h.');
});

afterEach(async () => {
  await town.close();
});

async function everybodyWrites(): Promise<void> {
  await Promise.all(
    Array.from({ length: PEOPLE }, (_, index) =>
      bakery.customer(`Cliente ${index}`, `55119888000${String(index).padStart(2, '0')}`).writes('Quando sai o pão?'),
    ),
  );
}

async function attempts(): Promise<readonly number[]> {
  const rows = await town.database.db.selectFrom('outbox').select('attempts').execute();
  return rows.map((row) => row.attempts);
}

describe('a gateway where nobody listens', () => {
  it('is left alone after a few calls, tried again after a while, and then says everything once', async () => {
    const breaker = `plantao_breaker_state{name="gateway ${new URL(town.gateway.url).host}"}`;
    town.gateway.faults.set({ mode: 'off' });
    await everybodyWrites();
    await until(async () => (await metric(town.url, breaker)) === 2);
    town.gateway.faults.set({ mode: 'none' });
    await until(() => town.sent().length >= PEOPLE, 30_000);
    await expectCleanHistory(town);

    expect(town.sent()).toHaveLength(PEOPLE);
    expect(await metric(town.url, breaker)).toBe(0);
  }, 60_000);
});

describe('a gateway that refuses for now', () => {
  it('is not hammered: each message is tried a few times, further and further apart', async () => {
    failuresOf.forget();
    town.gateway.faults.set({ mode: 'session-down' });
    await everybodyWrites();
    await until(async () => (await attempts()).some((count) => count >= 3));
    const tries = await attempts();
    town.gateway.faults.set({ mode: 'none' });
    await expectCleanHistory(town, { withinMs: 40_000 });

    // Jitter may bring the third try of one soon; what it never brings is a hundred tries of all.
    expect(tries.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(3 * PEOPLE);
    // An operator sees whose gateway it is.
    expect(Object.keys(await failuresOf.counts())).toEqual(['padaria-1']);
    expect(town.sent()).toHaveLength(PEOPLE);
  }, 60_000);
});
