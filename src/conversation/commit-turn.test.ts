import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
