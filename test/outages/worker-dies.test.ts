import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { deadSendersAreKnown } from '../support/dead-senders.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

const PATIENCE_MS = 30_000;
const KILLS = 10;
const CUSTOMERS_PER_KILL = 4;
const QUESTIONS = ['Qual é a taxa de entrega?', 'Aceitam cheque?'];

let town: Town;
let bakery: TownTenant;
let victim: WorkerProcess;
/** Who is killed next, and may still be starting. */
let next: Promise<WorkerProcess>;

beforeEach(async () => {
  town = await Town.start({ worker: false });
  next = town.startWorkerProcess();
  victim = await town.startWorkerProcess();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES, echoes: true });
});

afterEach(async () => {
  await next;
  await town.close();
});

/** Some customers, whom nobody has heard of before, ask all questions. Returns what was accepted. */
async function customersOfRound(round: number): Promise<readonly string[]> {
  const accepted: string[] = [];
  for (let index = 0; index < CUSTOMERS_PER_KILL; index += 1) {
    const person = bakery.customer(`Cliente ${round}.${index}`, `55119888${round}000${index}`);
    for (const question of QUESTIONS) {
      const answer = await person.writes(question);
      if (answer.status === 200) accepted.push(answer.providerMessageId);
    }
  }
  return accepted;
}

/** Leases of the dead have ended, and others have done their turns. */
async function everyTurnHasEnded(): Promise<void> {
  await until(async () => {
    const open = await town.database.db
      .selectFrom('message')
      .select('id')
      .where('author', '=', 'customer')
      .where('settled_at', 'is', null)
      .limit(1)
      .execute();
    return open.length === 0;
  }, PATIENCE_MS);
}

describe('workers of which one is killed again and again while models think', () => {
  it('lose nothing, say nothing twice and keep the order', async () => {
    const accepted: string[] = [];

    for (let kill = 0; kill < KILLS; kill += 1) {
      const asked = town.gemini.requests.length;
      town.gemini.faults.set({ mode: 'slow', delayMs: 600, times: CUSTOMERS_PER_KILL });
      accepted.push(...(await customersOfRound(kill)));
      await until(() => town.gemini.requests.length > asked);
      await victim.kill();
      const replacement = town.startWorkerProcess();
      victim = await next;
      next = replacement;
    }
    await everyTurnHasEnded();
    await deadSendersAreKnown(town.environment.DATABASE_URL);
    await expectCleanHistory(town, { accepted, withinMs: PATIENCE_MS });

    expect(accepted).toHaveLength(KILLS * CUSTOMERS_PER_KILL * QUESTIONS.length);
  }, 120_000);
});
