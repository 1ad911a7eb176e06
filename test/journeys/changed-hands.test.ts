import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;

/** The answer is on its way to a gateway that takes its time, and then refuses it for now. */
beforeEach(async () => {
  town = await Town.start();
  town.gemini.answers('O pão sai às 7h.');
  bakery = await town.tenant();
  ana = bakery.customer('Ana', '5511988880001');
  town.gateway.faults.set({ mode: 'slow', delayMs: 2_500, times: 1 });
  town.gateway.phonesNotOnWhatsApp.add(ana.phone);
  await ana.writes('Quando sai o pão?');
  await until(() => town.gateway.faults.mode === 'none');
});

afterEach(async () => {
  await town.close();
});

async function changeHands(...hands: readonly ('takeover' | 'return' | 'close')[]): Promise<void> {
  const { id, epoch } = await ana.conversation();
  // A takeover is answered when the message on its way is settled; nobody here waits for that.
  const answers = [];
  for (const [index, hand] of hands.entries()) {
    answers.push(bakery.api('POST', `/conversations/${id}/${hand}`, { body: {} }));
    await until(async () => (await ana.conversation()).epoch === epoch + index + 1);
  }
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(hands.map(() => 200));
}

async function theAnswerIsDropped(): Promise<void> {
  await until(async () => {
    const rows = await town.database.db.selectFrom('outbox').select(['state', 'failure']).execute();
    return rows.length === 1 && rows.every((row) => row.state === 'dropped' && row.failure === 'owner-changed');
  });
}

describe('an answer that came back from the gateway after the conversation had changed hands', () => {
  it('is not said, and the question is Bruno’s, who has taken over', async () => {
    await changeHands('takeover');
    await theAnswerIsDropped();

    expect(ana.received()).toEqual([]);
    expect(await ana.settled()).toEqual(['human']);
  });

  for (const last of ['return', 'close'] as const) {
    it(`is not said, and the question is nobody’s who is not there any more (${last})`, async () => {
      await changeHands('takeover', last);
      await theAnswerIsDropped();

      expect(ana.received()).toEqual([]);
      expect((await ana.messages())[0]?.settled).toMatchObject({ kind: 'recorded', reason: 'owner-changed' });
    });
  }
});
