import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { metricOfThisProcess } from '../../test/support/metrics.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import { SlaTown } from '../../test/support/sla-town.ts';
import { createDatabase, createPool } from '../platform/database.ts';
import { Secret } from '../platform/secret.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { noSlaFailures } from './keep-sla.ts';
import { recordNotification } from './notification-store.ts';

let database: TestDatabase;
let town: PanelTown;
let ana: SlaTown;

/** Ten minutes to a first answer with a warning two minutes before, 20 to the next ones, two hours in all. */
const PROMISE = {
  enabled: true,
  priorities: { normal: { firstResponse: 10, nextResponse: 20, resolution: 120 } },
  warnBefore: { minutes: 2 },
  escalations: [{ afterMinutes: 5 }, { afterMinutes: 15 }],
};

const WORKER_POOL = { name: 'worker', connectionsMax: 2, queryTimeoutMs: 4_000, acquireTimeoutMs: 3_000 };

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

afterAll(async () => {
  await database.close();
});

beforeEach(async () => {
  ana = await SlaTown.promising(town, { sla: PROMISE });
});

describe('the clocks of a handoff', () => {
  it('that cannot be kept are left out for a while, and keep no other from being found', async () => {
    await ana.calls();
    const failing = noSlaFailures();
    let tries = 0;
    const tenantOf = (): Promise<never> => Promise.reject(new Error(`try ${(tries += 1)}`));
    await ana.look({ failing, tenantOf });
    const afterOne = tries;
    await ana.look({ failing, tenantOf });

    expect([afterOne, tries]).toEqual([1, 1]);
    await ana.look();
    expect(await ana.clocks()).toHaveLength(2);
  });

  it('start with it, and a person answers the first in time', async () => {
    await ana.calls();
    await ana.look();
    expect(await ana.clocks()).toEqual(['first-response running', 'resolution running']);

    await ana.minutesPass(5);
    await ana.says('human', 'Oi Ana, aqui é o Bruno.');
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running']);
    expect(await ana.told()).toEqual([]);
  });

  it('run again for each question to a person, but not for thanks', async () => {
    await ana.calls();
    await ana.says('human', 'Oi Ana, aqui é o Bruno.');
    await ana.minutesPass(1);
    await ana.says('customer', 'ok, muito obrigada!');
    await ana.look();
    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running']);

    await ana.minutesPass(1);
    await ana.says('customer', 'obrigada, mas ainda não chegou');
    await ana.look();
    await ana.minutesPass(3);
    await ana.says('human', 'Vou ver.');
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running', 'next-response met']);
  });

  it('end when the conversation is closed', async () => {
    await ana.calls();
    await ana.look();
    await ana.owner({ to: 'nobody', reason: 'closed' });
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response ended', 'resolution met']);
    await ana.minutesPass(60);
    await ana.look();
    expect(await ana.told()).toEqual([]);
  });

  it('hear of a message late, and count it from when it was said', async () => {
    await ana.calls();
    await ana.look();
    await ana.minutesPass(12);
    await ana.look();
    await ana.says('human', 'Oi!');
    // The gateway told us of it late: it was said when nine minutes had passed.
    await sql`update message set said_at = now() - interval '3 minutes' where conversation_id = ${ana.conversationId}`.execute(
      database.db,
    );
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running']);
  });

  it('stand still where the customer owes an answer, if the tenant says so', async () => {
    await ana.set({ sla: { ...PROMISE, pauseWhileCustomerOwes: true } });
    await ana.calls();
    await ana.minutesPass(5);
    await ana.says('human', 'Qual é o número do pedido?');
    await ana.look();
    expect(await ana.clocks()).toEqual(['first-response met', 'resolution paused']);
    await ana.minutesPass(600);
    await ana.look();
    await ana.says('customer', 'É o 1234');
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running', 'next-response running']);
    expect(await ana.told()).toEqual([]);
  });

  it('forget a question that the customer has deleted', async () => {
    await ana.calls();
    await ana.says('human', 'Oi Ana, aqui é o Bruno.');
    await ana.minutesPass(1);
    await ana.says('customer', 'Cadê?');
    await ana.look();
    await sql`update message set deleted_at = now() where conversation_id = ${ana.conversationId} and author = 'customer'`.execute(
      database.db,
    );
    await ana.minutesPass(1);
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running', 'next-response ended']);
  });

  it('wait since the first of more questions than are read', async () => {
    await ana.calls();
    await ana.says('human', 'Oi Ana, aqui é o Bruno.');
    await ana.minutesPass(1);
    await ana.says('customer', 'Cadê?');
    await ana.look();
    const dueAt = await ana.dueAt('next-response');
    await sql`
      insert into message (id, tenant_id, conversation_id, author, kind, text, said_at)
      select gen_random_uuid(), ${ana.tenant.id}, ${ana.conversationId}, 'customer', 'text', 'Oi?', now()
        from generate_series(1, 600)`.execute(database.db);
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response met', 'resolution running', 'next-response running']);
    expect(await ana.dueAt('next-response')).toEqual(dueAt);
  });

  it('are none where nothing is promised, and stop when nothing is promised any more', async () => {
    await ana.set({});
    await ana.calls();
    await ana.look();
    expect(await ana.clocks()).toEqual([]);

    await ana.set({ sla: PROMISE });
    await ana.look();
    await ana.set({});
    await ana.minutesPass(60);
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response ended', 'resolution ended']);
    expect(await ana.told()).toEqual([]);
  });

  it('are told by how much the handoff hurries', async () => {
    await ana.set({ sla: { ...PROMISE, priorities: { urgent: { firstResponse: 1 } } } });
    await ana.calls();
    await sql`update handoff set priority = 'urgent' where conversation_id = ${ana.conversationId}`.execute(
      database.db,
    );
    const before = await metricOfThisProcess('plantao_sla_breaches_total', {
      kind: 'first-response',
      priority: 'urgent',
    });
    await ana.look();
    await ana.minutesPass(2);
    await ana.look();

    expect(await ana.clocks()).toEqual(['first-response breached']);
    const after = await metricOfThisProcess('plantao_sla_breaches_total', {
      kind: 'first-response',
      priority: 'urgent',
    });
    expect(after - before).toBe(1);
  });
});

