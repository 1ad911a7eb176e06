import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Work } from '../../src/compose-work.ts';
import { askForScores } from '../../src/handoff/csat-store.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { TenantStore } from '../../src/tenants/tenant-store.ts';
import { Secret } from '../../src/platform/secret.ts';
import { heldBackOnceMore, outboxState } from '../support/held-back.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let work: Work;
let bakery: TownTenant;
let clinic: TownTenant;
let people = 0;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  work = await town.startWorker();
  town.gemini.answers('O pão sai às 7h.');
  bakery = await town.tenant();
  clinic = await town.tenant({ name: 'Clínica Sol' });
  await clinic.api('PATCH', '/settings', { body: { csat: { enabled: true } } });
});

afterAll(async () => {
  await town.close();
});

/** Every test has a customer of its own, whose matter Bruno has just closed. */
async function closedWith(tenant: TownTenant): Promise<Customer> {
  people += 1;
  const ana = tenant.customer(`Ana ${people}`, `55119888802${String(people).padStart(2, '0')}`);
  await ana.writes('Quando sai o pão?');
  await ana.isQuiet();
  await close(ana);
  return ana;
}

async function close(ana: Customer): Promise<void> {
  const { id } = await ana.conversation();
  await ana.tenant.api('POST', `/conversations/${id}/takeover`, { body: {} });
  await ana.tenant.api('POST', `/conversations/${id}/close`, { body: {} });
}

async function says(ana: Customer, text: string): Promise<void> {
  await ana.writes(text);
  await ana.isQuiet();
}

async function lastReason(ana: Customer): Promise<unknown> {
  const last = (await ana.messages()).findLast((message) => message.author === 'customer');
  return last?.settled?.kind === 'recorded' ? last.settled.reason : last?.settled?.kind;
}

const ANSWER = 'O pão sai às 7h.';
const QUESTION = 'Como foi o atendimento de Clínica Sol? Responda com uma nota de 1 a 5, em que 5 é ótimo.';
const THANKS = 'Obrigado pela avaliação!';

describe('“ok, obrigado” after Bruno has closed the matter', () => {
  it('opens nothing: it is recorded, and the conversation stays closed', async () => {
    const ana = await closedWith(bakery);
    await says(ana, 'ok, obrigado!');
    await says(ana, '👍');

    expect(ana.received()).toEqual([ANSWER]);
    expect(await lastReason(ana)).toBe('closing-thanks');
    expect(await ana.conversation()).toMatchObject({ owner: 'nobody', handoff: null });
  });

  it('is answered when it is more than that', async () => {
    const ana = await closedWith(bakery);
    await says(ana, 'obrigado, mas ainda não chegou');

    expect(ana.received()).toEqual([ANSWER, ANSWER]);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
  });
});

