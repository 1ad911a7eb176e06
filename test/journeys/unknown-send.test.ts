import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** Long enough for two bubbles. */
const PARTS = ['O pão sai às 7h.', 'E o bolo sai às 9h.'].map((part) =>
  `${part} ${'Feito na hora. '.repeat(30)}`.trim(),
);

let town: Town;

beforeEach(async () => {
  town = await Town.start();
  town.gemini.answers(PARTS.join('\n\n'));
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

describe('a gateway that takes a message and drops the line', () => {
  for (const onUnknown of ['hand-over', 'resend'] as const) {
    it(`is believed by its echo, and the rest follows (${onUnknown})`, async () => {
      const { ana, bakery } = await anaAsks({ onUnknown, echoes: true });
      await ana.hears(2);
      await ana.isQuiet();

      expect(ana.received()).toEqual(PARTS);
      expect(await states()).toEqual(['sent', 'sent']);
      expect(await bakery.deadLetters()).toEqual([]);
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

    expect(ana.received()).toEqual([PARTS[0]]);
    expect(await states()).toEqual(['failed', 'dropped']);
    expect(await bakery.deadLetters()).toMatchObject([{ stage: 'delivery', reason: 'GATEWAY_OUTCOME_UNKNOWN' }]);
    expect(await ana.conversation()).toMatchObject({
      owner: 'human',
      ownerReason: 'send-unconfirmed',
      handoff: 'waiting',
    });
  });

  it('and gives no echo: a channel that prefers a second copy to silence says it once more, and goes on', async () => {
    const { ana, bakery } = await anaAsks({ onUnknown: 'resend' });
    await theWaitForAnEchoIsOver();
    await ana.hears(3);
    await ana.isQuiet();

    expect(ana.received()).toEqual([PARTS[0], PARTS[0], PARTS[1]]);
    expect(await states()).toEqual(['sent', 'sent']);
    expect(await bakery.deadLetters()).toEqual([]);
    expect(await ana.settled()).toEqual(['reply']);
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

    expect(ana.received()).toEqual([PARTS[0], PARTS[0]]);
    expect(await states()).toEqual(['failed', 'dropped']);
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
  });
});
