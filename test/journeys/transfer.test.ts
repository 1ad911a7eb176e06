import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import type { Connection } from '../../sandbox/whaticket/connection.ts';
import type { Ticket } from '../../sandbox/whaticket/tickets.ts';
import { TRANSFER_ATTEMPTS_MAX } from '../../src/handoff/transfer.ts';
import { registry } from '../../src/platform/metrics.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** The queues of the stand-in: the bot's own, where every ticket begins, and one of people. */
const BOT_QUEUE = 3;
const PEOPLE = 5;
const FINANCE = 6;
const BRUNO = 12;

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let whaticket: Connection;
let lookAtTickets: () => Promise<number>;
let customers = 0;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  ({ lookAtTickets } = await town.startWorker());
});

afterAll(async () => {
  await town.close();
});

afterEach(() => {
  town.gateway.lies.stop();
  town.gateway.noteFaults.set({ mode: 'none' });
});

async function opens(options: TenantOptions): Promise<void> {
  bakery = await town.tenant({ login: true, handoff: { queueId: PEOPLE, botQueueId: BOT_QUEUE }, ...options });
  whaticket = bakery.connection;
  customers += 1;
  ana = bakery.customer('Ana', `55119888${String(80_000 + customers)}`);
}

const ticket = (): Ticket => whaticket.ticket(ana.phone);

async function anaAsksForAPerson(): Promise<void> {
  await ana.writes('Quero falar com um atendente');
  await ana.hears(1);
}

const transfer = async () => (await ana.conversation()).transfer;

async function transferIs(state: string): Promise<void> {
  await until(async () => (await transfer())?.state === state);
}

/** The next try is due now. */
async function hurry(): Promise<void> {
  for (const table of ['handoff_transfer', 'ticket_return']) {
    await sql`update ${sql.table(table)} set due_at = clock_timestamp()
               where state = 'pending' and tenant_id = ${bakery.id}`.execute(town.database.db);
  }
}

/** As if all tries but one had been made, and the last one were due. */
async function onlyOneTryIsLeft(): Promise<void> {
  await until(async () => (await transfer())?.reason === 'GATEWAY_OUTCOME_UNKNOWN');
  await sql`update handoff_transfer set attempts = ${TRANSFER_ATTEMPTS_MAX - 1} where tenant_id = ${bakery.id}`.execute(
    town.database.db,
  );
  await hurry();
}

/** As if a minute had gone by since anybody looked. */
async function lookAgain(): Promise<void> {
  await sql`update ticket_state set looked_at = null where tenant_id = ${bakery.id}`.execute(town.database.db);
  await lookAtTickets();
}

async function ownerIs(owner: string): Promise<void> {
  await until(async () => (await ana.conversation()).owner === owner);
}

const letters = () => bakery.deadLetters();

const ticketReturn = async () => (await ana.conversation()).ticketReturn;

async function returnIs(state: string, reason: string | null = null): Promise<void> {
  await until(async () => {
    const found = await ticketReturn();
    return found?.state === state && found.reason === reason;
  });
}

/** Somebody presses a button in our own panel. */
async function press(button: 'takeover' | 'return' | 'close'): Promise<void> {
  await bakery.api('POST', `/conversations/${(await ana.conversation()).id}/${button}`, { body: {} });
}

/** A person was called, has accepted the ticket in Whaticket, and we have seen it. */
async function brunoIsThere(): Promise<void> {
  await opens({ articles: BAKERY_ARTICLES, shape: 'W1' });
  await anaAsksForAPerson();
  await transferIs('verified');
  await whaticket.agentAccepts(ana.phone, BRUNO);
  await lookAgain();
  await until(async () => (await ana.conversation()).handoff === 'taken');
}

