import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { Town } from '../../test/support/town.ts';
import type { Customer, TownTenant } from '../../test/support/town-people.ts';
import { createDatabase, createPool } from '../platform/database.ts';
import { createLogger } from '../platform/logger.ts';
import { Secret } from '../platform/secret.ts';
import { ConversationId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { ConversationStore } from './conversation-store.ts';
import { HOURS_KEPT, keepSpending } from './contact-spending.ts';
import type { Turn } from './conversation.ts';

let town: Town;
let bakery: TownTenant;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
});

afterAll(() => town.close());

async function turnOf(customer: Customer): Promise<Turn> {
  await customer.writes('Qual é a taxa de entrega?');
  const { id } = await customer.conversation();
  const options = { holder: randomUUID(), coalesceMaxMs: 0, purpose: 'answer' } as const;
  const turn = await new ConversationStore(town.database.db).openTurn(ConversationId.parse(id), options);
  if ('none' in turn) throw new Error(`There is no turn: ${turn.none}`);
  return turn;
}

/** The same contact on another channel of the bakery. */
async function conversationElsewhere({ tenantId, contactId }: Turn): Promise<string> {
  const { body } = await bakery.api('POST', '/channels', {
    body: {
      name: 'Delivery',
      kind: 'whaticket',
      gateway: { profile: 'launcherbr', baseUrl: town.gateway.url, token: 'um-outro-token' },
      webhook: { auth: 'hmac', secrets: ['um-segredo-que-ninguem-adivinha'] },
    },
  });
  const { id: channelId } = z.object({ id: z.string() }).parse(body);
  const id = randomUUID();
  await town.database.db
    .insertInto('conversation')
    .values({ id, tenant_id: tenantId, channel_id: channelId, contact_id: contactId })
    .execute();
  return id;
}

interface PastTurn {
  readonly conversationId: string;
  readonly outcome: string;
  readonly costUsd: number | undefined;
  readonly hoursAgo: number;
}

async function took(turn: Turn, past: PastTurn): Promise<void> {
  const at = new Date(turn.now.getTime() - past.hoursAgo * 3_600_000);
  await town.database.db
    .insertInto('turn')
    .values({
      id: randomUUID(),
      tenant_id: turn.tenantId,
      conversation_id: past.conversationId,
      outcome: past.outcome,
      owner_epoch: 0,
      fence: '1',
      trace: JSON.stringify({ costUsd: past.costUsd }),
      started_at: at,
      finished_at: at,
    })
    .execute();
}

it('counts replies and money of a contact over all channels of the tenant, for a day', async () => {
  const turn = await turnOf(bakery.customer('Ana', '5511988880001'));
  const here = turn.conversationId;
  const elsewhere = await conversationElsewhere(turn);
  await took(turn, { conversationId: here, outcome: 'replied', costUsd: 0.25, hoursAgo: 0 });
  await took(turn, { conversationId: here, outcome: 'asked-back', costUsd: 0.000_001, hoursAgo: 2 });
  await took(turn, { conversationId: elsewhere, outcome: 'replied', costUsd: 0.5, hoursAgo: 0 });
  await took(turn, { conversationId: elsewhere, outcome: 'handed-off', costUsd: 0.125, hoursAgo: 1 });
  await took(turn, { conversationId: elsewhere, outcome: 'recorded', costUsd: undefined, hoursAgo: 1 });
  await took(turn, { conversationId: elsewhere, outcome: 'replied', costUsd: 9, hoursAgo: 25 });

  const again = await new ConversationStore(town.database.db).reopenTurn(turn);

  expect(again?.counts).toEqual({
    answeredLastMinute: 2,
    answeredLastDay: 3,
    turnsLastTenMinutes: 1,
    spentLastDay: 875_001,
  });
});

async function spentLastDay(turn: Turn): Promise<number | undefined> {
  return (await new ConversationStore(town.database.db).reopenTurn(turn))?.counts.spentLastDay;
}

