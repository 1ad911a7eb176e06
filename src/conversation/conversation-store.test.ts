import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { ConversationId } from '../vocabulary/ids.ts';
import { ConversationStore } from './conversation-store.ts';
import type { Turn } from './conversation.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  bakery = await town.opens('bakery');
});

afterAll(async () => {
  await database.close();
});

/** Bruno answered once and went home: his takeover has lapsed, and Ana writes again. */
async function lapsedTurn(): Promise<Turn> {
  const conversationId = await town.meets(bakery, 'Ana');
  await town.says(bakery, { conversationId, author: 'customer', text: 'Alguém aí?' });
  await database.db
    .updateTable('conversation')
    .set({ owner: 'human', epoch: 1, owner_lapses_at: sql<Date>`now() - interval '1 second'` })
    .where('id', '=', conversationId)
    .execute();
  const store = new ConversationStore(database.db);
  const options = { holder: randomUUID(), coalesceMaxMs: 0, purpose: 'answer' } as const;
  const turn = await store.openTurn(ConversationId.parse(conversationId), options);
  if ('none' in turn) throw new Error(`There is no turn: ${turn.none}`);
  return turn;
}

async function ownership({ conversationId }: Turn) {
  return await database.db
    .selectFrom('conversation')
    .select(['owner', 'epoch', 'lease_owner', 'lease_until'])
    .where('id', '=', conversationId)
    .executeTakeFirstOrThrow();
}

it('a takeover that has lapsed gives the conversation back to the bot', async () => {
  const turn = await lapsedTurn();

  await new ConversationStore(database.db).takeBack(turn);

  expect(await ownership(turn)).toEqual({ owner: 'bot', epoch: 2, lease_owner: null, lease_until: null });
});

it('Bruno, who answers at the moment at which his takeover lapses, keeps it, and the turn ends without harm', async () => {
  const turn = await lapsedTurn();
  await database.db
    .updateTable('conversation')
    .set({ owner_lapses_at: sql<Date>`now() + interval '30 minutes'` })
    .where('id', '=', turn.conversationId)
    .execute();

  await new ConversationStore(database.db).takeBack(turn);

  expect(await ownership(turn)).toEqual({ owner: 'human', epoch: 1, lease_owner: null, lease_until: null });
});
