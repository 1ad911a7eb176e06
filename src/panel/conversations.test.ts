import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { asTenant } from '../platform/database.ts';
import { awaitSilence } from './answers/ownership.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

beforeEach(async () => {
  bakery = await town.opens(`bakery-${randomUUID()}`);
});

afterAll(async () => {
  await database.close();
});

const get = (path: string) =>
  request(town.app).get(`/api/v1/tenants/${bakery.id}${path}`).set('Authorization', `Bearer ${bakery.viewer}`);
const post = (path: string, body?: object) =>
  request(town.app)
    .post(`/api/v1/tenants/${bakery.id}${path}`)
    .set('Authorization', `Bearer ${bakery.agent}`)
    .send(body);

interface PageOf<Item> {
  items: Item[];
  nextCursor: string | null;
}

describe('the list of conversations', () => {
  it('shows who owns each, by what name, and since when somebody waits', async () => {
    const id = await town.meets(bakery, 'Ana Sá');
    const at = new Date('2026-03-01T12:00:00.000Z');
    const first = await town.says(bakery, { conversationId: id, author: 'customer', text: 'Hello', at });
    await town.says(bakery, { conversationId: id, author: 'customer', text: 'Hello?' });
    const receivedAt = new Date('2026-03-01T12:00:01.000Z');
    await database.db.updateTable('message').set({ received_at: receivedAt }).where('id', '=', first).execute();

    const answer = await get('/conversations');

    expect(answer.body).toEqual({
      items: [
        {
          id,
          channelId: bakery.channelId,
          contactId: expect.any(String),
          contactName: 'Ana Sá',
          contactTags: [],
          owner: 'bot',
          ownerReason: null,
          ownerSince: expect.any(String),
          epoch: 0,
          handoff: null,
          sla: [],
          transfer: null,
          ticketReturn: null,
          waitingSince: '2026-03-01T12:00:01.000Z',
          lastMessageAt: expect.any(String),
          createdAt: expect.any(String),
        },
      ],
      nextCursor: null,
    });
  });

  it('lets nobody wait when all is answered, and counts from the call while a person is called', async () => {
    const answered = await town.meets(bakery, 'Ana');
    const called = await town.meets(bakery, 'Bia');
    const requestedAt = new Date('2026-03-01T12:00:00.000Z');
    await database.db
      .insertInto('handoff')
      .values({
        id: randomUUID(),
        tenant_id: bakery.id,
        conversation_id: called,
        state: 'waiting',
        reason: 'customer-asked',
        requested_at: requestedAt,
      })
      .execute();

    const { items } = (await get('/conversations')).body as PageOf<{ id: string; waitingSince: string | null }>;
    const waiting = (await get('/conversations?state=waiting')).body as PageOf<{ id: string }>;

    expect(new Map(items.map((it) => [it.id, it.waitingSince]))).toEqual(
      new Map([
        [answered, null],
        [called, requestedAt.toISOString()],
      ]),
    );
    expect(waiting.items.map((it) => it.id)).toEqual([called]);
  });

  it('is paged newest first, and filtered by owner', async () => {
    const ids = [];
    for (const name of ['Ana', 'Bia', 'Caio']) ids.push(await town.meets(bakery, name));
    await post(`/conversations/${String(ids[1])}/takeover`);

    const first = (await get('/conversations?limit=2')).body as PageOf<{ id: string }>;
    const second = (await get(`/conversations?limit=2&cursor=${String(first.nextCursor)}`)).body as PageOf<{
      id: string;
    }>;
    const humans = (await get('/conversations?state=human')).body as PageOf<{ id: string }>;

    expect([...first.items, ...second.items].map((it) => it.id)).toEqual(ids.toReversed());
    expect(second.nextCursor).toBeNull();
    expect(humans.items.map((it) => it.id)).toEqual([ids[1]]);
  });

  it('shows the others when one name does not open', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    await town.meets(bakery, 'Bia');
    await database.db
      .updateTable('contact')
      .set({ sealed_name: Buffer.from('spoiled') })
      .where('id', '=', (is) => is.selectFrom('conversation').select('contact_id').where('id', '=', conversationId))
      .execute();

    const { items } = (await get('/conversations')).body as PageOf<{ contactName: string | null }>;

    expect(items.map((it) => it.contactName)).toEqual(['Bia', null]);
  });
});