describe('a customer who asks for a person', () => {
  it('is put where the people are: first the note, then the queue, and the bot stays silent', async () => {
    await opens({});
    await anaAsksForAPerson();
    await transferIs('verified');

    expect(ticket()).toMatchObject({ queueId: PEOPLE, status: 'pending', userId: null });
    expect(ticket().notes).toHaveLength(1);
    expect(ticket().notes[0]?.note).toMatch(/Quero falar com um atendente[^]*\[[0-9a-f]{8}\]$/);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });

    // The fork goes on posting what she writes.
    await ana.writes('Alguém aí? Qual é a taxa de entrega?');
    await ana.isQuiet();
    expect(ana.received()).toHaveLength(1);
    expect(await ana.settled()).toEqual(['human', 'human']);
  });

  it('goes to the one person whom the channel names, who has not come by that', async () => {
    await opens({ handoff: { userId: BRUNO } });
    await anaAsksForAPerson();
    await transferIs('verified');
    await lookAgain();

    expect(ticket()).toMatchObject({ status: 'open', userId: BRUNO });
    expect(await ana.conversation()).toMatchObject({ handoff: 'waiting' });
  });

  it('goes to the queue that the tenant’s rule names by a word, and the channel by a number', async () => {
    await opens({ handoff: { queueId: PEOPLE, queues: { financeiro: FINANCE } } });
    const rule = { name: 'boletos', keywords: ['boleto'], destination: 'financeiro' };
    await bakery.api('PATCH', '/settings', { body: { handoffRules: [rule] } });
    await ana.writes('Preciso da segunda via do boleto');
    await ana.hears(1);
    await transferIs('verified');

    expect(ticket()).toMatchObject({ queueId: FINANCE, status: 'pending' });
  });

  it('of a hosted fork goes there with the token of the connection', async () => {
    await opens({ profile: 'hosted', shape: 'W3', login: false });
    await anaAsksForAPerson();
    await transferIs('verified');

    expect(ticket()).toMatchObject({ queueId: PEOPLE, status: 'pending' });
    expect(ticket().notes).toHaveLength(1);
  });

  it.each([
    ['nobody may move tickets', { login: false }, 'no-login'],
    ['nobody has said where to', { handoff: {} }, 'no-destination'],
  ])('has a person all the same where %s', async (_case, options, reason) => {
    await opens(options);
    await anaAsksForAPerson();
    await transferIs('not-possible');

    expect(await transfer()).toMatchObject({ reason });
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });
    expect(await letters()).toEqual([]);
  });
});

describe('a gateway that lies about the transfer', () => {
  it('and says that something went wrong after doing it is not asked again', async () => {
    await opens({});
    const before = town.gateway.lies.moves;
    town.gateway.lies.tell('error-after-doing');
    await anaAsksForAPerson();
    await transferIs('verified');

    expect(town.gateway.lies.moves - before).toBe(1);
    expect(await transfer()).toMatchObject({ attempts: 1 });
  });

  it('and says that all is well without doing it is asked again, and the note is not written twice', async () => {
    await opens({});
    town.gateway.lies.tell('yes-without-doing', 1);
    await anaAsksForAPerson();
    await until(async () => (await transfer())?.reason === 'not-moved');
    expect(await transfer()).toMatchObject({ state: 'pending', attempts: 1 });
    expect(ticket()).toMatchObject({ queueId: BOT_QUEUE });

    await hurry();
    await transferIs('verified');

    expect(ticket()).toMatchObject({ queueId: PEOPLE, status: 'pending' });
    expect(ticket().notes).toHaveLength(1);
    expect(await transfer()).toMatchObject({ attempts: 2, reason: null });
  });

  it('to the end leaves a dead letter, and the customer with a person; replayed, the ticket moves', async () => {
    await opens({});
    town.gateway.lies.tell('error-without-doing');
    await anaAsksForAPerson();
    await onlyOneTryIsLeft();
    await transferIs('failed');

    expect(await transfer()).toMatchObject({ reason: 'GATEWAY_OUTCOME_UNKNOWN', attempts: TRANSFER_ATTEMPTS_MAX });
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });
    const [letter] = await letters();
    expect(letter).toMatchObject({ stage: 'handoff', reason: 'GATEWAY_OUTCOME_UNKNOWN', state: 'open' });

    town.gateway.lies.stop();
    await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`);
    await transferIs('verified');
    expect(ticket()).toMatchObject({ queueId: PEOPLE });
    expect(ticket().notes).toHaveLength(1);
  });
});

describe('a ticket that cannot go there', () => {
  it.each([
    ['the queue is not there', { queueId: 99 }, 'unknown-queue'],
    ['the user was deleted', { queueId: PEOPLE, userId: 77 }, 'unknown-user'],
  ])('because %s fails at once, and goes when that is corrected', async (_case, handoff, reason) => {
    await opens({ handoff });
    await anaAsksForAPerson();
    await transferIs('failed');
    expect(await transfer()).toMatchObject({ reason, attempts: 1 });
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });

    await bakery.api('PATCH', `/channels/${bakery.channelId}`, { body: { handoff: { queueId: PEOPLE } } });
    const [letter] = await letters();
    await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`);
    await transferIs('verified');
    expect(ticket()).toMatchObject({ queueId: PEOPLE });
  });

  it('because it is another company’s fails at once', async () => {
    await opens({ shape: 'W3' });
    ticket().isForeign = true;
    await anaAsksForAPerson();
    await transferIs('failed');

    expect(await transfer()).toMatchObject({ reason: 'of-another-company', attempts: 1 });
    expect(await letters()).toMatchObject([{ stage: 'handoff', reason: 'of-another-company' }]);
  });

  it('while the user’s token has run out goes after a new login', async () => {
    await opens({});
    const bia = bakery.customer('Bia', '5511988870001');
    await bia.writes('Quero falar com um atendente');
    await until(() => whaticket.ticket(bia.phone).queueId === PEOPLE);
    const before = town.gateway.logins;
    town.gateway.expireLogins();

    await anaAsksForAPerson();
    await transferIs('verified');

    expect(town.gateway.logins).toBe(before + 1);
  });
});