describe('the question how the service was', () => {
  it('is not asked where nobody has switched it on', async () => {
    const ana = await closedWith(bakery);
    const beside = await closedWith(clinic);
    await beside.hears(2);

    expect(ana.received()).toEqual([ANSWER]);
  });

  it('is asked once after a closing, and its answer is kept with one word of thanks', async () => {
    const ana = await closedWith(clinic);
    await ana.hears(2);
    await says(ana, 'nota 10');

    expect(ana.received()).toEqual([ANSWER, QUESTION, THANKS]);
    expect(await lastReason(ana)).toBe('csat-answer');
    expect(await ana.conversation()).toMatchObject({ owner: 'nobody', handoff: null });
    expect(await surveysOf(ana)).toEqual([{ score: 5, has_comment: false }]);
  });

  it('is answered once: what comes then is an ordinary message', async () => {
    const ana = await closedWith(clinic);
    await lookForClosings();
    await ana.hears(2);
    await says(ana, 'péssimo, demorou');
    await says(ana, '5');

    expect(ana.received()).toEqual([ANSWER, QUESTION, THANKS, ANSWER]);
    expect(await surveysOf(ana)).toEqual([{ score: 1, has_comment: true }]);
  });

  it('takes nothing for an answer that is none', async () => {
    const ana = await closedWith(clinic);
    await lookForClosings();
    await ana.hears(2);
    await says(ana, 'Quero 5 pães por favor');

    expect(ana.received()).toEqual([ANSWER, QUESTION, ANSWER]);
    expect(await surveysOf(ana)).toEqual([{ score: null, has_comment: false }]);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
  });

  it('is answered and asked something back in one message: the score is kept and the rest answered', async () => {
    const ana = await closedWith(clinic);
    await lookForClosings();
    await ana.hears(2);
    await says(ana, '4, mas meu exame ainda não chegou');

    expect(ana.received()).toEqual([ANSWER, QUESTION, ANSWER]);
    expect(await surveysOf(ana)).toEqual([{ score: 4, has_comment: true }]);
  });

  it('is asked once by two workers that look at the same moment', async () => {
    const ana = await closedWith(clinic);
    await Promise.all([lookForClosings(), lookForClosings(), lookForClosings()]);
    await ana.hears(2);
    await lookForClosings();
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER, QUESTION]);
    expect(await surveysOf(ana)).toHaveLength(1);
  });

  it('is taken back when Bruno takes over before it has left', async () => {
    const ana = await closedWith(clinic);
    await lookForClosings();
    const { id } = await ana.conversation();
    const question = await waitingQuestion(id);
    await clinic.api('POST', `/conversations/${id}/takeover`, { body: {} });

    expect(await outboxState(town.database.db, question)).toBe('dropped');
  });

  it('calls nobody when it cannot be sent', async () => {
    const ana = await closedWith(clinic);
    town.gateway.faults.set({ mode: 'credentials-refused' });
    await lookForClosings();
    await until(async () => (await stateOfQuestion(ana)) === 'failed');
    town.gateway.faults.set({ mode: 'none' });

    expect(ana.received()).toEqual([ANSWER]);
    expect(await ana.conversation()).toMatchObject({ owner: 'nobody', handoff: null });
    expect(await clinic.deadLetters()).toEqual([]);
  });

  it('whose word of thanks cannot be sent calls nobody either', async () => {
    const ana = await closedWith(clinic);
    await lookForClosings();
    await ana.hears(2);
    town.gateway.faults.set({ mode: 'credentials-refused' });
    await says(ana, '5');
    town.gateway.faults.set({ mode: 'none' });

    expect(ana.received()).toEqual([ANSWER, QUESTION]);
    expect(await ana.conversation()).toMatchObject({ owner: 'nobody', handoff: null });
    expect(await clinic.deadLetters()).toEqual([]);
  });

  it('is summed up by the API', async () => {
    const before = await clinic.api('GET', '/csat');
    const later = await clinic.api('GET', '/csat?from=2099-01-01T00:00:00Z');

    expect(before.body).toMatchObject({ count: 4, mean: 3.75 });
    expect(before.body).toMatchObject({
      distribution: [
        { score: 1, count: 1 },
        { score: 2, count: 0 },
        { score: 3, count: 0 },
        { score: 4, count: 1 },
        { score: 5, count: 2 },
      ],
    });
    expect(later.body).toMatchObject({ asked: 0, count: 0, mean: null });
  });
});

async function lookForClosings(): Promise<void> {
  const { db } = town.database;
  const master = Secret.of(town.environment.MASTER_KEY ?? '');
  const tenants = new TenantStore(db, { current: master, previous: undefined });
  const log = createLogger({ level: 'silent', process: 'test' });
  await askForScores({ db, tenantOf: (id) => tenants.get(id), ringDelivery: (id) => void work.deliver(id), log });
}

async function surveysOf(ana: Customer) {
  return await town.database.db
    .selectFrom('csat_survey')
    .select(['score', 'has_comment'])
    .where('conversation_id', '=', (await ana.conversation()).id)
    .execute();
}

async function stateOfQuestion(ana: Customer): Promise<string | undefined> {
  const row = await town.database.db
    .selectFrom('csat_survey')
    .innerJoin('outbox', 'outbox.message_id', 'csat_survey.question_id')
    .select('outbox.state')
    .where('csat_survey.conversation_id', '=', (await ana.conversation()).id)
    .executeTakeFirst();
  return row?.state;
}

/** The question once more, as one that the pace of the channel holds back. */
async function waitingQuestion(conversationId: string): Promise<string> {
  const { db } = town.database;
  const { question_id } = await db
    .selectFrom('csat_survey')
    .select('question_id')
    .where('conversation_id', '=', conversationId)
    .executeTakeFirstOrThrow();
  return await heldBackOnceMore(db, conversationId, question_id);
}