it('counts money that is in no turn, to the contact alone, for a day and at most an hour more', async () => {
  const [turn, others] = [
    await turnOf(bakery.customer('Carla', '5511988880003')),
    await turnOf(bakery.customer('Davi', '5511988880004')),
  ];
  const needs = { db: town.database.db, log: createLogger({ level: 'silent', process: 'test' }) };
  await took(turn, { conversationId: turn.conversationId, outcome: 'replied', costUsd: 0.25, hoursAgo: 0 });
  const handoffId = randomUUID();
  await town.database.db
    .insertInto('handoff')
    .values({
      id: handoffId,
      tenant_id: turn.tenantId,
      conversation_id: turn.conversationId,
      state: 'closed',
      reason: 'loop',
    })
    .execute();

  await Promise.all([
    keepSpending(needs, turn, 0.5),
    keepSpending(needs, { conversationId: ConversationId.parse(await conversationElsewhere(turn)) }, 0.000_001),
    keepSpending(needs, { handoffId }, 0.125),
    keepSpending(needs, { handoffId: randomUUID() }, 9),
  ]);
  await agesSpending(turn, 23);
  await keepSpending(needs, turn, 1);
  const [sum, ofOthers] = [await spentLastDay(turn), await spentLastDay(others)];
  await agesSpending(turn, 2);
  const later = await spentLastDay(turn);
  // The first of it is a day and an hour old: what is spent now takes its place.
  await keepSpending(needs, turn, 2);

  expect([sum, ofOthers, later]).toEqual([1_875_001, 0, 1_250_000]);
  expect(await spentLastDay(turn)).toBe(3_250_000);
  const rows = town.database.db.selectFrom('contact_spending').select('slot').where('contact_id', '=', turn.contactId);
  expect(await rows.execute()).toHaveLength(2);
});

/** As if all of it had been spent so many hours earlier. */
async function agesSpending({ contactId }: Turn, hours: number): Promise<void> {
  const kept = town.database.db.selectFrom('contact_spending').select('slot').where('contact_id', '=', contactId);
  // The newest first: its place is the one that the oldest comes to.
  for (const { slot } of await kept.orderBy('hour', 'desc').execute()) {
    await sql`update contact_spending set hour = hour - ${hours}::int * interval '1 hour',
      slot = (slot - ${hours}::int + ${HOURS_KEPT}::int) % ${HOURS_KEPT}::int
      where contact_id = ${contactId} and slot = ${slot}`.execute(town.database.db);
  }
}

it('reads what the contact has, and not what the tenant has, also by a plan of the first minutes', async () => {
  const log = createLogger({ level: 'silent', process: 'test' });
  const limits = { name: 'test', connectionsMax: 1, queryTimeoutMs: 5_000, acquireTimeoutMs: 5_000 };
  const db = createDatabase<Schema>(createPool(Secret.of(town.database.url), limits, log));
  const turn = await turnOf(bakery.customer('Bia', '5511988880002'));
  // So often that the statement is prepared, and its plan is kept.
  for (let times = 0; times < 10; times += 1) await new ConversationStore(db).reopenTurn(turn);
  await fillTenant(turn, 400);

  const read = await db.transaction().execute(async (tx) => {
    const before = await rowsRead(tx);
    expect(await new ConversationStore(tx).reopenTurn(turn)).toBeDefined();
    return (await rowsRead(tx)) - before;
  });
  await db.destroy();

  expect(read).toBeLessThan(20);
});

async function rowsRead(tx: Kysely<Schema>): Promise<number> {
  const { rows } = await sql<{ read: string }>`
    select sum(idx_tup_fetch + seq_tup_read) as read from pg_stat_xact_user_tables`.execute(tx);
  return Number(rows[0]?.read);
}

/** Others of the same tenant, each with a turn and with money of today. */
async function fillTenant({ tenantId, channelId }: Turn, contacts: number): Promise<void> {
  await sql`
    with people as (
      insert into contact (id, tenant_id)
      select gen_random_uuid(), ${tenantId} from generate_series(1, ${contacts}::int) n returning id
    ), spending as (
      insert into contact_spending (tenant_id, contact_id, slot, hour, micro_usd)
      select ${tenantId}, id, 0, date_trunc('hour', now(), 'UTC'), 1 from people
    ), conversations as (
      insert into conversation (id, tenant_id, channel_id, contact_id)
      select gen_random_uuid(), ${tenantId}, ${channelId}, id from people returning id
    )
    insert into turn (id, tenant_id, conversation_id, outcome, owner_epoch, fence, trace, started_at, finished_at)
    select gen_random_uuid(), ${tenantId}, id, 'replied', 0, 1, '{}', now(), now() from conversations`.execute(
    town.database.db,
  );
}
