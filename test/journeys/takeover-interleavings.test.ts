import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { z } from 'zod';
import { composeWork } from '../../src/compose-work.ts';
import type { Work } from '../../src/compose-work.ts';
import { loadConfig, WorkerEnvironment } from '../../src/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { ConversationId } from '../../src/vocabulary/ids.ts';
import { StatementGate } from '../support/statement-gate.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/**
 * Every way in which a takeover can fall among the steps of a turn and of its delivery: the worker that answers is stopped
 * before and after each of its statements, and Bruno takes over right there.
 */

/** Too long for one bubble. */
const ANSWER = ['A taxa de entrega é de R$ 8,00 no centro.', 'Para os outros bairros são R$ 12,00, até as 22h.'].map(
  (sentence) => Array.from({ length: 10 }, () => sentence).join(' '),
);
/** More moments than a turn and its delivery have; a loop that never ends is found by it. */
const MOMENTS_MAX = 120;
const TakenOver = z.object({ epoch: z.number(), stillSending: z.string().optional() });

let town: Town;
let bakery: TownTenant;
let gate: StatementGate;
/** The worker that is stopped. */
let worker: Work;
/** Another one, that nobody stops. */
let other: Work;
let customers = 0;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
  gate = await StatementGate.start(town.database.url, 'plantao-worker');
  worker = await compose({ DATABASE_URL: gate.through(town.database.url) });
  other = await compose({});
});

afterAll(async () => {
  for (const work of [worker, other]) {
    work.hurry();
    await work.closing.close();
  }
  await town.close();
  await gate.close();
});

async function compose(changes: Readonly<Record<string, string>>): Promise<Work> {
  const log = createLogger({ level: 'silent', process: 'test' });
  return await composeWork(loadConfig(WorkerEnvironment, { ...town.environment, ...changes }), log);
}

interface Scene {
  readonly ana: Customer;
  readonly id: ConversationId;
}

/** Somebody new has asked something, and nobody has looked at it yet. */
async function anaAsks(text: string): Promise<Scene> {
  customers += 1;
  const ana = bakery.customer(`Ana ${customers}`, `551198${String(8_000_000 + customers)}`);
  await ana.writes(text);
  return { ana, id: ConversationId.parse((await ana.conversation()).id) };
}

async function answerIt(work: Work, id: ConversationId): Promise<void> {
  await work.takeTurn(id);
  await work.deliver(id);
}

/** Whatever could still be said is said. */
async function playOn({ ana, id }: Scene): Promise<void> {
  await until(async () => {
    await answerIt(other, id);
    const rows = await town.database.db
      .selectFrom('outbox')
      .select('state')
      .where('conversation_id', '=', id)
      .execute();
    return rows.every(({ state }) => !['pending', 'sending', 'unknown'].includes(state));
  });
  await ana.isSettled();
}

/** Resolves when the change has been made, or stands in line for a lock that the stopped worker holds. */
async function isUnderWay(id: ConversationId, epochBefore: number): Promise<boolean> {
  const { rows } = await sql<{ moved: boolean; waits: boolean }>`
    select (select epoch > ${epochBefore} from conversation where id = ${id}) as moved,
           exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waits`.execute(
    town.database.db,
  );
  return rows[0]?.moved === true || rows[0]?.waits === true;
}

/**
 * Plays the scene once for each moment of the worker, until there is none left.
 *
 * @returns at how many moments it was played.
 */
async function atEveryMoment(question: string, play: (scene: Scene, answering: Promise<void>) => Promise<void>) {
  for (let moment = 1; moment <= MOMENTS_MAX; moment += 1) {
    const scene = await anaAsks(question);
    gate.stopAt(moment);
    const answering = answerIt(worker, scene.id);
    const isOver = await Promise.race([answering.then(() => true), gate.reached.then(() => false)]);
    await play(scene, answering);
    gate.release();
    await answering;
    await playOn(scene);
    if (isOver) return moment;
  }
  throw new Error(`The worker had not ended after ${MOMENTS_MAX} moments`);
}

