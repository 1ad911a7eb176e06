import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

let town: Town;
let bakery: TownTenant;

beforeAll(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterAll(async () => {
  await town.close();
});

describe('what the bot cannot read yet', () => {
  for (const [index, kind] of (['audio', 'image', 'video', 'document'] as const).entries()) {
    it(`is not passed over in silence: ${kind} gets an honest sentence and the choice of a person`, async () => {
      const ana = bakery.customer(`Ana ${kind}`, `551198888100${index}`);
      const asked = town.gemini.requests.length;

      await ana.sends(kind);
      const [reply] = await ana.hears(1);
      await ana.isQuiet();

      expect(reply).toContain('ainda não consigo ouvir áudios nem abrir imagens ou arquivos');
      expect(reply).toContain('escreva *atendente*');
      expect(town.gemini.requests).toHaveLength(asked);
      expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
    });
  }

  it('does not stand in the way of what can be read: the words below a picture are answered', async () => {
    const bia = bakery.customer('Bia', '5511988881010');

    await bia.sends('image', { text: 'Qual é a taxa de entrega para este endereço?' });
    const [reply, note] = await bia.hears(2);
    await bia.isQuiet();

    expect(reply).toContain('R$ 8,00');
    expect(note).toContain('ainda não consigo ouvir áudios nem abrir imagens');
  });

  it('needs no answer where nothing is asked: a sticker is recorded, with the reason', async () => {
    const bia = bakery.customer('Bia Figurinha', '5511988881011');

    await bia.sends('sticker');
    await bia.isQuiet();

    expect((await bia.messages())[0]?.settled).toEqual({ kind: 'recorded', reason: 'sticker-only' });
    expect(bia.received()).toEqual([]);
  });
});

describe('a customer who then writes "atendente"', () => {
  it('gets a person, is told so once, and the bot is silent', async () => {
    const ana = bakery.customer('Ana Atendente', '5511988881020');
    await ana.sends('audio');
    await ana.hears(1);
    await ana.isQuiet();

    await ana.writes('atendente');
    await ana.hears(2);
    await ana.isQuiet();
    await ana.writes('Qual é a taxa de entrega?');
    await ana.writes('Alô?');
    await ana.isQuiet();

    expect(ana.received()).toHaveLength(2);
    expect(ana.received()[1]).toContain('Vou chamar uma pessoa da equipe');
    expect(await ana.conversation()).toMatchObject({
      owner: 'human',
      ownerReason: 'customer-asked',
      handoff: 'waiting',
    });
    expect(await ana.settled()).toEqual(['reply', 'human', 'human', 'human']);
  });
});
