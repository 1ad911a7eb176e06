import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { commitTurn } from '../conversation/commit-turn.ts';
import { ConversationStore } from '../conversation/conversation-store.ts';
import type { Turn } from '../conversation/conversation.ts';
import { changeOwner } from '../conversation/ownership-store.ts';
import { OutboxStore } from '../delivery/outbox-store.ts';
import { createLogger } from '../platform/logger.ts';
import { ConversationId, newId, TurnId } from '../vocabulary/ids.ts';
import { askForScores } from './csat-store.ts';

let database: TestDatabase;
let town: PanelTown;
let clinic: TownTenant;
let id: ConversationId;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  clinic = await town.opens('clinic');
  await sql`update tenant set settings = jsonb_set(settings, '{csat}', '{"enabled": true, "question": null}')`.execute(
    database.db,
  );
});

afterAll(async () => {
  await database.close();
});

/** Ana's matter, which Bruno has had and closed. */
beforeEach(async () => {
  id = ConversationId.parse(await town.meets(clinic, 'Ana'));
  await anaSays('Meu exame chegou?');
  await bruno('human');
  await bruno('nobody');
});

const anaSays = (text: string) => town.says(clinic, { conversationId: id, author: 'customer', text });
const bruno = (to: 'human' | 'nobody') =>
  database.db.transaction().execute((tx) => changeOwner(tx, { conversationId: id, to, reason: 'closed' }));
const ask = () =>
  askForScores({
    db: database.db,
    tenantOf: (tenantId) => town.tenants.get(tenantId),
    ringDelivery: () => undefined,
    log: createLogger({ level: 'silent', process: 'test' }),
  });

async function questions(): Promise<readonly string[]> {
  const rows = await database.db
    .selectFrom('outbox')
    .select('state')
    .where('conversation_id', '=', id)
    .where('calls_person', '=', false)
    .orderBy('seq')
    .execute();
  return rows.map(({ state }) => state);
}

async function turn(): Promise<Turn> {
  const opened = await new ConversationStore(database.db).openTurn(id, {
    holder: randomUUID(),
    coalesceMaxMs: 0,
    purpose: 'answer',
  });
  if ('none' in opened) throw new Error(`There is no turn: ${opened.none}`);
  return opened;
}

async function commitReply(over: Turn): Promise<void> {
  await commitTurn(database.db, over, {
    turnId: newId(TurnId),
    decision: { kind: 'reply', bubbles: ['Chegou.'], isUnsure: false },
    trace: {},
    startedAt: over.now,
    settles: over.messages.map((message) => message.id),
    evenIfNewer: true,
  });
}

it('a closing is asked about, and the question may leave', async () => {
  await ask();

  const claimed = await new OutboxStore(database.db).claim(id, randomUUID());
  expect(claimed?.text).toContain('Como foi o atendimento');
});

it('who has written since the closing is not asked', async () => {
  await anaSays('E o outro exame?');
  await ask();

  expect(await questions()).toEqual([]);
});

it('who has said thanks since the closing is not asked, although that opened nothing', async () => {
  const thanks = await anaSays('ok, obrigada');
  await database.db
    .updateTable('message')
    .set({ settled_kind: 'recorded', settled_reason: 'closing-thanks', settled_at: new Date() })
    .where('id', '=', thanks)
    .execute();
  await ask();

  expect(await questions()).toEqual([]);
});

it('who was asked within a day is not asked again, although the matter is closed again', async () => {
  await ask();
  await bruno('human');
  await bruno('nobody');
  await ask();

  expect(await questions()).toEqual(['dropped']);
});

it('a question that has not left is dropped at its delivery once Ana has written', async () => {
  await ask();
  await anaSays('E o outro exame?');

  expect(await new OutboxStore(database.db).claim(id, randomUUID())).toBeUndefined();
  expect(await questions()).toEqual(['dropped']);
});

it('a question that has not left is dropped with the answer to what Ana wrote', async () => {
  await ask();
  await anaSays('E o outro exame?');
  await commitReply(await turn());

  expect(await questions()).toEqual(['dropped']);
});

it('a question that was asked beside the answer never leaves, and the answer does', async () => {
  await anaSays('E o outro exame?');
  await commitReply(await turn());
  // As one that the commit could not see yet, because both ran at the same moment.
  await database.db.updateTable('conversation').set({ owner: 'nobody' }).where('id', '=', id).execute();
  await sql`update message set received_at = now() - interval '1 hour' where conversation_id = ${id}`.execute(
    database.db,
  );
  await ask();
  await database.db.updateTable('conversation').set({ owner: 'bot' }).where('id', '=', id).execute();
  await sql`update outbox set seq = default where conversation_id = ${id} and calls_person`.execute(database.db);
  const outbox = new OutboxStore(database.db);

  expect(await outbox.claim(id, randomUUID())).toBeUndefined();
  expect((await outbox.claim(id, randomUUID()))?.text).toBe('Chegou.');
  expect(await questions()).toEqual(['dropped']);
});
