import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { composeWork } from '../../src/compose-work.ts';
import type { Work } from '../../src/compose-work.ts';
import { loadConfig, WorkerEnvironment } from '../../src/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { registry } from '../../src/platform/metrics.ts';
import { createDatabase, createPool } from '../../src/platform/database.ts';
import { Secret } from '../../src/platform/secret.ts';
import { ConversationId } from '../../src/vocabulary/ids.ts';
import type { Schema } from '../../src/vocabulary/schema.ts';
import { STRANDED_AFTER_MS, violations } from '../../src/recovery/promise.ts';
import { LOOK_EVERY_MS, OFFLINE_AFTER_MS, PERSON_AFTER_MS, Watchdog } from '../../src/recovery/watchdog.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';

const FEE = 'Qual é a taxa de entrega?';

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let works: Work[];

beforeEach(async () => {
  works = [];
  town = await Town.start({ worker: false, environment: { TURN_DEADLINE_MS: '60000' } });
  const librarian = await town.startWorkerProcess();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  await librarian.end();
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  for (const work of works) {
    work.hurry();
    await work.closing.close();
  }
  await town.close();
});

/** A worker to whom no bell gets through and whose sweeper does not run. What is left is its watchdog. */
async function worker(): Promise<Work> {
  const config = loadConfig(WorkerEnvironment, town.environment);
  const work = await composeWork(config, createLogger({ level: config.logLevel, process: 'test' }));
  works.push(work);
  return work;
}

/** The worker's watchdog, which has been looking for two minutes. */
async function watchdogOf(work: Work): Promise<Watchdog> {
  const log = createLogger({ level: 'silent', process: 'test' });
  let nowMs = 0;
  const watchdog = new Watchdog({ ...work.promise, monotonicMs: () => nowMs, log });
  while (nowMs < 120_000) {
    nowMs += LOOK_EVERY_MS;
    await watchdog.look();
  }
  return watchdog;
}

/** Everything that waits has waited this much longer. */
async function waits(ms: number): Promise<void> {
  const earlier = sql`${ms} * interval '1 millisecond'`;
  const { db } = town.database;
  await sql`update message set answer_after = answer_after - ${earlier}, received_at = received_at - ${earlier}
    where settled_at is null`.execute(db);
  await sql`update conversation set owner_since = owner_since - ${earlier}, lease_until = lease_until - ${earlier}`.execute(
    db,
  );
  await sql`update outbox set due_at = due_at - ${earlier} where state = 'pending'`.execute(db);
}

async function count(name: string): Promise<number> {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return values.reduce((sum, { value }) => sum + value, 0);
}

describe('a customer whom nobody looks after, because bells and sweepers are dead', () => {
  it('is found and answered as ever', async () => {
    const watchdog = await watchdogOf(await worker());
    await ana.writes(FEE);
    await waits(STRANDED_AFTER_MS + 1_000);

    await watchdog.look();
    await ana.hears(1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
    expect((await ana.turns())[0]?.trace.rung).toBe('model');
  });

  it('is answered from the knowledge alone after a minute', async () => {
    const watchdog = await watchdogOf(await worker());
    await ana.writes(FEE);
    await waits(OFFLINE_AFTER_MS + 1_000);

    await watchdog.look();
    await ana.hears(1);
    await ana.isQuiet();

    expect((await ana.turns())[0]?.trace.rung).toBe('offline');
    expect(await ana.settled()).toEqual(['reply']);
    expect(town.gemini.requests).toHaveLength(0);
  });

  it('is a person’s after a minute and a half, and the work is kept', async () => {
    const watchdog = await watchdogOf(await worker());
    await ana.writes(FEE);
    await waits(PERSON_AFTER_MS + 1_000);

    await watchdog.look();
    await ana.hears(1);
    await ana.isQuiet();

    expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'turn-failed' });
    expect(await ana.settled()).toEqual(['human']);
    expect(ana.received()).toEqual([expect.stringContaining('Já chamei uma pessoa')]);
    expect(await bakery.deadLetters()).toEqual([
      expect.objectContaining({ stage: 'turn', reason: 'Nobody answered in time' }),
    ]);
  });

  it('is repaired once, when two watchdogs find her at the same time', async () => {
    const watchdogs = [await watchdogOf(await worker()), await watchdogOf(await worker())];
    const others = ['1', '2', '3', '4', '5'].map((end) => bakery.customer(`Cliente ${end}`, `551197777000${end}`));
    for (const other of others) await other.writes(FEE);
    await waits(PERSON_AFTER_MS + 1_000);

    await Promise.all(watchdogs.map((watchdog) => watchdog.look()));
    await Promise.all(watchdogs.map((watchdog) => watchdog.close()));
    await Promise.all(others.map((other) => other.isQuiet()));

    expect(others.map((other) => other.received().length)).toEqual([1, 1, 1, 1, 1]);
    expect(await bakery.deadLetters()).toHaveLength(5);
  });

  it('gets the answer that was made and that nobody sends; after a minute and a half a person', async () => {
    const bia = bakery.customer('Bia', '5511988880002');
    const watchdog = await watchdogOf(await worker());
    await answeredButNotSent(ana);
    await waits(STRANDED_AFTER_MS + 1_000);
    await watchdog.look();
    await ana.hears(1);
    await answeredButNotSent(bia);
    await waits(PERSON_AFTER_MS + 1_000);
    await watchdog.look();
    await watchdog.close();

    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
    expect(await bia.conversation()).toMatchObject({ owner: 'human', ownerReason: 'delivery-failed' });
    expect(await bia.settled()).toEqual(['human']);
    expect(bia.received()).toEqual([]);
  });

  it('is answered as ever by the first worker that comes back, when all were dead for ten minutes', async () => {
    await ana.writes(FEE);
    await waits(600_000);

    const back = await town.startWorkerProcess();
    await ana.hears(1);
    await ana.isQuiet();
    const metrics = await (await fetch(`${back.url}/metrics`)).text();

    expect((await ana.turns())[0]?.trace.rung).toBe('model');
    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
    expect(metrics).toContain('plantao_promise_oldest_violation_seconds');
  });

  /** Her worker has committed the reply, and died before anybody could send it. */
  async function answeredButNotSent(customer: Customer): Promise<void> {
    const { db } = town.database;
    await customer.writes(FEE);
    await sql`create or replace function later() returns trigger language plpgsql as
      'begin new.due_at = now() + interval ''1 hour''; return new; end'`.execute(db);
    await sql`create trigger later before insert on outbox for each row execute function later()`.execute(db);
    const dead = await worker();
    await dead.takeTurn(ConversationId.parse((await customer.conversation()).id));
    await dead.closing.close();
    await sql`drop trigger later on outbox`.execute(db);
    await sql`update outbox set due_at = now() where state = 'pending'`.execute(db);
  }
});