async function takesOver(scene: Scene, answering: Promise<void>) {
  const { epoch } = await scene.ana.conversation();
  const asked = bakery.api('POST', `/conversations/${scene.id}/takeover`, { body: { expectedEpoch: epoch } });
  await until(async () => await Promise.race([asked.then(() => true), isUnderWay(scene.id, epoch)]));
  gate.release();
  const { status, body } = await asked;
  // Read in the same tick: what comes after this came after the answer.
  const heard = [...scene.ana.received()];
  await answering;
  return { status, body, heard };
}

describe('Bruno, who takes over at any moment of an answer', () => {
  it('is never talked over: after his takeover was acknowledged nothing is said but what he was told of', async () => {
    town.gemini.answers(ANSWER.join('\n\n'));
    const heardBy = new Set<number>();

    const moments = await atEveryMoment('Qual é a taxa de entrega?', async (scene, answering) => {
      const { status, body, heard } = await takesOver(scene, answering);
      await playOn(scene);

      // The bot may have handed over or changed the epoch just before: then he is told, and nothing was taken over.
      expect(status).toBe(200);
      const { stillSending } = TakenOver.parse(body);
      const said = scene.ana.received();
      expect(said.slice(0, heard.length)).toEqual(heard);
      expect(said.length - heard.length).toBeLessThanOrEqual(stillSending === undefined ? 0 : 1);
      expect(said).toEqual(ANSWER.slice(0, said.length));
      expect(await scene.ana.conversation()).toMatchObject({ owner: 'human' });
      expect(await scene.ana.settled()).toEqual([said.length === 0 ? 'human' : 'reply']);
      heardBy.add(said.length);
    });

    // Before the first bubble, between the two, and after both.
    expect([...heardBy].toSorted()).toEqual([0, 1, 2]);
    expect(moments).toBeGreaterThan(15);
  }, 120_000);

  it('answers from his own phone, and the bot says nothing more once that is known', async () => {
    town.gemini.answers(ANSWER.join('\n\n'));

    await atEveryMoment('Qual é a taxa de entrega?', async ({ ana, id }, answering) => {
      await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, aqui é o Bruno!');
      const settling = answerIt(other, id);
      await until(async () => await Promise.race([settling.then(() => true), isUnderWay(id, 0)]));
      const heard = ana.received().length;
      const isKnown = (await ana.conversation()).owner === 'human';
      gate.release();
      await Promise.all([answering, settling]);
      await playOn({ ana, id });

      expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'answered-elsewhere' });
      // One may have been with the gateway when his words came.
      if (isKnown) expect(ana.received().length).toBeLessThanOrEqual(heard + 1);
      expect((await ana.messages()).filter(({ author }) => author === 'human')).toHaveLength(1);
    });
  }, 120_000);
});

describe('a wish for a person', () => {
  it('is answered with one sentence and one handoff, whoever else looks at it at any moment', async () => {
    await atEveryMoment('Quero falar com um atendente', async ({ ana, id }, answering) => {
      const looking = answerIt(other, id);
      await until(async () => await Promise.race([looking.then(() => true), isUnderWay(id, 0)]));
      gate.release();
      await Promise.all([answering, looking]);
      await playOn({ ana, id });

      expect(ana.received()).toEqual([expect.stringContaining('Vou chamar uma pessoa')]);
      const handoffs = await town.database.db
        .selectFrom('handoff')
        .select(['state', 'reason'])
        .where('conversation_id', '=', id)
        .execute();
      expect(handoffs).toEqual([{ state: 'waiting', reason: 'customer-asked' }]);
      expect(await ana.settled()).toEqual(['human']);
    });
  }, 120_000);
});

describe('two people who take over at the same instant', () => {
  it('are told who was first', async () => {
    const { ana, id } = await anaAsks('Oi');
    const { epoch } = await ana.conversation();
    const take = () => bakery.api('POST', `/conversations/${id}/takeover`, { body: { expectedEpoch: epoch } });

    const answers = await Promise.all([take(), take()]);

    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'EPOCH_MOVED' });
  });
});
