import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createTestDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { Town } from '../support/town.ts';
import { until } from '../support/until.ts';
import { TcpProxy } from './tcp-proxy.ts';

let database: TestDatabase;
let line: TcpProxy;
let town: Town;

beforeEach(async () => {
  database = await createTestDatabase();
  const { hostname, port } = new URL(database.url);
  line = await TcpProxy.start({ host: hostname, port: Number(port) });
  town = await Town.start({ environment: { DATABASE_URL: line.through(database.url) } });
});

afterEach(async () => {
  line.heal();
  await town.close();
  await line.close();
  await database.close();
});

describe('a PostgreSQL that goes away while the gateway takes a message', () => {
  it('and comes back when the claim has run out: who sent it says so before anybody sends it again', async () => {
    town.gemini.answers('O pão sai às 7h.');
    const bakery = await town.tenant({ onUnknown: 'resend' });
    const ana = bakery.customer('Ana', '5511988880001');
    town.gateway.faults.set({ mode: 'slow', delayMs: 1_000, times: 1 });
    await ana.writes('Quando sai o pão?');
    await until(() => town.gateway.faults.mode === 'none');
    // Another worker, which finds in the database what the first one cannot record there.
    await town.startWorker();

    line.cut();
    await ana.hears(1);
    await sql`update outbox set sending_since = sending_since - interval '12 seconds', due_at = now() where state = 'sending'`.execute(
      database.db,
    );
    line.heal();
    await ana.isQuiet();

    expect(ana.received()).toEqual([expect.stringMatching(/O pão sai às 7h\.$/)]);
    const columns = ['state', 'attempts'] as const;
    expect(await database.db.selectFrom('outbox').select(columns).execute()).toEqual([{ state: 'sent', attempts: 1 }]);
  });
});
