import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { until } from '../../test/support/until.ts';
import { changeOwner } from './ownership-store.ts';
import type { OwnerChange } from './ownership-store.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let conversationId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  bakery = await town.opens('bakery');
});

afterAll(async () => {
  await database.close();
});

beforeEach(async () => {
  conversationId = await town.meets(bakery, 'Ana');
});

const change = (wanted: Partial<OwnerChange> & Pick<OwnerChange, 'to'>) =>
  database.db.transaction().execute((tx) => changeOwner(tx, { conversationId, reason: 'taken-over', ...wanted }));
const anaSays = (text: string) => town.says(bakery, { conversationId, author: 'customer', text });
const brunoSays = (text: string) => town.says(bakery, { conversationId, author: 'human', text });

async function settled(messageId: string) {
  return await database.db
    .selectFrom('message')
    .select(['settled_kind', 'settled_reason', 'settled_by_message_id'])
    .where('id', '=', messageId)
    .executeTakeFirstOrThrow();
}

const handoffs = () =>
  database.db
    .selectFrom('handoff')
    .select(['state', 'reason'])
    .where('conversation_id', '=', conversationId)
    .orderBy('requested_at')
    .execute();

async function conversation() {
  return await database.db
    .selectFrom('conversation')
    .selectAll()
    .where('id', '=', conversationId)
    .executeTakeFirstOrThrow();
}

async function outboxState(id: string): Promise<string> {
  return (await database.db.selectFrom('outbox').select('state').where('id', '=', id).executeTakeFirstOrThrow()).state;
}

describe('a takeover', () => {
  it('raises the epoch, names its reason and records that a person is there', async () => {
    const changed = await change({ to: 'human' });

    expect(changed).toMatchObject({ owner: 'human', epoch: 1, moved: true });
    expect(await conversation()).toMatchObject({ owner: 'human', owner_reason: 'taken-over', epoch: 1 });
    expect(await handoffs()).toEqual([{ state: 'taken', reason: 'taken-over' }]);
  });

  it('answers the call of the bot, and the handoff keeps the reason of the call', async () => {
    await change({ to: 'human', handoff: 'waiting', reason: 'customer-asked' });
    const changed = await change({ to: 'human' });

    expect(changed.epoch).toBe(2);
    expect(await handoffs()).toEqual([{ state: 'taken', reason: 'customer-asked' }]);
  });

  it('done twice is one', async () => {
    await change({ to: 'human' });
    const again = await change({ to: 'human' });

    expect(again).toMatchObject({ epoch: 1, moved: false });
    expect(await handoffs()).toHaveLength(1);
  });

  it('settles what the customer wrote and nobody has answered', async () => {
    const question = await anaSays('Is the bread warm?');

    await change({ to: 'human' });

    expect(await settled(question)).toMatchObject({ settled_kind: 'human' });
  });

  it('takes back a reply that has not left, and its question ends with the person instead', async () => {
    const question = await anaSays('Is the bread warm?');
    const { outboxId } = await town.replies(bakery, { conversationId, state: 'pending', settles: question });

    await change({ to: 'human' });

    expect(await outboxState(outboxId)).toBe('dropped');
    expect(await settled(question)).toEqual({
      settled_kind: 'human',
      settled_reason: null,
      settled_by_message_id: null,
    });
  });

  it('leaves a reply a reply when its first part has left', async () => {
    const question = await anaSays('Is the bread warm?');
    const turnId = randomUUID();
    const first = await town.replies(bakery, { conversationId, state: 'sent', turnId, settles: question });
    const second = await town.replies(bakery, { conversationId, state: 'pending', turnId, part: 1 });

    await change({ to: 'human' });

    expect([await outboxState(first.outboxId), await outboxState(second.outboxId)]).toEqual(['sent', 'dropped']);
    expect(await settled(question)).toMatchObject({ settled_kind: 'reply', settled_by_message_id: first.messageId });
  });

  it('does not touch what is being sent', async () => {
    const { outboxId } = await town.replies(bakery, { conversationId, state: 'sending' });

    await change({ to: 'human' });

    expect(await outboxState(outboxId)).toBe('sending');
  });

  it('that lapses is put off by what is seen later, and never brought forward', async () => {
    const [sooner, later] = [new Date('2100-01-01T00:00:00Z'), new Date('2100-01-02T00:00:00Z')];
    await change({ to: 'human', lapsesAt: sooner });
    await change({ to: 'human', lapsesAt: later });
    await change({ to: 'human', lapsesAt: sooner });

    expect((await conversation()).owner_lapses_at).toEqual(later);
  });

  it('seen from an echo lapses, and one that was made expressly does not', async () => {
    const lapsesAt = new Date('2100-01-01T00:00:00Z');

    await change({ to: 'human', lapsesAt });
    const seen = await conversation();
    await change({ to: 'human' });
    const made = await conversation();
    await change({ to: 'human', lapsesAt });
    const seenAgain = await conversation();

    expect(seen.owner_lapses_at).toEqual(lapsesAt);
    expect([made.owner_lapses_at, seenAgain.owner_lapses_at]).toEqual([null, null]);
  });

  it('does not stop intake: messages arrive while it is not yet committed', async () => {
    await database.db.transaction().execute(async (tx) => {
      await changeOwner(tx, { conversationId, to: 'human', reason: 'taken-over' });

      await anaSays('Hello?');
    });

    expect((await conversation()).owner).toBe('human');
  });
});

