import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import { findViolations } from './promise.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.close();
});

it('a reply that is stuck is seen behind a question about the service that is stuck too', async () => {
  const town = new PanelTown(database.db);
  const bakery = await town.opens('bakery');
  const conversationId = await town.meets(bakery, 'Ana');
  const question = await town.replies(bakery, { conversationId, state: 'pending' });
  const reply = await town.replies(bakery, { conversationId, state: 'pending' });
  await database.db
    .updateTable('outbox')
    .set({ due_at: sql<Date>`now() - interval '5 minutes'` })
    .execute();
  await database.db.updateTable('outbox').set({ calls_person: false }).where('id', '=', question.outboxId).execute();

  const found = await findViolations(database.db, { coalesceMaxMs: 0, answeredWithinMs: 60_000 });

  expect(reply.outboxId).not.toBe(question.outboxId);
  expect(found).toEqual([expect.objectContaining({ conversationId, stuck: 'delivery' })]);
});
