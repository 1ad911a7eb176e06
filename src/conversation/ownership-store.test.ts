import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
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
