import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { expectCleanHistory } from '../support/clean-history.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { TcpProxy } from './tcp-proxy.ts';
import type { LineFault } from './tcp-proxy.ts';

/** One call of a gateway. */
const SEND_MS_MAX = 10_000;
const REST_MS_MAX = 3_000;

let line: TcpProxy;
let town: Town;

beforeEach(async () => {
  town = await Town.start();
  const { hostname, port } = new URL(town.gateway.url);
  line = await TcpProxy.start({ host: hostname, port: Number(port) });
  town.gemini.answers('O pão sai às 7h.');
});

afterEach(async () => {
  await town.close();
  await line.close();
});

/** Ana, whose bakery's gateway is at the other end of the line. */
async function customer(options: TenantOptions): Promise<Customer> {
  const bakery = await town.tenant(options);
  await town.database.db
    .updateTable('channel')
    .set({ gateway_base_url: line.through(town.gateway.url) })
    .execute();
  return bakery.customer('Ana', '5511988880001');
}

async function states(): Promise<readonly string[]> {
  const rows = await town.database.db.selectFrom('outbox').select('state').execute();
  return rows.map((row) => row.state);
}

describe('a line to the gateway', () => {
  it.each<[string, LineFault]>([
    ['that is two seconds late, give or take one', { latencyMs: 2_000, jitterMs: 1_000 }],
    ['that is cut into slices of 20 bytes', { sliceBytes: 20 }],
    ['of one kilobyte a second', { bytesPerSecond: 1_024 }],
    ['that ends in the middle of every answer', { direction: 'down', limitBytes: 20 }],
    ['that resets instead of carrying an answer', { direction: 'down', resets: true }],
    ['that carries messages and no answers', { direction: 'down', swallows: true }],
  ])('%s: the message is said once, and known to be said', async (...[, fault]) => {
    const ana = await customer({ echoes: true, onUnknown: 'resend' });
    line.misbehave(fault);
    const watch = new Stopwatch();

    await ana.writes('Quando sai o pão?');
    await expectCleanHistory(town, { withinMs: SEND_MS_MAX + REST_MS_MAX });

    expect(ana.received()).toEqual(['O pão sai às 7h.']);
    expect(await states()).toEqual(['sent']);
    expect(watch.stop()).toBeLessThan(SEND_MS_MAX + REST_MS_MAX);
  });

  it.each<[string, LineFault]>([
    ['that resets every connection', { direction: 'up', resets: true }],
    ['that ends in the middle of every message', { direction: 'up', limitBytes: 100 }],
    ['that carries nothing', { swallows: true }],
  ])('%s: the message is not known to be said, and is said once when the line is well', async (...[, fault]) => {
    const ana = await customer({ onUnknown: 'resend' });
    line.misbehave(fault);

    await ana.writes('Quando sai o pão?');
    await until(async () => (await states()).includes('unknown'));
    expect(ana.received()).toEqual([]);
    line.heal();
    await sql`update outbox set due_at = now() - interval '3 seconds' where state = 'unknown'`.execute(
      town.database.db,
    );
    await expectCleanHistory(town);

    expect(ana.received()).toEqual(['O pão sai às 7h.']);
    expect(await states()).toEqual(['sent']);
  });
});
