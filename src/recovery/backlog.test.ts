import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { metricOfThisProcess } from '../../test/support/metrics.ts';
import { registry } from '../platform/metrics.ts';
import { createLogger } from '../platform/logger.ts';
import { BacklogMeter } from './backlog.ts';

let test: TestDatabase;

beforeAll(async () => {
  test = await createTestDatabase();
});

beforeEach(async () => {
  await sql`truncate tenant, inbound_event, dead_letter cascade`.execute(test.db);
});

afterAll(async () => {
  await test.close();
});

async function measure(queues: readonly Queue[] = []): Promise<void> {
  const log = createLogger({ level: 'silent', process: 'test' });
  const meter = new BacklogMeter({ db: test.db, queues, redis: { isUp: queues.length > 0 }, log });
  await meter.measure();
  await meter.close();
}

/** Tenants with one customer each; the n-th one waits for n minutes, with n messages. */
async function tenantsWait(count: number): Promise<void> {
  await sql`
    with numbered as (select n, gen_random_uuid() as t, gen_random_uuid() as c, gen_random_uuid() as p, gen_random_uuid() as v
                        from generate_series(1, ${count}) as n),
    tenants as (insert into tenant (id, slug, name, sealed_data_key) select t, 'tenant-' || n, 'T', '' from numbered),
    channels as (insert into channel (id, tenant_id, name, kind, gateway_profile, gateway_base_url, sealed_credentials,
                                      webhook_auth, sealed_webhook_secrets)
                 select c, t, 'C', 'whaticket', 'community', 'http://localhost', '', 'hmac', '' from numbered),
    contacts as (insert into contact (id, tenant_id) select p, t from numbered),
    conversations as (insert into conversation (id, tenant_id, channel_id, contact_id) select v, t, c, p from numbered)
    insert into message (id, tenant_id, conversation_id, author, kind, said_at, received_at)
    select gen_random_uuid(), t, v, 'customer', 'text', now(), now() - n * interval '1 minute'
      from numbered, generate_series(1, n)`.execute(test.db);
}

async function shownTenants(): Promise<readonly string[]> {
  const values = (await registry.getSingleMetric('plantao_tenant_inbox_unprocessed')?.get())?.values ?? [];
  return values.map(({ labels }) => String(labels.tenant));
}

describe('the backlog of tenants', () => {
  it('is shown by tenant, with the age of the oldest message', async () => {
    await tenantsWait(3);
    await measure();

    expect((await shownTenants()).toSorted()).toEqual(['tenant-1', 'tenant-2', 'tenant-3']);
    expect(await metricOfThisProcess('plantao_tenant_inbox_unprocessed', { tenant: 'tenant-3' })).toBe(3);
    expect(await metricOfThisProcess('plantao_tenant_inbox_oldest_seconds', { tenant: 'tenant-3' })).toBeGreaterThan(
      179,
    );
    expect(await metricOfThisProcess('plantao_inbox_unprocessed')).toBe(6);
  });

  it('is shown of the fifty that wait longest, and of all others together', async () => {
    await tenantsWait(53);
    await measure();
    const shown = await shownTenants();

    expect(shown).toHaveLength(51);
    expect(shown).toContain('tenant-53');
    expect(shown).not.toContain('tenant-3');
    expect(await metricOfThisProcess('plantao_tenant_inbox_unprocessed', { tenant: 'other' })).toBe(1 + 2 + 3);
    expect(await metricOfThisProcess('plantao_tenant_inbox_oldest_seconds', { tenant: 'other' })).toBeLessThan(200);
    expect(await metricOfThisProcess('plantao_tenant_inbox_unprocessed')).toBe((53 * 54) / 2);
  });

  it('leaves out who waits no longer', async () => {
    await tenantsWait(2);
    await measure();
    await sql`update message set settled_kind = 'human', settled_at = now()`.execute(test.db);
    await measure();

    expect(await shownTenants()).toEqual([]);
    expect(await metricOfThisProcess('plantao_inbox_unprocessed')).toBe(0);
    expect(await metricOfThisProcess('plantao_inbox_oldest_unprocessed_seconds')).toBe(0);
  });
});

describe('dead letters', () => {
  it('have the age of the oldest that waits', async () => {
    await tenantsWait(1);
    await sql`insert into dead_letter (id, tenant_id, stage, subject_id, reason, payload, state, created_at)
              select gen_random_uuid(), id, 'turn', gen_random_uuid(), 'r', '{}', state, now() - age
                from tenant, (values ('open', interval '1 hour'), ('open', '1 minute'), ('replayed', '1 day')) as it (state, age)`.execute(
      test.db,
    );
    await measure();

    expect(await metricOfThisProcess('plantao_dead_letters_open')).toBe(2);
    expect(Math.round((await metricOfThisProcess('plantao_dead_letters_oldest_seconds')) / 60)).toBe(60);
  });
});

describe('a queue that nobody serves', () => {
  let redis: Redis;
  let queue: Queue;

  beforeEach(() => {
    redis = new Redis(process.env.PLANTAO_TEST_REDIS_URL ?? '', { maxRetriesPerRequest: null });
    queue = new Queue(`backlog-${crypto.randomUUID()}`, { connection: redis });
  });

  async function oldest(jobs: readonly { delay: number; ageMs: number }[]): Promise<number> {
    for (const { delay, ageMs } of jobs) await queue.add('job', {}, { delay, timestamp: Date.now() - ageMs });
    await measure([queue]);
    const age = await metricOfThisProcess('plantao_queue_oldest_waiting_seconds', { queue: queue.name });
    await queue.obliterate({ force: true });
    await queue.close();
    redis.disconnect();
    return Math.round(age);
  }

  it('has the age of the job that has waited longest', async () => {
    expect(
      await oldest([
        { delay: 0, ageMs: 90_000 },
        { delay: 0, ageMs: 30_000 },
      ]),
    ).toBe(90);
  });

  it('has no age while what it holds is not due', async () => {
    expect(await oldest([{ delay: 60_000, ageMs: 0 }])).toBe(0);
  });

  it('has an age when a delay is over and nobody looks', async () => {
    expect(await oldest([{ delay: 1_000, ageMs: 61_000 }])).toBe(60);
  });

  it('has none when it is empty', async () => {
    expect(await oldest([])).toBe(0);
  });
});