describe('what people do with a ticket in Whaticket', () => {
  beforeEach(async () => {
    await opens({ articles: BAKERY_ARTICLES, shape: 'W3' });
  });

  async function transferred(): Promise<void> {
    await anaAsksForAPerson();
    await transferIs('verified');
  }

  it('counts at once: who accepts it has the conversation, and the bot’s draft is dropped', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_000 }]);
    const asked = town.gemini.requests.length;
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length > asked);

    await whaticket.agentAccepts(ana.phone, BRUNO);
    await ownerIs('human');
    await ana.isQuiet();

    expect(ana.received()).toEqual([]);
    expect(await ana.conversation()).toMatchObject({ handoff: 'taken', ownerReason: 'ticket-assigned' });
  });

  it('lasts as long as people are active, and without an end when a person was called', async () => {
    await ana.writes('Aceitam cheque?');
    await ana.hears(1);
    await whaticket.agentAccepts(ana.phone, BRUNO);
    await ownerIs('human');
    const uncalled = await lapsesAt();
    await bakery.api('POST', `/conversations/${(await ana.conversation()).id}/return`, { body: {} });
    await ana.writes('Quero falar com um atendente');
    await ana.hears(2);
    await transferIs('verified');

    await whaticket.agentAccepts(ana.phone, BRUNO);
    await until(async () => (await ana.conversation()).handoff === 'taken');
    const called = await lapsesAt();
    expect([uncalled, called]).toEqual([expect.any(Date), null]);
  });

  it('does not make a takeover endless that lapses', async () => {
    await bakery.api('PATCH', '/settings', { body: { humanIdleMinutes: 0 } });
    const { id } = await anaIsTakenOver();
    const { db } = town.database;
    const at = new Date(Date.now() + 600_000);
    await sql`update conversation set owner_lapses_at = ${at} where id = ${id}`.execute(db);

    await whaticket.agentAccepts(ana.phone, BRUNO);
    await until(async () => (await seenStatus()) === 'open');

    expect(await lapsesAt()).toEqual(at);
  });

  it('counts also when only a message shows it', async () => {
    await ana.writes('Aceitam cheque?');
    await ana.hears(1);
    Object.assign(ticket(), { status: 'open', userId: BRUNO });

    await ana.writes('Qual é a taxa de entrega?');
    await ownerIs('human');
    await ana.isSettled();

    expect(await ana.conversation()).toMatchObject({ handoff: 'taken', ownerReason: 'ticket-assigned' });
    expect(ana.received().filter((text) => text.includes('taxa'))).toEqual([]);
  });

  it('does not take the conversation again from a bot to whom a person gave it back', async () => {
    await transferred();
    await whaticket.agentAccepts(ana.phone, BRUNO);
    await until(async () => (await ana.conversation()).handoff === 'taken');
    await bakery.api('POST', `/conversations/${(await ana.conversation()).id}/return`, { body: {} });
    // The fork tells of the ticket again, because of something else.
    await whaticket.ticketBecomes(ana.phone, 'open');

    await ana.writes('Aceitam cheque?');
    const [, answer] = await ana.hears(2);

    expect(answer).toContain('Não aceitamos cheque');
    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
  });

  it('and closes: nobody owns it, and when the customer returns the bot answers, without a second handoff', async () => {
    await transferred();
    await whaticket.agentAccepts(ana.phone, BRUNO);
    await whaticket.agentCloses(ana.phone);
    await ownerIs('nobody');

    await ana.writes('Aceitam cheque?');
    const [, answer] = await ana.hears(2);
    await ana.isQuiet();

    expect(answer).toContain('Não aceitamos cheque');
    expect(ana.received()).toHaveLength(2);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot', handoff: null });
  });

  it('and moves back to the bot’s queue: the bot answers what nobody has', async () => {
    await transferred();
    await whaticket.agentAccepts(ana.phone, BRUNO);
    await until(async () => (await ana.conversation()).handoff === 'taken');

    await whaticket.agentMoves(ana.phone, BOT_QUEUE);
    await ownerIs('bot');
    await ana.writes('Aceitam cheque?');
    const [, answer] = await ana.hears(2);

    expect(answer).toContain('Não aceitamos cheque');
    expect(await ana.conversation()).toMatchObject({ ownerReason: 'ticket-returned', handoff: null });
  });

  it('and that nobody has heard of is recorded, and changes nothing', async () => {
    await transferred();
    const before = await ana.conversation();

    await whaticket.ticketBecomes(ana.phone, 'paused');
    await until(async () => (await seenStatus()) === 'unknown');

    expect(await ana.conversation()).toMatchObject({ owner: before.owner, epoch: before.epoch });
  });
});