describe('an expected epoch', () => {
  it('that has moved changes nothing', async () => {
    await change({ to: 'human', expectedEpoch: 0 });

    await expect(change({ to: 'bot', expectedEpoch: 0 })).rejects.toMatchObject({ code: 'EPOCH_MOVED' });
    expect(await conversation()).toMatchObject({ owner: 'human', epoch: 1 });
  });

  it('lets exactly one of two people through who press at the same moment', async () => {
    const outcomes = await Promise.allSettled([
      change({ to: 'human', expectedEpoch: 0 }),
      change({ to: 'nobody', expectedEpoch: 0 }),
    ]);

    expect(outcomes.map((it) => it.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await conversation()).epoch).toBe(1);
  });
});

describe('a return to the bot', () => {
  it('ends the handoff and leaves settled what was settled', async () => {
    const question = await anaSays('Is the bread warm?');
    await change({ to: 'human' });

    const changed = await change({ to: 'bot', reason: 'returned' });

    expect(changed).toMatchObject({ owner: 'bot', epoch: 2 });
    expect(await handoffs()).toEqual([{ state: 'returned', reason: 'taken-over' }]);
    expect(await settled(question)).toMatchObject({ settled_kind: 'human' });
  });

  it('settles what the person has answered, and leaves to the bot what came after', async () => {
    await change({ to: 'human' });
    const answered = await anaSays('And the cake?');
    await brunoSays('Tomorrow.');
    const open = await anaSays('At what time?');

    await change({ to: 'bot', reason: 'returned' });

    expect(await settled(answered)).toMatchObject({ settled_kind: 'human' });
    expect(await settled(open)).toMatchObject({ settled_kind: null });
  });

  it('of what the bot has already takes no reply back', async () => {
    const { outboxId } = await town.replies(bakery, { conversationId, state: 'pending' });

    const changed = await change({ to: 'bot', reason: 'returned' });

    expect(changed).toMatchObject({ epoch: 0, moved: false });
    expect(await outboxState(outboxId)).toBe('pending');
  });
});