describe('what is no violation', () => {
  it('a clean run: with customers answered, handed over and put off, the watchdog says nothing', async () => {
    const before = await count('plantao_promise_violations_total');
    const work = await town.startWorker();
    const customers = ['1', '2', '3', '4', '5', '6', '7', '8'].map((end) =>
      bakery.customer(`Cliente ${end}`, `551197777000${end}`),
    );
    for (const customer of customers) await customer.writes(FEE);
    await work.watchdog.look();
    await customers[0]?.writes('Quero falar com um atendente');
    await Promise.all(customers.map((customer) => customer.isQuiet()));
    await waits(PERSON_AFTER_MS);
    await work.watchdog.look();

    expect(await count('plantao_promise_violations_total')).toBe(before);
    expect(await count('plantao_promise_oldest_violation_seconds')).toBe(0);
  });

  it('a turn that somebody has in hand, and one that was put off on purpose', async () => {
    const work = await worker();
    await ana.writes(FEE);
    await waits(STRANDED_AFTER_MS + 10_000);
    const held = (columns: string) =>
      sql`update conversation set ${sql.raw(columns)}, lease_until = now() + interval '1 minute'`.execute(
        town.database.db,
      );

    await held('lease_owner = gen_random_uuid()');
    expect(await work.promise.findViolations()).toEqual([]);
    await held('lease_owner = null');
    expect(await work.promise.findViolations()).toEqual([]);
    await waits(60_000);
    expect(await work.promise.findViolations()).toEqual([]);
  });

  it('but a turn that is held for longer than any turn may take is one, which nobody can repair before its lease ends', async () => {
    const work = await worker();
    await ana.writes(FEE);
    await waits(200_000);
    await sql`update conversation set lease_owner = gen_random_uuid(), lease_until = now() + interval '1 minute'`.execute(
      town.database.db,
    );

    expect(await work.promise.findViolations()).toEqual([
      expect.objectContaining({ stuck: 'turn', strandedMs: undefined }),
    ]);
  });
});

describe('the question that the watchdog asks of the database', () => {
  it('reads indexes of what is open, however much is settled', async () => {
    await ana.writes(FEE);
    const { id, tenantId } = await town.database.db
      .selectFrom('conversation')
      .select(['id', 'tenant_id as tenantId'])
      .executeTakeFirstOrThrow();
    await sql`insert into message (id, tenant_id, conversation_id, author, kind, text, said_at, settled_kind, settled_at)
      select gen_random_uuid(), ${tenantId}, ${id}, 'customer', 'text', 'Oi', now(), 'human', now()
        from generate_series(1, 20000)`.execute(town.database.db);
    await sql`analyze`.execute(town.database.db);

    // As the product's own connections plan: without sequential scans where there is an index.
    const pool = { name: 'test', connectionsMax: 1, queryTimeoutMs: 5_000, acquireTimeoutMs: 5_000 };
    const log = createLogger({ level: 'silent', process: 'test' });
    const db = createDatabase<Schema>(createPool(Secret.of(town.database.url), pool, log));
    const { rows } = await sql<{
      'QUERY PLAN': string;
    }>`explain ${violations({ coalesceMaxMs: 6_000, answeredWithinMs: 90_000 })}`.execute(db);
    await db.destroy();
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');

    expect(plan).toContain('message_unsettled');
    expect(plan).not.toMatch(/Seq Scan on (message|outbox)/);
  });
});
