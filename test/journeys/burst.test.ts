import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { askedOfGemini } from '../support/prompts.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const BUBBLES = ['Oi', 'tudo bem?', 'eu queria saber', 'qual é a taxa', 'de entrega?'];

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start({ environment: { COALESCE_MIN_MS: '200', COALESCE_MAX_MS: '3000' } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

/** Bubbles of the last minute, two seconds apart. */
function secondsAgo(index: number): Date {
  return new Date(Date.now() - 30_000 + index * 2_000);
}

describe('a question in five bubbles', () => {
  it('is one turn with one reply, which settles all five', async () => {
    for (const [index, text] of BUBBLES.entries()) await ana.writes(text, { at: secondsAgo(index) });
    const [reply] = await ana.hears(1);
    await ana.isQuiet();

    expect(reply).toContain('R$ 8,00');
    expect(ana.received()).toHaveLength(1);
    expect(await ana.settled()).toEqual(BUBBLES.map(() => 'reply'));
    expect(await ana.turns()).toHaveLength(1);
    expect(askedOfGemini(town.gemini.requests[0]).messages.at(-1)?.text).toContain(BUBBLES.join('\n'));
  });

  it('is read in the order in which it was written, however the gateway shuffled it', async () => {
    for (const index of [3, 0, 4, 2, 1]) await ana.writes(BUBBLES[index] ?? '', { at: secondsAgo(index) });
    await ana.hears(1);
    await ana.isQuiet();

    expect(town.gemini.requests).toHaveLength(1);
    expect(askedOfGemini(town.gemini.requests[0]).messages.at(-1)?.text).toContain(BUBBLES.join('\n'));
    const asked = (await ana.messages()).filter((message) => message.author === 'customer');
    expect(asked.map((message) => message.text)).toEqual(BUBBLES);
  });

  it('is not answered by a draft that has not read its last bubble', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 800 }]);
    await ana.writes('Vocês entregam?', { at: secondsAgo(0) });
    await until(() => town.gemini.requests.length === 1);

    await ana.writes('E qual é a taxa de entrega?', { at: secondsAgo(1) });
    await ana.hears(1);
    await ana.isQuiet();

    expect(ana.received()).toHaveLength(1);
    expect(await ana.settled()).toEqual(['reply', 'reply']);
    const [turn, ...others] = await ana.turns();
    expect(others).toEqual([]);
    expect(turn?.trace).toMatchObject({ redrafts: 1 });
    expect(askedOfGemini(town.gemini.requests[1]).messages.at(-1)?.text).toContain('Vocês entregam?\nE qual é a taxa');
  });
});
