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

describe('a question that the articles answer', () => {
  it('is answered once, from the article, and settled as a reply', async () => {
    const ana = bakery.customer('Ana', '5511988880001');

    const answer = await ana.writes('Qual é a taxa de entrega?');
    const [reply] = await ana.hears(1);
    await ana.isSettled();

    expect(answer).toMatchObject({ status: 200, body: { status: 'accepted' } });
    expect(reply).toContain('R$ 8,00');
    expect(ana.received()).toHaveLength(1);
    const [asked, said] = await ana.messages();
    expect(asked).toMatchObject({ author: 'customer', settled: { kind: 'reply', messageId: said?.id } });
    expect(said).toMatchObject({ author: 'bot', delivery: 'sent' });
  });
});