describe('the messages of a conversation', () => {
  it('come oldest first with what became of each', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    const said = (author: 'customer' | 'human', text: string, second: number) =>
      town.says(bakery, { conversationId, author, text, at: new Date(Date.UTC(2026, 2, 1, 12, 0, second)) });
    const late = await said('customer', 'third', 3);
    const question = await said('customer', 'first', 1);
    const human = await said('human', 'second', 2);
    const { messageId } = await town.replies(bakery, { conversationId, state: 'delivered', settles: question });

    const first = (await get(`/conversations/${conversationId}/messages?limit=3`)).body as PageOf<unknown>;
    const rest = (await get(`/conversations/${conversationId}/messages?cursor=${String(first.nextCursor)}`))
      .body as PageOf<unknown>;

    expect([...first.items, ...rest.items]).toEqual([
      {
        id: question,
        author: 'customer',
        kind: 'text',
        text: 'first',
        at: '2026-03-01T12:00:01.000Z',
        settled: { kind: 'reply', messageId },
      },
      { id: human, author: 'human', kind: 'text', text: 'second', at: '2026-03-01T12:00:02.000Z' },
      { id: late, author: 'customer', kind: 'text', text: 'third', at: '2026-03-01T12:00:03.000Z', settled: null },
      { id: messageId, author: 'bot', kind: 'text', text: 'Yes.', at: expect.any(String), delivery: 'delivered' },
    ]);
  });
});

describe('the turns of a conversation', () => {
  it('show their traces, newest first', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    for (const outcome of ['asked-back', 'replied']) {
      await database.db
        .insertInto('turn')
        .values({
          id: randomUUID(),
          tenant_id: bakery.id,
          conversation_id: conversationId,
          outcome,
          owner_epoch: 0,
          fence: '1',
          trace: JSON.stringify({ tokens: 12 }),
          started_at: new Date('2026-03-01T12:00:00Z'),
        })
        .execute();
    }

    const answer = await get(`/conversations/${conversationId}/turns`);

    expect(answer.body).toMatchObject({
      items: [
        { outcome: 'replied', startedAt: '2026-03-01T12:00:00.000Z', trace: { tokens: 12 } },
        { outcome: 'asked-back' },
      ],
      nextCursor: null,
    });
  });
});

describe('an agent', () => {
  it('takes over, returns and closes, and each answers the new epoch', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    const path = `/conversations/${conversationId}`;

    const answers = [
      await post(`${path}/takeover`, { expectedEpoch: 0 }),
      await post(`${path}/return`, { expectedEpoch: 1 }),
      await post(`${path}/close`),
    ];

    expect(answers.map((it) => it.body as unknown)).toEqual([
      { owner: 'human', epoch: 1, ownerSince: expect.any(String) },
      { owner: 'bot', epoch: 2, ownerSince: expect.any(String) },
      { owner: 'nobody', epoch: 3, ownerSince: expect.any(String) },
    ]);
    expect(town.rung.slice(-2)).toEqual([`conversation ${conversationId}`, `conversation ${conversationId}`]);
  });

  it('who saw an older epoch is told so, and nothing changes', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    await post(`/conversations/${conversationId}/takeover`, { expectedEpoch: 0 });

    const answer = await post(`/conversations/${conversationId}/return`, { expectedEpoch: 0 });
    const { items } = (await get('/conversations')).body as PageOf<unknown>;

    expect(answer.body).toMatchObject({ status: 409, code: 'EPOCH_MOVED' });
    expect(items).toMatchObject([{ owner: 'human', epoch: 1, handoff: 'taken' }]);
  });

  it('is answered when the message that is being sent has been sent', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    const { outboxId } = await town.replies(bakery, { conversationId, state: 'sending' });

    // A supertest call begins when somebody waits for it.
    const takeover = post(`/conversations/${conversationId}/takeover`).then((answer) => answer);
    await untilOwnedByHuman(conversationId);
    await database.db.updateTable('outbox').set({ state: 'sent' }).where('id', '=', outboxId).execute();

    expect((await takeover).body).toEqual({ owner: 'human', epoch: 1, ownerSince: expect.any(String) });
  });

  it('is told of a message that is still being sent when the patience is over', async () => {
    const conversationId = await town.meets(bakery, 'Ana');
    const { messageId } = await town.replies(bakery, { conversationId, state: 'sending' });

    const sending = await awaitSilence((work) => asTenant(database.db, bakery.id, work), {
      conversationId,
      patienceMs: 120,
    });

    expect(sending).toBe(messageId);
  });
});

async function untilOwnedByHuman(conversationId: string): Promise<void> {
  const owner = database.db.selectFrom('conversation').select('owner').where('id', '=', conversationId);
  while ((await owner.executeTakeFirstOrThrow()).owner !== 'human');
}
