import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { CounterOf } from '../support/counter.ts';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** Long enough for two bubbles. */
const PARTS = ['O pão sai às 7h.', 'E o bolo sai às 9h.'].map((part) =>
  `${part} ${'Feito na hora. '.repeat(30)}`.trim(),
);
const [FIRST = ''] = PARTS;

const settledBy = new CounterOf('plantao_sends_unknown_total', 'settled_by');
const confirmedLate = new CounterOf('plantao_sends_confirmed_late_total', '');

let town: Town;

beforeEach(async () => {
  town = await Town.start();
  town.gemini.answers(PARTS.join('\n\n'));
  settledBy.forget();
  confirmedLate.forget();
});

afterEach(async () => {
  await town.close();
});

/** Ana, whose gateway takes the first part of the answer and drops the line instead of saying so. */
async function anaAsks(options: TenantOptions): Promise<{ ana: Customer; bakery: TownTenant }> {
  const bakery = await town.tenant(options);
  const ana = bakery.customer('Ana', '5511988880001');
  town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
  await ana.writes('Quando sai o pão?');
  return { ana, bakery };
}

/** Moves the clock of an unconfirmed send past the time in which an echo is waited for. */
async function theWaitForAnEchoIsOver(): Promise<void> {
  await until(async () => (await states()).includes('unknown'));
  await sql`update outbox set due_at = now() - interval '3 seconds' where state = 'unknown'`.execute(town.database.db);
}

async function states(): Promise<readonly string[]> {
  const rows = await town.database.db.selectFrom('outbox').select('state').orderBy('seq').execute();
  return rows.map((row) => row.state);
}

async function attempts(): Promise<number> {
  const { attempts: made } = await town.database.db
    .selectFrom('outbox')
    .select('attempts')
    .orderBy('seq')
    .limit(1)
    .executeTakeFirstOrThrow();
  return made;
}

/** What a gateway reports as said by our side, although it gave no answer when it was. */
async function theEchoComes(ana: Customer, text: string): Promise<void> {
  await ana.tenant.connection.agentWritesFromPhone(ana.phone, text);
}

async function everyEchoIsSettled(count: number): Promise<void> {
  await until(async () => {
    const echoes = await town.database.db.selectFrom('echo').select('settled_as').execute();
    return echoes.length === count && echoes.every((echo) => echo.settled_as !== null);
  });
}

describe('a gateway that takes a message and drops the line', () => {
  for (const onUnknown of ['hand-over', 'resend'] as const) {
    it(`is believed by its echo, and the rest follows (${onUnknown})`, async () => {
      const { ana, bakery } = await anaAsks({ onUnknown });
      await until(async () => (await states()).includes('unknown'));
      await theEchoComes(ana, FIRST);
      await ana.hears(2);
      await ana.isQuiet();

      expect(ana.received()).toEqual(PARTS);
      expect(await states()).toEqual(['sent', 'sent']);
      expect(await bakery.deadLetters()).toEqual([]);
      expect(await settledBy.counts()).toEqual({ echo: 1 });
    });
  }

  it('keeps the next part back until it is clear what became of the first', async () => {
    await anaAsks({ onUnknown: 'hand-over' });
    await until(async () => (await states()).includes('unknown'));

    expect(await states()).toEqual(['unknown', 'pending']);
  });

  it('and gives no echo: nothing is said twice, and a person is told', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'hand-over' });
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([FIRST]);
    expect(await states()).toEqual(['failed', 'dropped']);
    expect(await bakery.deadLetters()).toMatchObject([{ stage: 'delivery', reason: 'GATEWAY_OUTCOME_UNKNOWN' }]);
    expect(await ana.conversation()).toMatchObject({
      owner: 'human',
      ownerReason: 'send-unconfirmed',
      handoff: 'waiting',
    });
    expect(await settledBy.counts()).toEqual({ 'hand-over': 1 });
  });

  it('and gives no echo: a channel that prefers a second copy to silence says it once more, and goes on', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'resend' });
    await theWaitForAnEchoIsOver();
    await ana.hears(3);
    await ana.isQuiet();

    expect(ana.received()).toEqual([FIRST, FIRST, PARTS[1]]);
    expect(await states()).toEqual(['sent', 'sent']);
    expect(await bakery.deadLetters()).toEqual([]);
    expect(await ana.settled()).toEqual(['reply']);
    expect(await settledBy.counts()).toEqual({ resend: 1 });
  });

  it('and drops the second copy, too: nobody tries a third time', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'resend' });
    await until(async () => (await states()).includes('unknown'));
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await theWaitForAnEchoIsOver();
    await ana.hears(2);
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([FIRST, FIRST]);
    expect(await states()).toEqual(['failed', 'dropped']);
    expect(await settledBy.counts()).toEqual({ resend: 1, 'hand-over': 1 });
  });

  it('after it had refused for a while: what never left does not use up the second copy', async () => {
    const bakery = await town.tenant({ onUnknown: 'resend' });
    const ana = bakery.customer('Ana', '5511988880001');
    town.gateway.faults.set({ mode: 'session-down' });
    await ana.writes('Quando sai o pão?');
    await until(async () => (await states()).length === 2 && (await attempts()) >= 2);
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await theWaitForAnEchoIsOver();
    await ana.hears(3);
    await ana.isQuiet();

    expect(ana.received()).toEqual([FIRST, FIRST, PARTS[1]]);
    expect(await bakery.deadLetters()).toEqual([]);
  });
});

