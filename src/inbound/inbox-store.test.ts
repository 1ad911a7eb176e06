import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { until } from '../../test/support/until.ts';
import { blindIndex, derivedUuid } from '../platform/crypto.ts';
import { Secret } from '../platform/secret.ts';
import { ChannelStore } from '../tenants/channel-store.ts';
import { TenantStore } from '../tenants/tenant-store.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import type { Address, ReceivedEvent } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { addressKey } from './inbound.ts';
import { InboxStore } from './inbox-store.ts';
import type { InboxRow } from './inbox-store.ts';

let database: TestDatabase;
let channel: Channel;
let otherChannel: Channel;
let keys: TenantKeys;

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const tenants = new TenantStore(db, { current: Secret.of(randomBytes(32).toString('base64')), previous: undefined });
  const bakery = await tenants.create({ slug: 'padaria', name: 'Padaria da Vila' });
  keys = await tenants.keysOf(bakery.id);
  const channels = new ChannelStore(db, (id) => tenants.keysOf(id));
  const create = (name: string): Promise<Channel> =>
    db.transaction().execute((tx) =>
      channels.create(tx, bakery.id, {
        name,
        profile: 'launcherbr',
        baseUrl: 'http://127.0.0.1:9',
        credentials: { token: 'token-da-conexao' },
        webhook: { kind: 'hmac', secrets: ['um-segredo-bem-comprido'] },
      }),
    );
  channel = await create('Principal');
  otherChannel = await create('Encomendas');
});

afterAll(() => database.close());

/** A message from these addresses, best first. */
function said(...addresses: readonly [Address, ...Address[]]): InboxRow {
  return rowOf({ type: 'message', ...words(addresses) });
}

/** Words of our own side to these addresses. */
function echoed(...addresses: readonly [Address, ...Address[]]): InboxRow {
  return rowOf({ type: 'echo', isAutomatic: false, ...words(addresses) });
}

function words(addresses: readonly [Address, ...Address[]]) {
  return {
    addresses,
    providerMessageId: randomUUID(),
    occurredAt: new Date('2026-11-21T12:00:00Z'),
    isSelfDating: true,
    contactName: 'Ana',
    ticketId: undefined,
    kind: 'text',
    text: 'Oi',
    quotedText: undefined,
  } as const;
}

function rowOf(event: ReceivedEvent): InboxRow {
  const raw = Buffer.from(JSON.stringify({ id: event.providerMessageId }));
  return { channel, keys, event, dedupeKey: randomUUID(), raw, requestId: randomUUID(), waitMs: 0 };
}

const phone = (value: string): Address => ({ kind: 'phone', value });
const lid = (value: string): Address => ({ kind: 'lid', value });

describe('who is speaking', () => {
  it('is the same conversation with and without the ninth digit', async () => {
    const inbox = new InboxStore(database.db);

    const [withNinth, withoutNinth] = await inbox.record([said(phone('5511988880001')), said(phone('551188880001'))]);

    expect(withoutNinth?.conversationId).toBe(withNinth?.conversationId);
  });

  it('is another person on a landline that ends like a mobile', async () => {
    const inbox = new InboxStore(database.db);

    const [mobile, landline] = await inbox.record([said(phone('5511933334444')), said(phone('551133334444'))]);

    expect(landline?.conversationId).not.toBe(mobile?.conversationId);
  });

  it('is what the database says, also in a process that has seen the addresses in another order', async () => {
    const early = new InboxStore(database.db);
    const [byLid] = await early.record([said(lid('201122334455667'))]);
    await early.record([said(phone('5511988880002'))]);
    await early.record([said(phone('5511988880002'), lid('201122334455667'))]);

    const [here] = await early.record([said(lid('201122334455667'))]);
    const [elsewhere] = await new InboxStore(database.db).record([said(lid('201122334455667'))]);

    expect(here?.conversationId).toBe(byLid?.conversationId);
    expect(elsewhere?.conversationId).toBe(byLid?.conversationId);
  });

  it('is found by any address of an echo, and an echo adds none', async () => {
    const inbox = new InboxStore(database.db);
    const [ana] = await inbox.record([said(lid('201122334455668'))]);

    const [echo] = await inbox.record([echoed(phone('5511988880003'), lid('201122334455668'))]);
    const [stranger] = await inbox.record([said(phone('5511988880003'))]);

    expect(echo?.conversationId).toBe(ana?.conversationId);
    expect(stranger?.conversationId).not.toBe(ana?.conversationId);
  });

  it('is asked of the database again when a remembered contact has been erased', async () => {
    const inbox = new InboxStore(database.db);
    const [first] = await inbox.record([said(phone('5511988880004'))]);
    await inbox.record([said(phone('5511988880004'))]);
    const { contact_id: contactId } = await database.db
      .selectFrom('conversation')
      .select('contact_id')
      .where('id', '=', first?.conversationId ?? '')
      .executeTakeFirstOrThrow();
    await database.db.deleteFrom('conversation').where('contact_id', '=', contactId).execute();
    await database.db.deleteFrom('contact').where('id', '=', contactId).execute();

    const [again] = await inbox.record([said(phone('5511988880004'))]);

    expect(again).toMatchObject({ isNew: true });
    const kept = await database.db
      .selectFrom('message')
      .select('id')
      .where('conversation_id', '=', again?.conversationId ?? '')
      .execute();
    expect(kept).toHaveLength(1);
  });
});

