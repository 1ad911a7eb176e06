import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Town } from '../../test/support/town.ts';
import type { TownTenant } from '../../test/support/town-people.ts';
import { findViolations } from '../recovery/promise.ts';
import { ConversationId, newId, TurnId } from '../vocabulary/ids.ts';
import { commitTurn } from './commit-turn.ts';
import { ConversationStore, LEASE_MS, RENEW_EVERY_MS } from './conversation-store.ts';
import type { NoTurn, OpenPurpose } from './conversation-store.ts';
import type { Turn } from './conversation.ts';
import { changeOwner } from './ownership-store.ts';

let town: Town;
let bakery: TownTenant;
let store: ConversationStore;
let customers = 0;
let id: ConversationId;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
  store = new ConversationStore(town.database.db);
});

beforeEach(async () => {
  customers += 1;
  const ana = bakery.customer(`Ana ${customers}`, `55119888800${String(10 + customers)}`);
  await ana.writes('Qual é a taxa de entrega?');
  id = ConversationId.parse((await ana.conversation()).id);
});

afterAll(() => town.close());

async function open(purpose: OpenPurpose): Promise<Turn | NoTurn> {
  return await store.openTurn(id, { holder: randomUUID(), coalesceMaxMs: 0, purpose });
}

async function opened(purpose: OpenPurpose): Promise<Turn> {
  const turn = await open(purpose);
  if ('none' in turn) throw new Error(`There is no turn: ${turn.none}`);
  return turn;
}

/** The holder of the lease is gone, and its time is over. */
async function holderDies(): Promise<void> {
  await sql`update conversation set lease_until = clock_timestamp() - interval '1 second' where id = ${id}`.execute(
    town.database.db,
  );
}

/** Dies with the first process among other turns, and then this often alone. */
async function diesAlone(times: number): Promise<void> {
  await opened('answer');
  await holderDies();
  for (let death = 0; death < times; death += 1) {
    await opened('answer-alone');
    await holderDies();
  }
}

