import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { changeOwner } from '../conversation/ownership-store.ts';
import { createLogger } from '../platform/logger.ts';
import { ConversationId } from '../vocabulary/ids.ts';
import type { TicketState } from '../vocabulary/ticket.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { followTicket, observeTicket } from './ticket-store.ts';
import type { ShownTicket, TicketNeeds } from './ticket-store.ts';
import { noteTicketReturn, TicketReturnStore } from './ticket-return-store.ts';
import { AT_ONE_CHANNEL_MAX, reviveTransfer, TransferStore } from './transfer-store.ts';
import type { ClaimedTransfer, TransferEnd } from './transfer-store.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let conversationId: ConversationId;
let transfers: TransferStore;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  bakery = await town.opens('bakery');
  transfers = new TransferStore(database.db);
});

afterAll(async () => {
  await database.close();
});

beforeEach(async () => {
  await sql`delete from handoff`.execute(database.db);
  conversationId = ConversationId.parse(await town.meets(bakery, 'Ana'));
});

const change = (to: 'human' | 'bot', handoff?: 'waiting' | 'taken') =>
  database.db.transaction().execute((tx) => changeOwner(tx, { conversationId, to, reason: 'customer-asked', handoff }));

/** A person is called, and what there is to know for them is written. */
async function personIsCalled(): Promise<void> {
  await change('human', 'waiting');
  await sql`update handoff set packet_at = now() where conversation_id = ${conversationId}`.execute(database.db);
  await transfers.begin();
}

const end = (claim: ClaimedTransfer, how: TransferEnd) =>
  database.db.transaction().execute((tx) => transfers.end(tx, claim, how));

async function onlyClaim(): Promise<ClaimedTransfer> {
  const [claim] = await transfers.claim(10);
  if (claim === undefined) throw new Error('Nothing is due');
  return claim;
}

async function row() {
  return await database.db.selectFrom('handoff_transfer').selectAll().executeTakeFirstOrThrow();
}

describe('the transfers of tickets', () => {
  it('follow from the handoffs that wait, each once, however many processes look', async () => {
    await change('human', 'waiting');

    const begun = await Promise.all([transfers.begin(), transfers.begin(), transfers.begin()]);

    expect(begun.reduce((sum, count) => sum + count)).toBe(1);
  });

  it('are looked for without reading those that have begun', async () => {
    await personIsCalled();
    const { rows } = await database.db.transaction().execute(async (tx) => {
      await sql`set local enable_seqscan = off`.execute(tx);
      return await sql<{ 'QUERY PLAN': string }>`
        explain select id from handoff where state = 'waiting' and transfer_at is null order by requested_at limit 200`.execute(
        tx,
      );
    });

    expect(rows.map((it) => it['QUERY PLAN']).join('\n')).toContain('handoff_without_transfer');
    expect(await transfers.begin()).toBe(0);
  });

  it('are not for a person who came by themselves', async () => {
    await change('human', 'taken');

    expect(await transfers.begin()).toBe(0);
  });

  it('wait for what the note is to say, but not for ever', async () => {
    await change('human', 'waiting');
    await transfers.begin();
    expect(await transfers.claim(10)).toEqual([]);

    await sql`update handoff_transfer set created_at = now() - interval '6 seconds'`.execute(database.db);
    expect(await transfers.claim(10)).toHaveLength(1);
  });

  it('are each claimed by one process, and again when that has died', async () => {
    await personIsCalled();
    const claims = await Promise.all([transfers.claim(10), transfers.claim(10)]);
    expect(claims.flat()).toHaveLength(1);

    await sql`update handoff_transfer set due_at = now()`.execute(database.db);
    expect(await transfers.claim(10)).toMatchObject([{ attempt: 2 }]);
  });

  it('of one channel are bounded, so that a gateway that hangs is not everybody’s', async () => {
    const clinic = await town.opens('clinic');
    for (let person = 0; person < AT_ONE_CHANNEL_MAX + 2; person += 1) {
      conversationId = ConversationId.parse(await town.meets(bakery, 'Ana'));
      await personIsCalled();
    }
    conversationId = ConversationId.parse(await town.meets(clinic, 'Bia'));
    await personIsCalled();

    const first = await transfers.claim(AT_ONE_CHANNEL_MAX + 2);
    const second = await transfers.claim(10);

    expect(first.filter((claim) => claim.conversationId === conversationId)).toHaveLength(1);
    expect([first.length, second.length]).toEqual([AT_ONE_CHANNEL_MAX + 1, 0]);
  });

  it('are not ended by somebody whose claim has run out', async () => {
    await personIsCalled();
    const late = await onlyClaim();
    await sql`update handoff_transfer set due_at = now()`.execute(database.db);
    const present = await onlyClaim();

    expect(await end(late, { state: 'failed', reason: 'not-moved' })).toBe(false);
    expect(await end(present, { state: 'verified', reason: undefined, ticketId: '4711' })).toBe(true);
    expect(await row()).toMatchObject({ state: 'verified', ticket_id: '4711', reason: null });
  });

  it('are tried again when their time has come, and remember every try', async () => {
    await personIsCalled();
    const to = { queueId: 5, userId: undefined };
    await end(await onlyClaim(), { state: 'pending', reason: 'not-moved', to, retryInMs: 60_000 });

    expect(await transfers.claim(10)).toEqual([]);
    expect(await row()).toMatchObject({
      state: 'pending',
      queue_id: 5,
      history: [{ attempt: 1, reason: 'not-moved' }],
    });
  });

  it('that were given up begin anew for a person who still waits, and only then', async () => {
    const { db } = database;
    await personIsCalled();
    const claim = await onlyClaim();
    await end(claim, { state: 'failed', reason: 'unknown-queue' });
    const revive = () => db.transaction().execute((tx) => reviveTransfer(tx, claim.handoffId));

    expect([await revive(), await revive()]).toEqual([true, false]);
    await end(await onlyClaim(), { state: 'failed', reason: 'unknown-queue' });
    await change('bot');
    expect(await revive()).toBe(false);
  });
});

