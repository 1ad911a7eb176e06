import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

let town: Town;
let bakery: TownTenant;

beforeAll(async () => {
  town = await Town.start();
  bakery = await town.tenant();
});

afterAll(async () => {
  await town.close();
});

describe('a long answer', () => {
  it('comes in at most four bubbles, cut at its paragraphs, in order and whole', async () => {
    const ana = bakery.customer('Ana', '5511988880001');
    const paragraphs = Array.from({ length: 12 }, (_, index) =>
      `Parágrafo ${index + 1}. ${'Pão quente. '.repeat(30)}`.trim(),
    );
    town.gemini.answers(paragraphs.join('\n\n'));

    await ana.writes('Conte tudo sobre o pão.');
    await ana.hears(4);
    await ana.isQuiet();

    expect(ana.received()).toHaveLength(4);
    expect(ana.received().join('\n\n')).toBe(paragraphs.join('\n\n'));
    const said = (await ana.messages()).filter((message) => message.author === 'bot');
    expect(said.map((message) => message.delivery)).toEqual(['sent', 'sent', 'sent', 'sent']);
  });

  it('keeps the gateway’s template engine out of what the customer reads', async () => {
    const bia = bakery.customer('Bia', '5511988880002');
    town.gemini.answers('O código é {{name}} e {{{protocol}}}.');

    await bia.writes('Qual é o código?');
    const [reply] = await bia.hears(1);
    await bia.isQuiet();

    expect(reply?.replaceAll('\u200B', '')).toBe('O código é {{name}} e {{{protocol}}}.');
  });
});
