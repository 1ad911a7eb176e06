import { afterEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { metric } from '../support/metrics.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const ANSWER_MS_MAX = 1_500;
/** Finished calls before the breaker judges. */
const CALLS_TO_JUDGE = 5;
const PEOPLE = 8;
/** No article answers this clearly. */
const UNCLEAR = 'O horário, a entrega e o pagamento mudam no Natal?';

let town: Town;
let bakery: TownTenant;

afterEach(async () => {
  await town.close();
});

async function open(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  town = await Town.start({ environment });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
}

function person(index: number): Customer {
  return bakery.customer(`Cliente ${index}`, `551198880000${index}`);
}

const people = (): readonly Customer[] => Array.from({ length: PEOPLE }, (_, index) => person(index));

async function breakerState(): Promise<number | undefined> {
  const text = await (await fetch(`${town.url}/metrics`)).text();
  const [, name = ''] = /plantao_breaker_state\{name="(model:[^"]+)"\}/.exec(text) ?? [];
  return await metric(town.url, `plantao_breaker_state{name="${name}"}`);
}

describe('a model of which every call takes too long', () => {
  it('is left alone after a few calls; each customer hears so once, then gets a person, and intake is as ever', async () => {
    await open({ MODEL_TIMEOUT_MS: '1000', TURN_DEADLINE_MS: '6000' });
    town.gemini.faults.set({ mode: 'hang' });
    const { answer: answers, tookMs } = await timed(() => Promise.all(people().map((one) => one.writes(UNCLEAR))));
    await Promise.all(people().map((one) => one.hears(1)));
    const calls = town.gemini.requests.length;
    await person(0).writes('E na Páscoa, mudam horário, entrega e pagamento?');
    await person(0).hears(2);
    await expectCleanHistory(town);

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(tookMs).toBeLessThan(ANSWER_MS_MAX);
    expect(await person(0).conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });
    for (const one of people().slice(1)) expect(one.received()).toHaveLength(1);
    expect(calls).toBeLessThanOrEqual(PEOPLE + CALLS_TO_JUDGE);
    // Open: whoever writes now costs no call, but for a probe every ten seconds.
    expect(town.gemini.requests.length).toBeLessThanOrEqual(calls + 1);
    expect(await breakerState()).not.toBe(0);

    town.gemini.faults.set({ mode: 'none' });
    let questions = 0;
    await until(async () => {
      const customer = bakery.customer(`Depois ${questions}`, `55119777${String(questions).padStart(5, '0')}`);
      questions += 1;
      await customer.writes('Qual é a taxa de entrega?');
      const [reply] = await customer.hears(1);
      return reply?.includes('Posso ajudar com mais alguma coisa?') === true;
    }, 20_000);
    await expectCleanHistory(town);
    expect(await breakerState()).toBe(0);
  }, 60_000);
});

describe('a model that asks everybody to wait, then stumbles, then is well', () => {
  it('is not asked before its time, hardly asked twice, and answers everybody in order', async () => {
    await open();
    town.gemini.nextAnswers([{ mode: '429', retryDelay: '3s' }, { mode: '503' }, { mode: '503' }]);
    await person(0).writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);
    const refusedAt = performance.now();
    for (const customer of people()) await customer.writes('Aceitam cheque?');
    await until(() => town.gemini.requests.length > 1);
    const askedAgainMs = performance.now() - refusedAt;
    for (const customer of people()) await customer.hears(1);
    await expectCleanHistory(town);

    expect(askedAgainMs).toBeGreaterThan(2_900);
    // One call refused, two that stumbled, one for each answer, and one draft that its customer's second message overtook.
    const answers = town.sent().length;
    expect(town.gemini.requests.length).toBeLessThanOrEqual(Math.ceil(1.1 * (answers + 4)));
    for (const customer of people()) expect(new Set(await customer.settled())).toEqual(new Set(['reply']));
  }, 60_000);
});

describe('a model that talks nonsense', () => {
  it.each([
    ['invalid-json', 2],
    ['empty', 2],
    ['max-tokens', 2],
    ['html', 4],
    ['huge', 2],
    ['safety', 1],
    ['blocked', 1],
  ] as const)('(%s) is asked %i times at most, and nothing of it reaches the customer', async (mode, calls) => {
    await open();
    town.gemini.faults.set({ mode });

    await person(0).writes('Qual é a taxa de entrega?');
    const [reply] = await person(0).hears(1);
    await expectCleanHistory(town);

    expect(reply).not.toMatch(/[{}<>]|aaaa/);
    expect(reply?.length).toBeLessThan(1_000);
    expect(person(0).received()).toHaveLength(1);
    expect(town.gemini.requests.length).toBeLessThanOrEqual(calls);
    expect(['reply', 'human']).toContain((await person(0).settled())[0]);
  });
});
