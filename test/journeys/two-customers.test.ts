import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { askedOfGemini } from '../support/prompts.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;

beforeAll(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterAll(async () => {
  await town.close();
});

describe('two customers who write at once', () => {
  it('each get their own answer, from their own conversation', async () => {
    const ana = bakery.customer('Ana', '5511988880001');
    const bia = bakery.customer('Bia', '5511988880002');

    await Promise.all([ana.writes('Qual é a taxa de entrega?'), bia.writes('Aceitam cheque?')]);
    const [toAna, toBia] = await Promise.all([ana.hears(1), bia.hears(1)]);
    await Promise.all([ana.isQuiet(), bia.isQuiet()]);

    expect(toAna).toEqual([expect.stringContaining('R$ 8,00')]);
    expect(toBia).toEqual([expect.stringContaining('Não aceitamos cheque')]);
    expect((await ana.conversation()).id).not.toBe((await bia.conversation()).id);
    for (const request of town.gemini.requests) {
      const asked = askedOfGemini(request)
        .messages.map((message) => message.text)
        .join('\n');
      expect(asked.includes('taxa de entrega') && asked.includes('cheque')).toBe(false);
    }
  });

  it('do not wait for each other: a slow answer to one holds up nobody else', async () => {
    const ana = bakery.customer('Ana Lenta', '5511988880003');
    const bia = bakery.customer('Bia Rápida', '5511988880004');
    const asked = town.gemini.requests.length;
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_500 }]);

    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === asked + 1);
    await bia.writes('Aceitam cheque?');
    await bia.hears(1);

    expect(ana.received()).toEqual([]);
    await ana.hears(1);
    await ana.isQuiet();
  });
});
