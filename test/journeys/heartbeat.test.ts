import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { asTenant } from '../../src/platform/database.ts';
import { measureHeartbeats } from '../../src/recovery/heartbeat.ts';
import { metricOfThisProcess } from '../support/metrics.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { Town } from '../support/town.ts';
import { until } from '../support/until.ts';

let redis: PrivateRedis;
let town: Town;

beforeEach(async () => {
  redis = await startPrivateRedis();
  town = await Town.start({ environment: { REDIS_URL: redis.url }, worker: false });
});

afterEach(async () => {
  await town.close();
  await redis.close();
});

type Stages = Readonly<Partial<Record<string, Date>>>;

/** When the newest heartbeat was made that has passed each stage. */
async function passed(): Promise<Stages> {
  const rows = await town.database.db.selectFrom('heartbeat').selectAll().execute();
  return Object.fromEntries(rows.map(({ stage, beat_at }) => [stage, beat_at]));
}

async function isThrough(): Promise<boolean> {
  const { intake, delivery } = await passed();
  return intake !== undefined && delivery?.getTime() === intake.getTime();
}

/** Ten seconds and a bit go by for the heartbeats, and for nobody else. */
async function laterOn(): Promise<void> {
  await sql`update heartbeat set beat_at = beat_at - interval '10.1 s'`.execute(town.database.db);
}

async function heartbeatsIn(queue: string): Promise<number> {
  const waiting = await redis.command('LLEN', `{plantao}:${queue}:wait`);
  return Number(waiting);
}

describe('a heartbeat', () => {
  it('passes every stage, as a customer’s message does', async () => {
    await town.startWorker();
    await town.heart.beat();
    await until(isThrough);
    await measureHeartbeats(town.database.db);

    for (const stage of ['intake', 'turn', 'delivery']) {
      const age = await metricOfThisProcess('plantao_heartbeat_age_seconds', { stage });
      expect(age).toBeGreaterThan(0);
      expect(age).toBeLessThan(30);
    }
  });

  it('is made once in ten seconds, however many services look', async () => {
    await town.heart.beat();
    const { intake: first } = await passed();
    await Promise.all(Array.from({ length: 8 }, () => town.heart.beat()));
    const { intake: again } = await passed();
    await laterOn();
    await Promise.all(Array.from({ length: 8 }, () => town.heart.beat()));
    const { intake: next } = await passed();

    expect(again).toEqual(first);
    expect(next?.getTime()).toBeGreaterThan(first?.getTime() ?? Infinity);
  });

  it('is made again when the clock of the database was set back', async () => {
    await sql`insert into heartbeat (stage, beat_at) select stage, now() + interval '1 hour'
                from unnest(array['intake', 'turn', 'delivery']) as stage`.execute(town.database.db);
    await town.startWorker();
    await town.heart.beat();
    await until(isThrough);

    expect((await passed()).delivery?.getTime()).toBeLessThan(Date.now() + 60_000);
  });

  it('waits in a queue that nobody serves, alone; its stages grow old, and it comes through when somebody comes', async () => {
    for (let beats = 0; beats < 5; beats += 1) {
      await town.heart.beat();
      await until(async () => (await heartbeatsIn('take-turn')) > 0);
      await laterOn();
    }
    const before = await passed();
    const waiting = await heartbeatsIn('take-turn');
    await town.startWorker();
    await until(async () => (await passed()).delivery !== undefined);
    await town.heart.beat();
    await until(isThrough);

    expect(Object.keys(before)).toEqual(['intake']);
    expect(waiting).toBe(1);
  });

  it('is carried without Redis, too', async () => {
    await town.startWorker();
    await redis.kill();
    await town.heart.beat();

    await until(isThrough, 15_000);
  });

  it('shows its age while the database cannot be asked', async () => {
    const age = () => metricOfThisProcess('plantao_heartbeat_age_seconds', { stage: 'intake' });
    await town.heart.beat();
    const young = await age();
    await sql`drop table heartbeat`.execute(town.database.db);
    await town.heart.beat();

    await until(async () => (await age()) > young + 0.5);
  });

  it('is seen by no tenant', async () => {
    await town.heart.beat();
    const { id } = await town.tenant();
    const looking = asTenant(town.database.db, id, (tx) => tx.selectFrom('heartbeat').selectAll().execute());

    await expect(looking).rejects.toThrow('permission denied');
  });
});