/** Nobody was called: a person took over in the panel. */
async function anaIsTakenOver(): Promise<{ readonly id: string }> {
  await ana.writes('Aceitam cheque?');
  await ana.hears(1);
  const { id } = await ana.conversation();
  await bakery.api('POST', `/conversations/${id}/takeover`, { body: {} });
  return { id };
}

async function lapsesAt(): Promise<Date | null> {
  const { id } = await ana.conversation();
  const found = town.database.db.selectFrom('conversation').select('owner_lapses_at').where('id', '=', id);
  return (await found.executeTakeFirstOrThrow()).owner_lapses_at;
}

async function seenStatus(): Promise<string | null | undefined> {
  const { db } = town.database;
  const row = await db
    .selectFrom('ticket_state')
    .select('status')
    .where('tenant_id', '=', bakery.id)
    .executeTakeFirst();
  return row?.status;
}

describe('a fork that tells nothing of tickets', () => {
  beforeEach(async () => {
    await opens({ articles: BAKERY_ARTICLES, shape: 'W1' });
    await anaAsksForAPerson();
    await transferIs('verified');
  });

  it('is looked at: who accepted the ticket is there, and who closes it has ended the matter', async () => {
    await whaticket.agentAccepts(ana.phone, BRUNO);
    await lookAgain();
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'taken' });

    await whaticket.agentCloses(ana.phone);
    await lookAgain();
    expect(await ana.conversation()).toMatchObject({ owner: 'nobody', handoff: null, ownerReason: 'ticket-closed' });

    await ana.writes('Aceitam cheque?');
    const [, answer] = await ana.hears(2);
    expect(answer).toContain('Não aceitamos cheque');
  });

  it('is looked at: a ticket in the bot’s queue is the bot’s again', async () => {
    await whaticket.agentMoves(ana.phone, BOT_QUEUE);
    await lookAgain();

    expect(await ana.conversation()).toMatchObject({ owner: 'bot', ownerReason: 'ticket-returned' });
  });

  it('is asked at most once a minute after the same ticket', async () => {
    await lookAgain();
    const before = town.gateway.ticketReads;
    await lookAtTickets();

    expect(town.gateway.ticketReads).toBe(before);
  });
});

