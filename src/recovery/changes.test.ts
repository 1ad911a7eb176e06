import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { changeOwner } from '../conversation/ownership-store.ts';
import { createLogger } from '../platform/logger.ts';
import { recogniseWebhook } from '../vendors/whaticket/webhook-payload.ts';
import { ConversationId } from '../vocabulary/ids.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { applyLateChanges } from './changes.ts';

const TICKET = { id: 4711, status: 'open', queueId: 5, userId: 12 };
const LATE_SECONDS = 10;

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let conversationId: ConversationId;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  bakery = await town.opens('bakery');
});

afterAll(async () => {
  await database.close();
});

beforeEach(async () => {
  conversationId = ConversationId.parse(await town.meets(bakery, 'Ana'));
  await sql`update conversation set gateway_ticket_id = case when id = ${conversationId} then '4711' end`.execute(
    database.db,
  );
});

/** As recorded by a service that died before it could apply it. */
async function wasRecorded(body: unknown): Promise<string> {
  const id = randomUUID();
  await sql`
    insert into inbound_event (id, tenant_id, channel_id, dedupe_key, kind, request_id, raw, received_at)
    values (${id}, ${bakery.id}, ${bakery.channelId}, ${id}, 'ticket', 'r', ${Buffer.from(JSON.stringify(body))},
            now() - ${LATE_SECONDS} * interval '1 second')`.execute(database.db);
  return id;
}

const apply = () =>
  applyLateChanges({
    db: database.db,
    keysOf: (id) => town.tenants.keysOf(id),
    channelOf: (id) => town.channels.find(id),
    recognise: recogniseWebhook,
    tickets: {
      db: database.db,
      changeOwner: async (tx, change) => {
        await changeOwner(tx, change);
      },
      ringTurn: () => undefined,
      log: createLogger({ level: 'silent', process: 'test' }),
    },
    log: createLogger({ level: 'silent', process: 'test' }),
  });

async function owner() {
  return await database.db
    .selectFrom('conversation')
    .select(['owner', 'owner_reason', 'epoch'])
    .where('id', '=', conversationId)
    .executeTakeFirstOrThrow();
}

describe('what a service that died has not applied', () => {
  it('is applied later: who accepted the ticket has the conversation, once', async () => {
    const id = await wasRecorded({ event: 'ticket.updated', payload: TICKET });
    // The owner has been the same since before that.
    await sql`update conversation set owner_since = now() - interval '1 hour'`.execute(database.db);

    expect([await apply(), await apply()]).toEqual([1, 0]);

    expect(await owner()).toMatchObject({ owner: 'human', owner_reason: 'ticket-assigned', epoch: 1 });
    const { rows } = await sql<{ applied: boolean }>`
      select applied_at is not null as applied from inbound_event where id = ${id}`.execute(database.db);
    expect(rows).toEqual([{ applied: true }]);
  });

  it('changes nothing that somebody has decided since', async () => {
    await wasRecorded({ event: 'ticket.closed', payload: TICKET });
    await database.db
      .transaction()
      .execute((tx) => changeOwner(tx, { conversationId, to: 'human', reason: 'taken-over' }));

    expect(await apply()).toBe(1);

    expect(await owner()).toMatchObject({ owner: 'human', owner_reason: 'taken-over', epoch: 1 });
  });
});