const LADDER = ['warning', 'breach', 'escalation-1', 'escalation-2'].map((step) => `first-response ${step}`);

describe('a step', () => {
  it('is taken when its time has come: a warning, the breach, and up the ladder', async () => {
    await ana.calls();
    for (const [minutes, steps] of [
      [7, 0],
      [1, 1],
      [2, 2],
      [5, 3],
      [10, 4],
      [60, 4],
    ] as const) {
      await ana.minutesPass(minutes);
      await ana.look();
      expect(await ana.told()).toEqual(LADDER.slice(0, steps));
    }
    expect(await ana.clocks()).toEqual(['first-response breached', 'resolution running']);
  });

  it('tells whom the ladder names', async () => {
    const boss = await ana.addsTarget();
    await database.db.updateTable('notification_target').set({ wants: [] }).where('id', '=', boss).execute();
    await ana.set({ sla: { ...PROMISE, escalations: [{ afterMinutes: 5, targets: [boss] }] } });
    await ana.calls();
    await ana.minutesPass(16);
    await ana.look();

    const toBoss = await database.db.selectFrom('notification').select('key').where('target_id', '=', boss).execute();
    expect(toBoss.map(({ key }) => key.split(':').at(-1))).toEqual(['escalation-1']);
    expect(await ana.told()).toEqual(LADDER.slice(0, 3));
  });

  it('is taken once, in order, when the clock jumps far ahead, and not again when it jumps back', async () => {
    await ana.calls();
    await ana.look();
    await ana.minutesPass(60);
    await ana.look();
    const ahead = await ana.told();
    await ana.minutesPass(-59);
    await ana.look();
    await ana.minutesPass(59);
    await ana.look();

    expect(ahead).toEqual(LADDER);
    expect(await ana.told()).toEqual(LADDER);
    expect(await ana.stepsTaken()).toBe(LADDER.length);
  });

  it('is counted once, however often the time comes for it', async () => {
    const breaches = () =>
      metricOfThisProcess('plantao_sla_breaches_total', { kind: 'first-response', priority: 'normal' });
    const before = await breaches();
    await ana.calls();
    await ana.minutesPass(60);
    await ana.look();
    await ana.says('customer', 'Oi? Alguém aí?');
    await ana.look();
    await ana.minutesPass(-59);
    await ana.look();
    await ana.minutesPass(59);
    await ana.look();

    expect((await breaches()) - before).toBe(1);
  });

  it('is taken once by workers that look at the same time', async () => {
    await ana.calls();
    await ana.minutesPass(60);

    await Promise.all(Array.from({ length: 8 }, () => ana.look()));
    await ana.look();

    expect(await ana.told()).toEqual(LADDER);
    expect(await ana.stepsTaken()).toBe(LADDER.length);
  });

  it('is neither told nor taken by a worker that dies before its commit, and then both by the next one', async () => {
    await ana.calls();
    await ana.minutesPass(9);
    const dying = createDatabase<Schema>(createPool(Secret.of(database.url), WORKER_POOL, ana.needs.log));
    await ana.look({
      db: dying,
      tell: async (tx, told) => {
        await recordNotification(tx, told);
        await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx);
      },
    });
    await dying.destroy();
    expect([await ana.told(), await ana.stepsTaken(), await ana.clocks()]).toEqual([[], 0, []]);

    await ana.look();

    expect(await ana.told()).toEqual(LADDER.slice(0, 1));
    expect(await ana.stepsTaken()).toBe(1);
  });

  it('that nobody saw in time is told when the answer came too late, and the warning is not', async () => {
    await ana.calls();
    await ana.minutesPass(30);
    await ana.says('human', 'Oi!');
    await ana.look();

    expect(await ana.told()).toEqual(['first-response breach']);
    expect(await ana.clocks()).toEqual(['first-response missed', 'resolution running']);
  });
});

describe('whoever looks', () => {
  it('finds nothing to do when nothing has happened', async () => {
    await ana.calls();
    await ana.minutesPass(1);
    await ana.look();
    const writes = async () => {
      const { rows } = await sql<{ xmin: string }>`
        select xmin::text from sla_watch where conversation_id = ${ana.conversationId}`.execute(database.db);
      return rows;
    };
    const before = await writes();
    await ana.look();

    expect(await writes()).toEqual(before);
  });

  it('leaves a handoff alone that began more than a day before anything was promised', async () => {
    await ana.set({});
    await ana.calls();
    await ana.minutesPass(25 * 60);
    await ana.set({ sla: PROMISE });
    await ana.look();

    expect(await ana.clocks()).toEqual([]);
  });
});
