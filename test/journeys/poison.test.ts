import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { POISON } from '../support/poison-preload.ts';
import { metric } from '../support/metrics.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

const PRELOAD = new URL('../support/poison-preload.ts', import.meta.url).href;
/** With the poisonous one they fill every place of a worker. */
const INNOCENTS = 49;
/**
 * Twenty seconds by itself: three leases of five seconds have to run out, and each time a process has to come up. The
 * processes share the cores with whatever else is tested.
 */
const PATIENCE_MS = 90_000;
/** Only a quarantine has such a pool. */
const ASIDE = 'plantao_db_pool_acquire_seconds_count{pool="quarantine"}';
const TEST_MS_MAX = 180_000;

let town: Town;
let bakery: TownTenant;
let folder: string;
let workers: WorkerProcess[];

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-poison-'));
  workers = [];
  town = await Town.start({ worker: false });
  // Learns the articles, too: there is no poison in them.
  await startFragileWorker();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterEach(async () => {
  await town.close();
  fs.rmSync(folder, { recursive: true });
});

/** Whose processes have died of the poison, in order. */
function deaths(): readonly string[] {
  const file = path.join(folder, 'deaths');
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
}

async function startFragileWorker(): Promise<WorkerProcess> {
  const environment = { NODE_OPTIONS: `--import=${PRELOAD}`, POISON_DEATHS: path.join(folder, 'deaths') };
  const worker = await town.startWorkerProcess(environment);
  workers.push(worker);
  return worker;
}

/** As a supervisor does it: a worker that has died is started again. */
async function keepAlive(isEnough: () => Promise<boolean>): Promise<void> {
  await until(async () => {
    if (workers.at(-1)?.hasEnded === true) await startFragileWorker();
    return await isEnough();
  }, PATIENCE_MS);
}

function customers(count: number): readonly Customer[] {
  return Array.from({ length: count }, (_none, index) =>
    bakery.customer(`Cliente ${index}`, `5511977${String(100_000 + index)}`),
  );
}

async function isAnsweredByAWorkerWithoutTheFault(eva: Customer): Promise<void> {
  // A sender that dies before it has written down what it said would be waited for first.
  await eva.isQuiet();
  await Promise.all(workers.map((worker) => worker.kill()));
  await town.startWorkerProcess();
  const [letter] = await bakery.deadLetters();
  const replayed = await bakery.api('POST', `/dead-letters/${letter?.id ?? ''}/replay`);
  await eva.hears(2);
  await eva.isQuiet();

  expect(replayed.status).toBe(200);
  expect(eva.received()[1]).toContain('R$ 8,00');
  expect(eva.received()).toHaveLength(2);
  expect(await eva.settled()).toEqual(['reply']);
  expect(await eva.conversation()).toMatchObject({ owner: 'bot' });
}

describe('a message that kills every process that answers it', () => {
  it(
    'is found alone: 49 others that were beside it are answered once, a person gets it after four deaths, and a worker without the fault answers it when it is replayed',
    async () => {
      const [eva, others] = [bakery.customer('Eva', '5511966660001'), customers(INNOCENTS)];
      const [fragile] = workers;
      town.gemini.nextAnswers(others.map(() => ({ mode: 'hang' })));
      await Promise.all(others.map((other) => other.writes('Qual é a taxa de entrega?')));
      await until(() => town.gemini.requests.length === INNOCENTS);
      await eva.writes(`Qual é a taxa de entrega? Leva ${POISON}?`);
      await fragile?.isGone();

      await keepAlive(async () => await Promise.resolve(others.every((other) => other.received().length > 0)));
      await keepAlive(async () => (await eva.conversation()).owner === 'human');
      await eva.hears(1);
      const asides = await metric(workers.at(-1)?.url ?? '', ASIDE);

      for (const other of others) {
        expect([other.name, ...other.received()]).toEqual([other.name, expect.stringContaining('R$ 8,00')]);
      }
      // Whether the second death is a worker's again or the quarantine's is a matter of who is taken first.
      expect(deaths()).toHaveLength(4);
      expect([deaths().at(0), deaths().at(-1)]).toEqual(['main.ts', 'quarantine.ts']);
      // What the turns of that process cost outlives it, with the worker that forked it.
      expect(asides).toBeGreaterThan(0);
      const letters = await town.database.db.selectFrom('dead_letter').select('payload').execute();
      expect(letters).toEqual([{ payload: { messageIds: [expect.any(String)], attempts: 1, deaths: 4 } }]);
      expect(await bakery.deadLetters()).toEqual([
        expect.objectContaining({ stage: 'turn', state: 'open', reason: expect.stringContaining('died') }),
      ]);
      expect(await eva.conversation()).toMatchObject({ owner: 'human', ownerReason: 'turn-failed' });
      expect(await eva.settled()).toEqual(['human']);
      expect(eva.received()).toEqual([expect.stringContaining('Já chamei uma pessoa')]);

      await isAnsweredByAWorkerWithoutTheFault(eva);
    },
    TEST_MS_MAX,
  );
});