describe('a ticket that a gateway shows', () => {
  const log = createLogger({ level: 'silent', process: 'test' });
  const rung: string[] = [];
  function needs(): TicketNeeds {
    return {
      db: database.db,
      changeOwner: async (tx, wanted) => {
        await changeOwner(tx, wanted);
      },
      ringTurn: (id) => {
        rung.push(id);
      },
      log,
    };
  }
  const ticket: TicketState = { id: '4711', status: 'pending', said: 'pending', queueId: 3, userId: undefined };
  const accepted: TicketState = { ...ticket, status: 'open', said: 'open', userId: 12 };
  const closed: TicketState = { ...ticket, status: 'closed', said: 'closed' };
  const shows = (seen: TicketState, more: Partial<ShownTicket> = {}) =>
    observeTicket(needs(), { conversationId, seen, isEvent: false, ...more });

  async function conversation() {
    return await database.db
      .selectFrom('conversation')
      .select(['owner', 'epoch', 'owner_since', 'gateway_ticket_id'])
      .where('id', '=', conversationId)
      .executeTakeFirstOrThrow();
  }

  it('as accepted twice at the same instant raises the epoch once', async () => {
    await shows(ticket);
    const meanings = await Promise.all([shows(accepted), shows(accepted), shows(accepted)]);

    expect(meanings.toSorted()).toEqual(['nothing', 'nothing', 'taken']);
    expect(await conversation()).toMatchObject({ owner: 'human', epoch: 1, gateway_ticket_id: '4711' });
  });

  it('as it was before somebody decided otherwise changes nothing', async () => {
    await shows(accepted, { isEvent: true });
    await change('bot');
    const { owner_since: since } = await conversation();

    await shows({ ...accepted, userId: 13 }, { at: new Date(since.getTime() - 1_000) });

    expect(await conversation()).toMatchObject({ owner: 'bot', epoch: 2 });
  });

  it('as closed does not take an answer from a customer whom the bot is answering', async () => {
    await shows(ticket);
    await town.says(bakery, { conversationId, author: 'customer', text: 'Aceitam cheque?' });

    await shows(closed, { isEvent: true });

    expect(await conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
  });

  it('as closed ends the matter, and the bot is told that it may have something to answer', async () => {
    await shows(accepted, { isEvent: true });
    await shows(closed);

    expect(await conversation()).toMatchObject({ owner: 'nobody' });
    expect(rung).toContain(conversationId);
  });

  it('under another number replaces the one that was known', async () => {
    await followTicket(database.db, { conversationId, ticketId: '1' });
    await followTicket(database.db, { conversationId, ticketId: '2' });
    expect(await conversation()).toMatchObject({ gateway_ticket_id: '2' });

    await shows({ ...ticket, id: '3' });
    expect(await conversation()).toMatchObject({ gateway_ticket_id: '3' });
  });

  it('as closed is nothing to a customer who has another one by now', async () => {
    await shows({ ...accepted, id: '5000' }, { isEvent: true });

    expect(await shows(closed, { isEvent: true })).toBe('nothing');
    expect(await conversation()).toMatchObject({ owner: 'human', gateway_ticket_id: '5000' });
  });

  it('as a program’s says nothing, and as a person’s after that it does', async () => {
    const { db } = database;
    await sql`update channel set handoff_not_people = '{99}' where id = ${bakery.channelId}`.execute(db);
    const atFirst = await shows({ ...accepted, userId: 99 }, { isEvent: true });
    const then = await shows(accepted);
    await sql`update channel set handoff_not_people = '{}' where id = ${bakery.channelId}`.execute(db);

    expect([atFirst, then]).toEqual(['nothing', 'taken']);
  });

  /** A person had it, gave it back, and the ticket is on its way. */
  async function isBeingReturned(to: 'bot' | 'nobody' = 'bot'): Promise<void> {
    const { db } = database;
    await sql`delete from ticket_return`.execute(db);
    await sql`update channel set bot_queue_id = 3 where id = ${bakery.channelId}`.execute(db);
    await shows(accepted, { isEvent: true });
    await db.transaction().execute(async (tx) => {
      await changeOwner(tx, { conversationId, to, reason: 'returned' });
      await noteTicketReturn(tx, conversationId);
    });
    expect(await new TicketReturnStore(db).claim(10)).toMatchObject([{ conversationId, attempt: 1 }]);
  }

  it('as we are just making it is no person’s doing, whoever owns the conversation by then', async () => {
    await isBeingReturned();
    await change('human');
    expect(await shows(ticket, { isEvent: true })).toBe('nothing');

    await change('bot');
    await isBeingReturned('nobody');
    await change('bot');
    expect(await shows(closed, { isEvent: true })).toBe('nothing');
    expect(await conversation()).toMatchObject({ owner: 'bot' });
  });

  it('as still a person’s while it is on its way back does not take the conversation again; an event does', async () => {
    await isBeingReturned();

    expect(await shows({ ...accepted, userId: 13 })).toBe('nothing');
    expect(await shows({ ...accepted, userId: 14 }, { isEvent: true })).toBe('taken');
  });

  it('of a conversation that is gone says nothing', async () => {
    const gone = ConversationId.parse(randomUUID());

    expect(await shows(accepted, { conversationId: gone })).toBe('nothing');
  });
});