describe('a conversation that is no person’s any more', () => {
  it('takes its ticket along: back to the bot, and closed; the gateway’s word is not enough for that', async () => {
    await brunoIsThere();
    town.gateway.lies.tell('yes-without-doing', 1);
    await press('return');
    await returnIs('pending', 'not-moved');

    // A person has it again before the next try, and keeps the ticket.
    await press('takeover');
    await hurry();
    const { db } = town.database;
    const found = db.selectFrom('ticket_return').select('reason').where('tenant_id', '=', bakery.id);
    await until(async () => (await found.executeTakeFirst())?.reason === 'with-a-person');
    expect(ticket()).toMatchObject({ status: 'open', userId: BRUNO });
    expect(await ticketReturn()).toBeNull();

    town.gateway.lies.tell('error-after-doing', 1);
    await press('return');
    await returnIs('verified');
    expect(ticket()).toMatchObject({ status: 'pending', queueId: BOT_QUEUE, userId: null });
    await ana.writes('Aceitam cheque?');
    await ana.hears(2);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot', ownerReason: 'returned' });

    await press('close');
    await until(async () => ticket().status === 'closed' && (await ticketReturn())?.state === 'verified');
    expect(await ana.conversation()).toMatchObject({ owner: 'nobody', ownerReason: 'closed' });
  });

  it.each([
    ['nobody may move tickets', { login: false }, 'no-login'],
    ['the bot has no queue of its own', { handoff: { queueId: PEOPLE } }, 'no-bot-queue'],
  ])('is the bot’s all the same where %s', async (_case, options, reason) => {
    await opens({ shape: 'W3', articles: BAKERY_ARTICLES, ...options });
    await ana.writes('Aceitam cheque?');
    await ana.hears(1);
    await whaticket.agentMoves(ana.phone, PEOPLE);
    await press('takeover');

    await press('return');
    await returnIs('not-possible', reason);

    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
  });
});

describe('a note that could not be written', () => {
  async function noteFails(): Promise<void> {
    await opens({});
    town.gateway.noteFaults.set({ mode: 'server-error' });
    await anaAsksForAPerson();
    await until(async () => (await transfer())?.reason === 'note-not-written');
    expect(ticket()).toMatchObject({ queueId: PEOPLE, status: 'pending' });
    expect(await transfer()).toMatchObject({ state: 'pending', note: 'writing' });
  }

  it('is tried again when the ticket is there, also for a person who has come', async () => {
    await noteFails();
    const { moves } = town.gateway.lies;
    await press('takeover');
    town.gateway.noteFaults.set({ mode: 'none' });
    await hurry();
    await transferIs('verified');

    expect(await transfer()).toMatchObject({ note: 'written', reason: null, attempts: 2 });
    expect(ticket().notes).toHaveLength(1);
    expect(town.gateway.lies.moves).toBe(moves);
  });

  it('is given up as often as a move, and the transfer stands', async () => {
    await noteFails();
    await sql`update handoff_transfer set attempts = ${TRANSFER_ATTEMPTS_MAX - 1} where tenant_id = ${bakery.id}`.execute(
      town.database.db,
    );
    await hurry();
    await transferIs('verified');

    expect(await transfer()).toMatchObject({ note: 'failed', reason: 'note-not-written' });
    expect(await letters()).toEqual([]);
  });
});

describe('a customer whose ticket was deleted', () => {
  it('is followed to the next one, where the person is called then', async () => {
    await opens({ shape: 'W3', articles: BAKERY_ARTICLES });
    await ana.writes('Aceitam cheque?');
    await ana.hears(1);
    const first = ticket().id;
    whaticket.deleteTicket(ana.phone);

    await ana.writes('Quero falar com um atendente');
    await ana.hears(2);
    await transferIs('verified');

    expect(ticket().id).not.toBe(first);
    expect(ticket()).toMatchObject({ queueId: PEOPLE });
  });
});

describe('the tickets of a gateway', () => {
  it('have a breaker of their own beside that of its sends', async () => {
    const states = await registry.getSingleMetricAsString('plantao_breaker_state');
    const { host } = new URL(town.gateway.url);

    expect(states).toContain(`name="tickets ${host}"`);
    expect(states).toContain(`name="gateway ${host}"`);
  });
});
