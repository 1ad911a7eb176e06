import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const PARAGRAPHS = ['Primeiro', 'Segundo', 'Terceiro'].map((word) =>
  `${word}: ${'pão quente o dia todo. '.repeat(25)}`.trim(),
);

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant();
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

describe('a gateway that has lost its session', () => {
  it('gets every part of the answer once, in order, when it is back', async () => {
    town.gemini.answers(PARAGRAPHS.join('\n\n'));
    town.gateway.faults.set({ mode: 'session-down' });

    await ana.writes('Como é o pão?');
    await until(async () => (await attemptsSoFar()) >= 2);
    expect(ana.received()).toEqual([]);
    town.gateway.faults.set({ mode: 'none' });
    await ana.hears(3);
    await ana.isQuiet();

    expect(ana.received()).toEqual(PARAGRAPHS);
    expect(await bakery.deadLetters()).toEqual([]);
    expect(await ana.settled()).toEqual(['reply']);
  });
});

describe('a gateway that refuses a part of a long answer', () => {
  for (const [part, said] of [
    ['first', 0],
    ['second', 1],
  ] as const) {
    it(`gets the rest of it by a replay, in order and each part once: the ${part}`, async () => {
      town.gemini.answers(PARAGRAPHS.join('\n\n'));
      // Whatever was taken before, the next one is refused.
      const stop = town.gateway.onSent(() => {
        town.gateway.faults.set({ mode: 'credentials-refused' });
      });
      if (said === 0) town.gateway.faults.set({ mode: 'credentials-refused' });
      await ana.writes('Como é o pão?');
      await until(async () => (await bakery.deadLetters()).length === 1);
      await ana.isQuiet();
      const before = ana.received();
      const settledBefore = await ana.settled();
      stop();
      town.gateway.faults.set({ mode: 'none' });
      const [letter] = await bakery.deadLetters();
      await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`, { body: {} });
      await ana.hears(3);
      await ana.isQuiet();

      expect(before).toEqual(PARAGRAPHS.slice(0, said));
      expect(settledBefore).toEqual([said === 0 ? 'human' : 'reply']);
      expect(ana.received()).toEqual(PARAGRAPHS);
      expect(await bakery.deadLetters()).toMatchObject([{ state: 'replayed' }]);
    });
  }
});

describe('a gateway whose token has just been changed, here and there', () => {
  it('is told by the new one what a worker says that knew the old one a moment ago', async () => {
    town.gemini.answers('O pão sai às 7h.');
    await ana.writes('Quando sai o pão?');
    await ana.hears(1);
    const { name, profile, webhook, echoes } = bakery.connection;
    const token = randomBytes(16).toString('hex');
    await bakery.api('PATCH', `/channels/${bakery.channelId}`, { body: { gateway: { token } } });
    town.gateway.removeConnection(bakery.connection);
    town.gateway.addConnection({ name, profile, webhook, echoes, token });

    await ana.writes('E amanhã?');
    await until(() => town.sent().length === 2);
    await ana.isQuiet();

    expect(await bakery.deadLetters()).toEqual([]);
    expect(await ana.settled()).toEqual(['reply', 'reply']);
  });
});

describe('a gateway that refuses our credentials', () => {
  beforeEach(async () => {
    town.gemini.answers('O pão sai às 7h.');
    town.gateway.faults.set({ mode: 'credentials-refused' });
    await ana.writes('Quando sai o pão?');
    await until(async () => (await bakery.deadLetters()).length === 1);
  });

  it('costs no message: a person is called, and what was not said is kept with its reason', async () => {
    await ana.isQuiet();

    const [letter] = await bakery.deadLetters();
    expect(letter).toMatchObject({ stage: 'delivery', reason: 'GATEWAY_CREDENTIALS_REFUSED', state: 'open' });
    expect(letter?.history).toEqual([expect.objectContaining({ what: 'failed', why: 'GATEWAY_CREDENTIALS_REFUSED' })]);
    expect(await ana.conversation()).toMatchObject({
      owner: 'human',
      ownerReason: 'delivery-failed',
      handoff: 'waiting',
    });
    expect(await ana.settled()).toEqual(['human']);
    expect(ana.received()).toEqual([]);
  });

  it('gets the answer by a replay once the credentials are right, and only once', async () => {
    const [letter] = await bakery.deadLetters();
    town.gateway.faults.set({ mode: 'none' });

    const first = await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`, { body: {} });
    const again = await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`, { body: {} });
    await ana.hears(1);
    await ana.isQuiet();

    expect(first).toMatchObject({ status: 200, body: { state: 'replayed' } });
    expect(again.status).toBe(409);
    expect(ana.received()).toEqual(['O pão sai às 7h.']);
    expect((await bakery.deadLetters()).map(({ state }) => state)).toEqual(['replayed']);
  });
});

async function attemptsSoFar(): Promise<number> {
  const rows = await town.database.db.selectFrom('outbox').select('attempts').execute();
  return Math.max(0, ...rows.map((row) => row.attempts));
}