describe('a turn whose process died', () => {
  it('is a suspect: no worker takes it among others, it is taken alone', async () => {
    await diesAlone(0);

    expect(await open('answer')).toEqual({ none: 'suspect' });
    expect(await opened('answer-alone')).toMatchObject({ deaths: 1, attempts: 1 });
  });

  it('is nobody’s suspect while its lease lasts', async () => {
    await opened('answer');

    expect(await open('answer')).toEqual({ none: 'busy' });
    expect(await open('answer-alone')).toEqual({ none: 'busy' });
  });

  it('is forgotten only when its lease has ended, and noticed when its holder has fallen silent before that', async () => {
    const leaseLasts = async (ms: number) => {
      await sql`update conversation set lease_until = clock_timestamp() + ${ms} * interval '1 millisecond' where id = ${id}`.execute(
        town.database.db,
      );
      const { ids, isHolderSilent } = await store.findForgotten({ coalesceMaxMs: 0, graceMs: 0, limit: 200 });
      return { isForgotten: ids.includes(id), isHolderSilent };
    };
    await opened('answer');

    expect(await leaseLasts(LEASE_MS - RENEW_EVERY_MS)).toEqual({ isForgotten: false, isHolderSilent: false });
    expect(await leaseLasts(LEASE_MS - 2 * RENEW_EVERY_MS)).toEqual({ isForgotten: false, isHolderSilent: true });
    expect(await leaseLasts(-1)).toEqual({ isForgotten: true, isHolderSilent: false });
  });

  it('makes nobody first who has a living one before them, and leaves a silent one out', async () => {
    const before = '00000000-0000-4000-8000-000000000000';
    const options = { coalesceMaxMs: 0, purpose: 'answer' } as const;
    const isFirst = () => store.isFirstHolder('10000000-0000-4000-8000-000000000000');
    await sql`update conversation set lease_until = null, lease_owner = null`.execute(town.database.db);
    expect(await isFirst()).toBe(true);

    await store.openTurn(id, { ...options, holder: before });
    expect(await isFirst()).toBe(false);
    await sql`update conversation set lease_until = clock_timestamp() + interval '2 seconds' where id = ${id}`.execute(
      town.database.db,
    );
    expect(await isFirst()).toBe(true);
  });

  it('gets a second chance alone after one death alone, which may have been a coincidence', async () => {
    await diesAlone(1);

    expect(await open('answer')).toEqual({ none: 'suspect' });
    expect(await opened('answer-alone')).toMatchObject({
      deaths: 2,
      messages: [expect.objectContaining({ text: 'Qual é a taxa de entrega?' })],
    });
  });

  it('goes among other suspects until it has died there twice, and then alone', async () => {
    await diesAlone(0);
    expect(await opened('answer-among-suspects')).toMatchObject({ deaths: 1 });
    await holderDies();
    expect(await opened('answer-among-suspects')).toMatchObject({ deaths: 2 });
    await holderDies();

    expect(await open('answer-among-suspects')).toEqual({ none: 'suspect' });
    expect(await opened('answer-alone')).toMatchObject({ deaths: 3 });
  });

  it('is open to anybody after that, to give it up, and is not even read', async () => {
    await diesAlone(3);

    expect(await opened('answer')).toMatchObject({
      deaths: 4,
      messages: [expect.objectContaining({ text: undefined })],
    });
  });

  it('stays a suspect when the process in which it is alone is asked to end, or fails without dying', async () => {
    await diesAlone(0);
    await store.releaseTurn(await opened('answer-alone'));
    expect(await open('answer')).toEqual({ none: 'suspect' });

    await store.releaseFailedTurn(await opened('answer-alone'), 0);
    expect(await open('answer')).toEqual({ none: 'suspect' });
    expect(await opened('answer-alone')).toMatchObject({ deaths: 1 });
  });

  it('is acquitted by being answered', async () => {
    await diesAlone(1);
    const turn = await opened('answer-alone');
    await commitTurn(town.database.db, turn, {
      turnId: newId(TurnId),
      decision: { kind: 'reply', bubbles: ['São R$ 8,00.'], isUnsure: false },
      trace: {},
      startedAt: turn.now,
      settles: turn.messages.map((message) => message.id),
      evenIfNewer: true,
    });
    await bakery.customer(`Ana ${customers}`, `55119888800${String(10 + customers)}`).writes('E cheque?');

    expect(await opened('answer')).toMatchObject({ deaths: 0, attempts: 1 });
  });

  it('is forgotten when a person takes over', async () => {
    await diesAlone(2);
    const { db } = town.database;
    await db.transaction().execute((tx) => changeOwner(tx, { conversationId: id, to: 'human', reason: 'taken-over' }));
    await bakery.customer(`Ana ${customers}`, `55119888800${String(10 + customers)}`).writes('E cheque?');

    expect(await opened('answer')).toMatchObject({ deaths: 0 });
  });

  it('may be given up unread by anybody', async () => {
    await diesAlone(0);

    expect(await opened('give-up')).toMatchObject({ messages: [expect.objectContaining({ text: undefined })] });
  });
});

describe('a turn that failed without dying', () => {
  it('counts as a try and not as a death, and suspects nobody', async () => {
    await store.releaseFailedTurn(await opened('answer'), 0);

    expect(await opened('answer')).toMatchObject({ attempts: 2, deaths: 0 });
  });

  it('is not a try more because its process died', async () => {
    await store.releaseFailedTurn(await opened('answer'), 0);
    await opened('answer');
    await holderDies();

    expect(await opened('answer-alone')).toMatchObject({ attempts: 2, deaths: 1 });
  });

  it('whose lease a living process gave back late is none either', async () => {
    const holder = randomUUID();
    const turn = await store.openTurn(id, { holder, coalesceMaxMs: 0, purpose: 'answer' });
    if ('none' in turn) throw new Error(turn.none);
    await holderDies();
    await store.giveBackLeases(holder, [turn]);

    expect(await opened('answer')).toMatchObject({ attempts: 2, deaths: 0 });
  });

  it('that was given back late has been in hand until then, and waits for nobody else yet', async () => {
    const holder = randomUUID();
    const turn = await store.openTurn(id, { holder, coalesceMaxMs: 0, purpose: 'answer' });
    if ('none' in turn) throw new Error('There is no turn');
    const { db } = town.database;
    await sql`update message set answer_after = now() - interval '1 minute' where conversation_id = ${id}`.execute(db);
    await sql`update conversation set owner_since = now() - interval '1 hour' where id = ${id}`.execute(db);
    await sql`update conversation set lease_until = now() - interval '40 seconds' where id = ${id}`.execute(db);
    const violated = async () =>
      (await findViolations(db, { coalesceMaxMs: 0, answeredWithinMs: 60_000 })).map((it) => it.conversationId);

    expect(await violated()).toContain(id);
    await store.giveBackLeases(holder, [turn]);

    expect(await violated()).not.toContain(id);
  });
});
