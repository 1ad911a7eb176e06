import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

const PATIENCE_MS = 10_000;

let town: Town;
let bakery: TownTenant;
let worker: WorkerProcess;

beforeEach(async () => {
  town = await Town.start({ worker: false });
  worker = await town.startWorkerProcess();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterEach(async () => {
  await town.close();
});

describe('a worker that is killed while the model is thinking', () => {
  it('is replaced: another one answers within ten seconds, once, and the conversation goes on', async () => {
    const ana = bakery.customer('Ana', '5511988880001');
    town.gemini.nextAnswers([{ mode: 'hang' }]);
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);

    await worker.kill();
    const waited = new Stopwatch();
    await town.startWorkerProcess();
    await ana.hears(1, PATIENCE_MS);
    const waitedMs = waited.stop();
    await ana.writes('Aceitam cheque?');
    await ana.hears(2);
    await ana.isQuiet();

    expect(waitedMs).toBeLessThan(PATIENCE_MS);
    expect(ana.received()).toEqual([
      expect.stringContaining('R$ 8,00'),
      expect.stringContaining('Não aceitamos cheque'),
    ]);
    expect(await ana.settled()).toEqual(['reply', 'reply']);
    expect(await bakery.deadLetters()).toEqual([]);
  });
});

describe('a worker that is killed while the gateway is taking a message', () => {
  it('leaves a message that may have been said, and nobody says it twice', async () => {
    const ana = bakery.customer('Ana', '5511988880001');
    town.gateway.faults.set({ mode: 'slow', delayMs: 1_000, times: 1 });
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gateway.faults.mode === 'none');

    await worker.kill();
    await ana.hears(1);
    await theSenderIsTakenForDead();
    await town.startWorkerProcess();
    await until(async () => (await bakery.deadLetters()).length === 1);

    expect(ana.received()).toHaveLength(1);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'send-unconfirmed' });
  });

  async function theSenderIsTakenForDead(): Promise<void> {
    const past = new Date(Date.now() - 60_000);
    await town.database.db
      .updateTable('outbox')
      .set({ state: 'unknown', due_at: past })
      .where('state', '=', 'sending')
      .execute();
  }
});

describe('a worker that is asked to end', () => {
  it('leaves with code 0 and gives its conversation back at once', async () => {
    const ana = bakery.customer('Ana', '5511988880001');
    town.gemini.nextAnswers([{ mode: 'hang' }]);
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);

    const code = await worker.end();
    const { lease_owner: holder } = await town.database.db
      .selectFrom('conversation')
      .select('lease_owner')
      .executeTakeFirstOrThrow();
    await town.startWorkerProcess();
    await ana.hears(1);
    await ana.isQuiet();

    expect(code).toBe(0);
    expect(holder).toBeNull();
    expect(ana.received()).toHaveLength(1);
  });
});
