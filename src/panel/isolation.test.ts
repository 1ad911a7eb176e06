import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { asTenant } from '../platform/database.ts';
import type { Tx } from '../vocabulary/schema.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let clinic: TownTenant;
let ofBakery: string;
let ofClinic: string;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  [bakery, clinic] = [await town.opens('bakery'), await town.opens('clinic')];
  for (const tenant of [bakery, clinic]) {
    const conversationId = await town.meets(tenant, 'Ana');
    if (tenant === bakery) ofBakery = conversationId;
    else ofClinic = conversationId;
    await town.says(tenant, { conversationId, author: 'customer', text: 'Hello' });
    await town.replies(tenant, { conversationId, state: 'sent' });
    await town.gaveUp(tenant, { stage: 'turn', conversationId });
  }
});

afterAll(async () => {
  await database.close();
});

/** What the database says to the bakery that tries this. */
async function refusal(work: (tx: Tx) => Promise<unknown>): Promise<string> {
  try {
    await asTenant(database.db, bakery.id, work);
    return 'not refused';
  } catch (error) {
    return error instanceof Error ? error.message : 'not an error';
  }
}

const TABLES = ['channel', 'api_key', 'contact', 'conversation', 'message', 'outbox', 'dead_letter'] as const;

describe('a request of one tenant', () => {
  it('is made on a superuser’s connection in these tests, which row-level security does not bind by itself', async () => {
    const { rows } = await sql<{ is_superuser: string }>`show is_superuser`.execute(database.db);

    expect(rows).toEqual([{ is_superuser: 'on' }]);
  });

  it.each(TABLES)('sees only its own rows of %s, also without asking for its own', async (table) => {
    const seen = await asTenant(database.db, bakery.id, (tx) => tx.selectFrom(table).select('tenant_id').execute());
    const all = await database.db.selectFrom(table).select('tenant_id').execute();

    expect(new Set(seen.map((row) => row.tenant_id))).toEqual(new Set([bakery.id]));
    expect(new Set(all.map((row) => row.tenant_id))).toEqual(new Set([bakery.id, clinic.id]));
  });

  it('sees only its own tenant', async () => {
    const seen = await asTenant(database.db, bakery.id, (tx) => tx.selectFrom('tenant').select('slug').execute());

    expect(seen).toEqual([{ slug: 'bakery' }]);
  });

  it('cannot put a row into another tenant, nor change or delete one there', async () => {
    const document = { id: '6f2c4a3e-0f0e-4a8e-9c53-9d8a8b0d8c11', tenant_id: clinic.id, title: 'Forged' };

    const inserted = await refusal((tx) => tx.insertInto('knowledge_document').values(document).execute());
    const moved = await refusal((tx) => tx.updateTable('dead_letter').set({ tenant_id: clinic.id }).execute());
    const changed = await asTenant(database.db, bakery.id, (tx) =>
      tx.updateTable('message').set({ text: 'changed' }).where('tenant_id', '=', clinic.id).executeTakeFirst(),
    );
    const deleted = await asTenant(database.db, bakery.id, (tx) =>
      tx.deleteFrom('message').where('tenant_id', '=', clinic.id).executeTakeFirst(),
    );

    expect([inserted, moved]).toEqual([
      'new row violates row-level security policy for table "knowledge_document"',
      'new row violates row-level security policy for table "dead_letter"',
    ]);
    expect([changed.numUpdatedRows, deleted.numDeletedRows]).toEqual([0n, 0n]);
  });

  it('leaves the connection as it was: the next user of it is no tenant', async () => {
    await asTenant(database.db, bakery.id, (tx) => tx.selectFrom('tenant').select('id').execute());

    const { rows } = await sql<{ role: string }>`select current_setting('role') as role`.execute(database.db);

    expect(rows).toEqual([{ role: 'none' }]);
  });
});

describe('an id of another tenant under one’s own address', () => {
  const asBakery = (method: 'get' | 'post' | 'patch' | 'delete', path: string) =>
    request(town.app)[method](`/api/v1/tenants/${bakery.id}${path}`).set('Authorization', `Bearer ${bakery.admin}`);

  it('is not found', async () => {
    const [letter] = await database.db
      .selectFrom('dead_letter')
      .select('id')
      .where('tenant_id', '=', clinic.id)
      .execute();
    const [key] = await database.db.selectFrom('api_key').select('id').where('tenant_id', '=', clinic.id).execute();
    const { contact_id: contactOfClinic } = await database.db
      .selectFrom('conversation')
      .select('contact_id')
      .where('id', '=', ofClinic)
      .executeTakeFirstOrThrow();
    const answers = await Promise.all([
      asBakery('get', `/conversations/${ofClinic}/messages`),
      asBakery('get', `/conversations/${ofClinic}/turns`),
      asBakery('post', `/conversations/${ofClinic}/takeover`),
      asBakery('post', `/conversations/${ofClinic}/close`),
      asBakery('get', `/conversations/${ofClinic}/handoff`),
      asBakery('post', `/conversations/${ofClinic}/suggestions`),
      asBakery('patch', `/contacts/${contactOfClinic}`).send({ tags: ['vip'] }),
      asBakery('get', `/channels/${clinic.channelId}`),
      asBakery('patch', `/channels/${clinic.channelId}`).send({ gateway: { token: 'stolen' } }),
      asBakery('post', `/dead-letters/${String(letter?.id)}/replay`),
      asBakery('post', `/dead-letters/${String(letter?.id)}/discard`),
      asBakery('delete', `/api-keys/${String(key?.id)}`),
    ]);

    expect(answers.map((it) => it.status)).toEqual(answers.map(() => 404));
  });

  it('in a cursor shows nothing of the other', async () => {
    const cursor = Buffer.from(JSON.stringify({ at: '2100-01-01T00:00:00.000000Z', id: ofClinic })).toString(
      'base64url',
    );

    const answer = await asBakery('get', `/conversations?cursor=${cursor}`);

    expect(answer.body).toMatchObject({ items: [{ id: ofBakery }], nextCursor: null });
  });
});
