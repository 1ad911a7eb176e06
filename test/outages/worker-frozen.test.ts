import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { expectCleanHistory } from '../support/clean-history.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let zombie: WorkerProcess;

beforeEach(async () => {
  town = await Town.start({ worker: false });
  zombie = await town.startWorkerProcess();
  bakery = await town.tenant({ echoes: true });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  // A process that stands still is not told of its end.
  zombie.thaw();
  await town.close();
});

describe('a worker that stands still while the model thinks, and wakes up after its lease', () => {
  it('finds that somebody else has answered, and its own answer is not even written down', async () => {
    town.gemini.nextAnswers([
      { mode: 'slow', delayMs: 700 },
      { text: 'Custa R$ 8,00.', confidence: 0.9 },
    ]);
    town.gemini.answers('Custa R$ 9,00.');
    await ana.writes('Quanto custa a entrega?');
    await until(() => town.gemini.requests.length === 1);

    zombie.freeze();
    await town.startWorkerProcess();
    await ana.hears(1);
    zombie.thaw();
    await until(() => zombie.said.includes('Turn overtaken'));
    await expectCleanHistory(town);

    expect(ana.received()).toEqual(['Custa R$ 8,00.']);
    expect(await ana.turns()).toHaveLength(1);
    expect((await ana.messages()).filter((message) => message.author === 'bot')).toHaveLength(1);
  });

  it('while somebody else is still thinking, may not answer in their place: its fence is old', async () => {
    town.gemini.nextAnswers([
      { mode: 'slow', delayMs: 700 },
      { mode: 'slow', delayMs: 4_000 },
    ]);
    town.gemini.answers('Custa R$ 9,00.');
    await ana.writes('Quanto custa a entrega?');
    await until(() => town.gemini.requests.length === 1);

    zombie.freeze();
    await town.startWorkerProcess();
    await until(() => town.gemini.requests.length === 2);
    zombie.thaw();
    await until(() => zombie.said.includes('Turn overtaken'));
    await expectCleanHistory(town);

    expect(ana.received()).toEqual(['Custa R$ 9,00.']);
    expect(await fencesOfTurns()).toEqual(['2']);
  });

  /** Which lease each decision was made under: the zombie's was the first. */
  async function fencesOfTurns(): Promise<readonly string[]> {
    const rows = await town.database.db.selectFrom('turn').select('fence').execute();
    return rows.map((row) => row.fence);
  }
});

describe('a worker that stands still while the gateway takes a message', () => {
  it('and wakes up when the echo has settled it, does not say it again', async () => {
    town.gemini.answers('O pão sai às 7h.');
    town.gateway.faults.set({ mode: 'slow', delayMs: 700, times: 1 });
    await ana.writes('Quando sai o pão?');
    await until(() => town.gateway.faults.mode === 'none');

    zombie.freeze();
    await town.startWorkerProcess();
    await expectCleanHistory(town);
    zombie.thaw();
    await ana.writes('E o bolo?');
    await ana.hears(2);
    await expectCleanHistory(town);

    expect(ana.received()).toEqual(['O pão sai às 7h.', 'O pão sai às 7h.']);
    expect(await ana.settled()).toEqual(['reply', 'reply']);
  });
});
