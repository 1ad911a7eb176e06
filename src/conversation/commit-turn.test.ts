import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Town } from '../../test/support/town.ts';
import type { TownTenant } from '../../test/support/town-people.ts';
import { until } from '../../test/support/until.ts';
import { newId, TurnId } from '../vocabulary/ids.ts';
import { ConversationId } from '../vocabulary/ids.ts';
import { commitTurn } from './commit-turn.ts';
import type { CommitOutcome } from './commit-turn.ts';
import { ConversationStore } from './conversation-store.ts';
import type { Turn } from './conversation.ts';

let town: Town;
let bakery: TownTenant;
let store: ConversationStore;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
  store = new ConversationStore(town.database.db);
});

afterAll(() => town.close());

/** A turn over what this customer has just written. */
async function turnOf(phone: string): Promise<Turn> {
  const ana = bakery.customer('Ana', phone);
  await ana.writes('Qual é a taxa de entrega?');
  const { db } = town.database;
  await until(async () => (await db.selectFrom('message').select('id').execute()).length > 0);
  const { conversation_id: id } = await db
    .selectFrom('message')
    .select('conversation_id')
    .orderBy('seq', 'desc')
    .executeTakeFirstOrThrow();
  const turn = await store.openTurn(ConversationId.parse(id), {
    holder: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
    coalesceMaxMs: 0,
    purpose: 'answer',
  });
  if ('none' in turn) throw new Error(`There is no turn: ${turn.none}`);
  return turn;
}

async function commit(turn: Turn): Promise<CommitOutcome> {
  return await commitTurn(town.database.db, turn, {
    turnId: newId(TurnId),
    decision: { kind: 'reply', bubbles: ['São R$ 8,00.'], isUnsure: false },
    trace: {},
    startedAt: turn.now,
    settles: turn.messages.map((message) => message.id),
    evenIfNewer: true,
  });
}

async function optOut(turn: Turn): Promise<CommitOutcome> {
  const [message] = turn.messages;
  if (message === undefined) throw new Error('The turn has no message');
  return await commitTurn(town.database.db, turn, {
    turnId: newId(TurnId),
    decision: {
      kind: 'reply',
      bubbles: ['Pronto.'],
      isUnsure: false,
      courtesies: { consent: { kind: 'opt-out', messageId: message.id } },
    },
    trace: {},
    startedAt: turn.now,
    settles: turn.messages.map(({ id }) => id),
    evenIfNewer: true,
  });
}

/** The same contact on another channel, whose id comes before this one in the order. */
async function conversationBefore(turn: Turn): Promise<string> {
  const { db } = town.database;
  const channel = await db.selectFrom('channel').selectAll().where('id', '=', turn.channelId).executeTakeFirstOrThrow();
  const { handoff_queues, ...same } = channel;
  const [channelId, id] = [crypto.randomUUID(), `00000000${crypto.randomUUID().slice(8)}`];
  await db
    .insertInto('channel')
    .values({ ...same, id: channelId, handoff_queues: JSON.stringify(handoff_queues) })
    .execute();
  await db
    .insertInto('conversation')
    .values({ id, tenant_id: turn.tenantId, channel_id: channelId, contact_id: turn.contactId })
    .execute();
  return id;
}

const someoneWaits = async (): Promise<boolean> => {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
    town.database.db,
  );
  return rows.length > 0;
};

/** What would reach the customer. */
async function queued(turn: Turn): Promise<number> {
  const rows = await town.database.db
    .selectFrom('outbox')
    .select('id')
    .where('conversation_id', '=', turn.conversationId)
    .execute();
  return rows.length;
}

describe('the commit of a turn', () => {
  it('says nothing to a contact who has opted out on another channel since it was read', async () => {
    const turn = await turnOf('5511988880031');
    await town.database.db
      .insertInto('consent_event')
      .values({
        id: crypto.randomUUID(),
        tenant_id: turn.tenantId,
        contact_id: turn.contactId,
        kind: 'opt-out',
        source: 'message',
      })
      .execute();

    expect(await commit(turn)).toEqual({ committed: false });
    expect(await queued(turn)).toBe(0);
    expect((await store.reopenTurn(turn))?.courtesy.isOptedOut).toBe(true);
  });

  it("of an opt-out locks the contact's other channels first, in one order, so that two at once do not wait for each other", async () => {
    const turn = await turnOf('5511988880032');
    const { db } = town.database;
    // The other channel's conversation comes first in the order, and somebody has it.
    const first = await conversationBefore(turn);
    let committing: Promise<CommitOutcome> | undefined;
    await db.transaction().execute(async (tx) => {
      await sql`select from conversation where id = ${first} for no key update`.execute(tx);
      committing = optOut(turn);
      await until(someoneWaits);
      // Whoever holds the first gets the second, because the commit has not taken it before.
      await sql`select from conversation where id = ${turn.conversationId} for no key update nowait`.execute(tx);
    });

    expect(await committing).toMatchObject({ committed: true });
    expect(await db.selectFrom('conversation').select('epoch').where('id', '=', first).executeTakeFirst()).toEqual({
      epoch: 1,
    });
  });

  it('queues the reply, once however often it is repeated', async () => {
    const turn = await turnOf('5511988880001');

    const first = await commit(turn);
    const second = await commit(turn);

    expect([first.committed, second.committed]).toEqual([true, false]);
    expect(await queued(turn)).toBe(1);
  });

  it.each([
    ['the lease has moved', (turn: Turn) => ({ ...turn, fence: String(Number(turn.fence) - 1) })],
    ['the owner has changed', (turn: Turn) => ({ ...turn, epoch: turn.epoch - 1 })],
  ])('does nothing at all when %s', async (_case, outdated) => {
    const turn = await turnOf(_case.includes('lease') ? '5511988880002' : '5511988880003');

    expect(await commit(outdated(turn))).toEqual({ committed: false });
    expect(await queued(turn)).toBe(0);
  });

  it('says nothing about a message that somebody else has settled meanwhile', async () => {
    const turn = await turnOf('5511988880004');
    await town.database.db
      .updateTable('message')
      .set({ settled_kind: 'recorded', settled_reason: 'nothing-said', settled_at: new Date() })
      .where('conversation_id', '=', turn.conversationId)
      .execute();

    expect(await commit(turn)).toEqual({ committed: false });
    expect(await queued(turn)).toBe(0);
  });

  it('drops a draft to words that the customer has corrected since', async () => {
    const turn = await turnOf('5511988880005');
    await town.database.db
      .updateTable('message')
      .set({ text: 'Qual é o prazo de entrega?', edited_at: new Date(turn.now.getTime() + 1_000) })
      .where('conversation_id', '=', turn.conversationId)
      .execute();

    expect(await commit(turn)).toEqual({ committed: false });
    expect(await queued(turn)).toBe(0);
  });
});
