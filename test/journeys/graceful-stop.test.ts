import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

const GRACE_MS = 25_000;
const FEE = 'Qual é a taxa de entrega?';

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let worker: WorkerProcess;

beforeEach(async () => {
  town = await Town.start({ worker: false });
  worker = await town.startWorkerProcess();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

/** Who holds Ana's conversation, and how many processes have died over it. */
async function lease(): Promise<{ holder: string | null; deaths: number }> {
  const { id } = await ana.conversation();
  return await town.database.db
    .selectFrom('conversation')
    .select(['lease_owner as holder', 'deaths'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}

/** Her worker has died over her question, and the next one has her alone in its quarantine, where the model hangs too. */
async function anaIsASuspect(): Promise<WorkerProcess> {
  town.gemini.nextAnswers([{ mode: 'hang' }, { mode: 'hang' }]);
  await ana.writes(FEE);
  await until(() => town.gemini.requests.length === 1);
  await worker.kill();
  const next = await town.startWorkerProcess();
  await until(() => town.gemini.requests.length === 2);
  return next;
}

describe('a worker that is asked to end', () => {
  it('finishes the send that is under way, gives back the turn that is, and leaves no suspect', async () => {
    const bia = bakery.customer('Bia', '5511988880002');
    town.gateway.faults.set({ mode: 'slow', delayMs: 1_500, times: 1 });
    await bia.writes(FEE);
    await until(() => town.gateway.faults.mode === 'none');
    town.gemini.nextAnswers([{ mode: 'hang' }]);
    await ana.writes(FEE);
    await until(() => town.gemini.requests.length === 2);

    const { answer: code, tookMs } = await timed(() => worker.end());
    const outbox = await town.database.db.selectFrom('outbox').select(['state', 'attempts']).execute();
    const left = await lease();
    const next = await town.startWorkerProcess();
    await ana.hears(1);
    await ana.isQuiet();

    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(GRACE_MS);
    expect(outbox).toEqual([{ state: 'sent', attempts: 1 }]);
    expect(left).toEqual({ holder: null, deaths: 0 });
    expect([ana.received().length, bia.received().length]).toEqual([1, 1]);
    expect(next.said).not.toContain('suspect.taken');
  });

  it('takes its quarantine along: the suspect is given back, and the next worker takes it alone and answers', async () => {
    const quarantining = await anaIsASuspect();

    const { answer: code, tookMs } = await timed(() => quarantining.end());
    const left = await lease();
    const next = await town.startWorkerProcess();
    await ana.hears(1);
    await ana.isQuiet();

    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(GRACE_MS);
    expect(left).toEqual({ holder: null, deaths: 1 });
    expect(next.said).toContain('suspect.taken');
    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
    expect(await lease()).toEqual({ holder: null, deaths: 0 });
  }, 60_000);
});

describe('a worker that is killed while its quarantine has a suspect', () => {
  it('is outlived by it just long enough to give the suspect back, which is no death', async () => {
    const quarantining = await anaIsASuspect();

    await quarantining.kill();
    await until(async () => (await lease()).holder === null);
    const left = await lease();
    await town.startWorkerProcess();
    await ana.hears(1);
    await ana.isQuiet();

    expect(left).toEqual({ holder: null, deaths: 1 });
    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
    expect(await bakery.deadLetters()).toEqual([]);
  }, 60_000);
});