describe('a wish that nobody reads any more, because a person has it', () => {
  it('is kept, the newest by its place: VOLTAR after SAIR speaks again', async () => {
    await anaSays('SAIR');
    await change({ to: 'human' });
    await change({ to: 'bot', reason: 'returned' });
    await anaSays('VOLTAR');
    await change({ to: 'human' });

    expect(await wishes()).toEqual(['opt-out', 'opt-in']);
  });

  it('is none when it is taken back in the same breath', async () => {
    await anaSays('SAIR');
    await anaSays('VOLTAR');
    await change({ to: 'human' });

    expect(await wishes()).toEqual([]);
  });

  it('is found in what the person has answered, when the bot gets it back', async () => {
    await change({ to: 'human' });
    await anaSays('SAIR');
    await brunoSays('Tudo bem.');
    await change({ to: 'bot', reason: 'returned' });

    expect(await wishes()).toEqual(['opt-out']);
  });

  it('silences the other channels of the contact too: what waits there is of an older epoch', async () => {
    const elsewhere = await secondChannel();
    await anaSays('SAIR');
    await change({ to: 'human' });

    expect(await epochOf(elsewhere)).toBe(1);
  });

  it('on two channels at once is heard on both, and neither waits for the other', async () => {
    const first = conversationId;
    const second = await secondChannel();
    await anaSays('SAIR');
    await town.says(bakery, { conversationId: second, author: 'customer', text: 'SAIR' });
    const [low = '', high = ''] = [first, second].toSorted();
    const taken = await database.db.transaction().execute(async (tx) => {
      await sql`select from conversation where id = ${low} for no key update`.execute(tx);
      const other = database.db
        .transaction()
        .execute((otherTx) => changeOwner(otherTx, { conversationId: high, to: 'human', reason: 'taken-over' }));
      await until(someoneWaits);
      await changeOwner(tx, { conversationId: low, to: 'human', reason: 'taken-over' });
      return { other };
    });
    await taken.other;

    expect(await wishes()).toEqual(['opt-out']);
  });
});

const someoneWaits = async (): Promise<boolean> => {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
  return rows.length > 0;
};

async function wishes(): Promise<readonly string[]> {
  const { contact_id: contactId } = await conversation();
  const rows = await database.db
    .selectFrom('consent_event')
    .select('kind')
    .where('contact_id', '=', contactId)
    .orderBy('seq')
    .execute();
  return rows.map(({ kind }) => kind);
}

/** Ana writes to the bakery's second number as well. */
async function secondChannel(): Promise<string> {
  const { tenant_id, channel_id, contact_id } = await conversation();
  const channel = await database.db
    .selectFrom('channel')
    .selectAll()
    .where('id', '=', channel_id)
    .executeTakeFirstOrThrow();
  const [second, id] = [randomUUID(), randomUUID()];
  const { handoff_queues, ...same } = channel;
  await database.db
    .insertInto('channel')
    .values({ ...same, id: second, handoff_queues: JSON.stringify(handoff_queues) })
    .execute();
  await database.db.insertInto('conversation').values({ id, tenant_id, channel_id: second, contact_id }).execute();
  return id;
}

async function epochOf(id: string): Promise<number> {
  return (await database.db.selectFrom('conversation').select('epoch').where('id', '=', id).executeTakeFirstOrThrow())
    .epoch;
}

describe('a closing', () => {
  it('ends the handoff; who owns it next begins a new episode', async () => {
    await change({ to: 'human' });
    const changed = await change({ to: 'nobody', reason: 'closed' });
    const closed = await conversation();
    await change({ to: 'bot', reason: 'customer-wrote' });
    const reopened = await conversation();

    expect(changed).toMatchObject({ owner: 'nobody', epoch: 2 });
    expect(await handoffs()).toEqual([{ state: 'closed', reason: 'taken-over' }]);
    expect(reopened.episode_started_at.getTime()).toBeGreaterThan(closed.episode_started_at.getTime());
  });

  it('takes back a reply that has not left, and the question says so', async () => {
    const question = await anaSays('Is the bread warm?');
    await town.replies(bakery, { conversationId, state: 'pending', settles: question });

    await change({ to: 'nobody', reason: 'closed' });

    expect(await settled(question)).toMatchObject({ settled_kind: 'recorded', settled_reason: 'owner-changed' });
  });
});

it('a conversation that is not there has no owner to change', async () => {
  conversationId = randomUUID();

  await expect(change({ to: 'human' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
