import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { CounterOf } from '../support/counter.ts';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const ANSWER = 'O pão sai às 7h.';

const settledBy = new CounterOf('plantao_sends_unknown_total', 'settled_by');
const readBacks = new CounterOf('plantao_read_backs_total', 'outcome');

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start();
  town.gemini.answers(ANSWER);
  settledBy.forget();
  readBacks.forget();
});

afterEach(async () => {
  await town.close();
});

async function bakeryOpens(options: TenantOptions): Promise<void> {
  bakery = await town.tenant({ login: true, ...options });
  ana = bakery.customer('Ana', '5511988880001');
}

/** Until the send is unknown, and the wait for its echo is over. */
async function theWaitForAnEchoIsOver(): Promise<void> {
  const unknown = sql<{ id: string }>`select id from outbox where state = 'unknown'`;
  await until(async () => (await unknown.execute(town.database.db)).rows.length === 1);
  await sql`update outbox set due_at = now() - interval '3 seconds' where state = 'unknown'`.execute(town.database.db);
}

describe('a send that nobody confirms, where the ticket can be read', () => {
  for (const [shape, profile, how] of [
    ['W4', 'community', 'in the ticket that the webhook named'],
    ['W1', 'launcherbr', 'in the ticket that is found by the number'],
  ] as const) {
    it(`is found ${how}: neither a second copy nor a person is needed`, async () => {
      await bakeryOpens({ shape, profile, onUnknown: 'resend' });
      town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
      await ana.writes('Quando sai o pão?');
      await theWaitForAnEchoIsOver();
      await ana.isQuiet();
      await ana.writes('E amanhã?');
      await ana.hears(2);
      await ana.isQuiet();

      expect(ana.received()).toEqual([ANSWER, ANSWER]);
      expect(await bakery.deadLetters()).toEqual([]);
      expect(await ana.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
      expect([await settledBy.counts(), await readBacks.counts()]).toEqual([{ 'read-back': 1 }, { found: 1 }]);
      expect(town.gateway.looks).toBe(1);
    });
  }

  it('is looked for once, however many workers find it', async () => {
    await bakeryOpens({ onUnknown: 'resend' });
    await town.startWorker();
    await town.startWorker();
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    town.gateway.lookFaults.set({ mode: 'slow', delayMs: 3_000 });
    await ana.writes('Quando sai o pão?');
    await theWaitForAnEchoIsOver();
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER]);
    expect([town.gateway.looks, await settledBy.counts()]).toEqual([1, { 'read-back': 1 }]);
  });

  it('is said again when it is not there', async () => {
    await bakeryOpens({ onUnknown: 'resend' });
    town.gateway.faults.set({ mode: 'drop-before-accepting', times: 1 });
    await ana.writes('Quando sai o pão?');
    await theWaitForAnEchoIsOver();
    await ana.hears(1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER]);
    expect([await settledBy.counts(), await readBacks.counts()]).toEqual([{ resend: 1 }, { 'not-found': 1 }]);
  });

  it.each([
    ['of which no id is known', false],
    ['whose echo told its id', true],
  ])('is not mistaken for the same words that were said before it, %s', async (_case, echoes) => {
    await bakeryOpens({ onUnknown: 'resend', shape: 'W4', profile: 'community', echoes });
    await ana.writes('Quando sai o pão?');
    await ana.hears(1);
    await ana.isQuiet();
    await until(async () => !echoes || (await confirmedByEcho()) === 1);
    town.gateway.faults.set({ mode: 'drop-before-accepting', times: 1 });
    await ana.writes('E amanhã?');
    await theWaitForAnEchoIsOver();
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER, ANSWER]);
    expect(await settledBy.counts()).toEqual({ resend: 1 });
  });

  it('is not mistaken for what Bruno wrote around the same words', async () => {
    await bakeryOpens({ onUnknown: 'hand-over', shape: 'W4', profile: 'community' });
    town.gateway.faults.set({ mode: 'drop-before-accepting', times: 1 });
    await ana.writes('Quando sai o pão?');
    await until(async () => (await outboxStates()).includes('unknown'));
    await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, é o Bruno. O pão sai às 7h.');
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);

    expect(await readBacks.counts()).toEqual({ 'not-found': 1 });
    expect(await settledBy.counts()).toEqual({ 'hand-over': 1 });
  });

  for (const mode of ['server-error', 'drop-before-accepting', 'garbage', 'session-down'] as const) {
    it(`is left to the policy when looking fails: ${mode}`, async () => {
      await bakeryOpens({ onUnknown: 'hand-over' });
      town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
      town.gateway.lookFaults.set({ mode });
      await ana.writes('Quando sai o pão?');
      await theWaitForAnEchoIsOver();
      await until(async () => (await bakery.deadLetters()).length === 1);
      await ana.isQuiet();

      expect(ana.received()).toEqual([ANSWER]);
      expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'send-unconfirmed' });
      expect(await settledBy.counts()).toEqual({ 'hand-over': 1 });
      expect(town.gateway.looks).toBe(1);
    });
  }

  it('is left to the policy when looking takes too long, within the time that a look has', async () => {
    await bakeryOpens({ onUnknown: 'hand-over' });
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    town.gateway.lookFaults.set({ mode: 'slow', delayMs: 60_000 });
    await ana.writes('Quando sai o pão?');
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);

    expect([await settledBy.counts(), await readBacks.counts()]).toEqual([{ 'hand-over': 1 }, { failed: 1 }]);
  });

  it('is not looked for when a person has taken over: the unread badge is Bruno’s', async () => {
    await bakeryOpens({ onUnknown: 'resend' });
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await ana.writes('Quando sai o pão?');
    await until(async () => (await outboxStates()).includes('unknown'));
    await bakery.api('POST', `/conversations/${(await ana.conversation()).id}/takeover`, { body: {} });
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);

    expect(ana.received()).toEqual([ANSWER]);
    expect(town.gateway.looks).toBe(0);
    expect(await settledBy.counts()).toEqual({ 'hand-over': 1 });
  });
});

async function confirmedByEcho(): Promise<number> {
  const rows = await town.database.db.selectFrom('outbox').select('id').where('echo_id', 'is not', null).execute();
  return rows.length;
}

async function outboxStates(): Promise<readonly string[]> {
  const rows = await town.database.db.selectFrom('outbox').select('state').orderBy('seq').execute();
  return rows.map((row) => row.state);
}