describe('a gateway that answers when its sender has been taken for gone already', () => {
  it('is believed, and nobody else needs to decide', async () => {
    const bakery = await town.tenant({ onUnknown: 'resend' });
    const ana = bakery.customer('Ana', '5511988880001');
    town.gateway.faults.set({ mode: 'slow', delayMs: 5_000, times: 1 });
    await ana.writes('Quando sai o pão?');
    await until(() => town.gateway.faults.mode === 'none');
    await sql`update outbox set due_at = now() where state = 'sending'`.execute(town.database.db);
    await town.startWorker();
    await until(async () => (await states()).includes('unknown'));
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()).toEqual(PARTS);
    expect(await settledBy.counts()).toEqual({ answer: 1 });
  });
});

describe('a line that drops before the gateway has looked at the message', () => {
  it('is as unclear to us, and the second copy is then the first', async () => {
    const bakery = await town.tenant({ onUnknown: 'resend' });
    const ana = bakery.customer('Ana', '5511988880001');
    town.gateway.faults.set({ mode: 'drop-before-accepting', times: 1 });
    await ana.writes('Quando sai o pão?');
    await theWaitForAnEchoIsOver();
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()).toEqual(PARTS);
    expect(await settledBy.counts()).toEqual({ resend: 1 });
  });
});

describe('an echo that comes after the policy', () => {
  it('closes the dead letter of what was given up, and the person who was called keeps the customer', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'hand-over' });
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);
    const [letter] = await bakery.deadLetters();
    await theEchoComes(ana, FIRST);
    await everyEchoIsSettled(1);

    const replay = await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`, { body: {} });

    expect(await bakery.deadLetters()).toMatchObject([{ id: letter?.id, state: 'resolved', settledBy: 'echo' }]);
    expect(replay.status).toBe(409);
    expect(await states()).toEqual(['sent', 'dropped']);
    expect((await ana.messages()).map(({ author }) => author)).toEqual(['customer', 'bot', 'bot']);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting', epoch: 1 });
    expect(await ana.settled()).toEqual(['human']);
    expect([await settledBy.counts(), await confirmedLate.counts()]).toEqual([{ 'hand-over': 1 }, { '': 1 }]);
  });

  it('takes back a second copy that could not leave yet', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'resend' });
    await until(async () => (await states()).includes('unknown'));
    town.gateway.faults.set({ mode: 'session-down' });
    await theWaitForAnEchoIsOver();
    await until(async () => (await attempts()) >= 2 && (await states())[0] === 'pending');
    await theEchoComes(ana, FIRST);
    await everyEchoIsSettled(1);
    town.gateway.faults.set({ mode: 'none' });
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()).toEqual(PARTS);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
    expect(await bakery.deadLetters()).toEqual([]);
    expect([await settledBy.counts(), await confirmedLate.counts()]).toEqual([{ resend: 1 }, { '': 1 }]);
  });

  it('and another one for the second copy: both are ours, and nobody has taken over', async () => {
    const { ana } = await anaAsks({ onUnknown: 'resend' });
    await theWaitForAnEchoIsOver();
    await ana.hears(3);
    await ana.isQuiet();
    await theEchoComes(ana, FIRST);
    await theEchoComes(ana, FIRST);
    await everyEchoIsSettled(2);

    expect(await ana.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
    expect((await ana.messages()).filter(({ author }) => author === 'human')).toEqual([]);
  });

  it('and after a person has replayed it: neither copy is taken for somebody else’s words', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'hand-over' });
    await theWaitForAnEchoIsOver();
    await until(async () => (await bakery.deadLetters()).length === 1);
    const [letter] = await bakery.deadLetters();
    await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`, { body: {} });
    await ana.hears(3);
    await ana.isQuiet();
    for (const text of [FIRST, ...PARTS]) await theEchoComes(ana, text);
    await everyEchoIsSettled(3);

    expect(ana.received()).toEqual([FIRST, ...PARTS]);
    expect((await ana.messages()).filter(({ author }) => author === 'human')).toEqual([]);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });
  });
});
