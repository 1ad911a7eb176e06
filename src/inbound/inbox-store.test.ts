import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { Secret } from '../platform/secret.ts';
import { ChannelStore } from '../tenants/channel-store.ts';
import { TenantStore } from '../tenants/tenant-store.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import type { Address, ReceivedEvent } from '../vocabulary/message.ts';
import { InboxStore } from './inbox-store.ts';
import type { InboxRow } from './inbox-store.ts';

let database: TestDatabase;
let channel: Channel;
let keys: TenantKeys;

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const tenants = new TenantStore(db, { current: Secret.of(randomBytes(32).toString('base64')), previous: undefined });
  const bakery = await tenants.create({ slug: 'padaria', name: 'Padaria da Vila' });
  keys = await tenants.keysOf(bakery.id);
  const channels = new ChannelStore(db, (id) => tenants.keysOf(id));
  channel = await db.transaction().execute((tx) =>
    channels.create(tx, bakery.id, {
      name: 'Principal',
      profile: 'launcherbr',
      baseUrl: 'http://127.0.0.1:9',
      credentials: { token: 'token-da-conexao' },
      webhook: { kind: 'hmac', secrets: ['um-segredo-bem-comprido'] },
    }),
  );
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