/** Rows that another transaction has inserted and not committed yet; whoever inserts them too has to wait for it. */
type Pending = 'contact_alias' | 'conversation';

describe.each<Pending>(['contact_alias', 'conversation'])('two batches with the same newcomers', (table) => {
  it(`never wait for each other in a circle over a ${table}`, async () => {
    const people = await newcomers(table);
    const [first, middle, last] = people;
    const inOrder = batch([first, middle, last]);
    // On another channel they have the same addresses and other conversations, whose order would hide that of the addresses.
    const crossed = batch([last, middle, first], table === 'conversation' ? channel : otherChannel);

    const done = await whileInserting(table, middle, async (released) => {
      const both = [inOrder, crossed].map((rows) => new InboxStore(database.db).record(rows));
      await until(async () => (await waitingForLocks()) === 2);
      released();
      return await Promise.all(both);
    });

    expect(done.flat().every(({ isNew }) => isNew)).toBe(true);
  });
});

/** Three people in the order of the key by which the table's rows are inserted, known to the tables before it. */
async function newcomers(table: Pending): Promise<readonly [Newcomer, Newcomer, Newcomer]> {
  const made = Array.from({ length: 3 }, (_, index) => newcomer(`55119${randomInt(10_000_000, 99_999_999)}${index}`));
  const keyOf = (it: Newcomer): string =>
    ({ contact_alias: it.index.toString('base64'), conversation: it.conversationId })[table];
  const [first, middle, last] = made.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  if (first === undefined || middle === undefined || last === undefined) throw new Error('There are three');
  for (const it of made) {
    await insertContact(database.db, it);
    if (table === 'conversation') await insertAlias(database.db, it);
  }
  return [first, middle, last];
}

type Newcomer = ReturnType<typeof newcomer>;

function newcomer(number: string) {
  const key = addressKey(phone(number), channel.id);
  const contactId = derivedUuid(keys.ids, `contact|${key}`);
  const conversationId = derivedUuid(keys.ids, `conversation|${channel.id}|${contactId}`);
  return { number, contactId, conversationId, index: blindIndex(keys.index, key) };
}

/** A batch is inserted in the order of its dedupe keys, where nothing else orders it. */
function batch(people: readonly Newcomer[], on = channel): readonly InboxRow[] {
  const name = randomUUID();
  return people.map(({ number }, index) => ({ ...said(phone(number)), channel: on, dedupeKey: `${name}-${index}` }));
}

async function whileInserting<Result>(
  table: Pending,
  person: Newcomer,
  work: (released: () => void) => Promise<Result>,
): Promise<Result> {
  const held = Promise.withResolvers<undefined>();
  const free = Promise.withResolvers<undefined>();
  const holding = database.db.transaction().execute(async (tx) => {
    if (table === 'contact_alias') await insertAlias(tx, person);
    if (table === 'conversation') await insertConversation(tx, person);
    held.resolve(undefined);
    await free.promise;
    throw new Error('taken back');
  });
  await held.promise;
  const done = work(() => {
    free.resolve(undefined);
  });
  await expect(holding).rejects.toThrow('taken back');
  return await done;
}

async function insertContact(db: Kysely<Schema>, { contactId }: Newcomer): Promise<void> {
  await db.insertInto('contact').values({ id: contactId, tenant_id: channel.tenantId }).execute();
}

async function insertAlias(db: Kysely<Schema>, { contactId, index }: Newcomer): Promise<void> {
  const values = { tenant_id: channel.tenantId, kind: 'phone', blind_index: index, contact_id: contactId } as const;
  await db
    .insertInto('contact_alias')
    .values({ ...values, sealed_address: Buffer.alloc(0) })
    .execute();
}

async function insertConversation(db: Kysely<Schema>, { contactId, conversationId }: Newcomer): Promise<void> {
  const values = { tenant_id: channel.tenantId, channel_id: channel.id, contact_id: contactId };
  await db
    .insertInto('conversation')
    .values({ id: conversationId, ...values })
    .execute();
}

async function waitingForLocks(): Promise<number> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*)::integer as waiting from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
  return rows[0]?.waiting ?? 0;
}

describe('raw bytes', () => {
  it('are kept exactly, each with its own event', async () => {
    const inbox = new InboxStore(database.db);
    const raws = [Buffer.from([0, 255, 1, 254]), Buffer.alloc(0), Buffer.from('{"text":"é 👋"}')];

    await inbox.record(raws.map((raw) => ({ ...said(phone('5511988880005')), raw, requestId: 'raw-bytes' })));

    const kept = await database.db
      .selectFrom('inbound_event')
      .select('raw')
      .where('request_id', '=', 'raw-bytes')
      .execute();
    expect(kept.map(({ raw }) => raw?.toString('hex')).toSorted()).toEqual(
      raws.map((raw) => raw.toString('hex')).toSorted(),
    );
  });
});
