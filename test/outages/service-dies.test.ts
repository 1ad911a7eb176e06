import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let service: NodeProcess;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await service.kill();
  await town.close();
});

/** From now on the gateway posts to this process. */
async function startReceiving(more: { preload?: string } = {}): Promise<void> {
  service = await startServiceProcess(town.environment, more);
  const { webhook } = bakery.connection;
  bakery.connection.webhook = { ...webhook, url: new URL(new URL(webhook.url).pathname, service.url).href };
}

describe('a service that is killed after it has kept a message and before it has said so', () => {
  it('is told the message again, knows it, and the customer gets one reply', async () => {
    await startReceiving({ preload: 'test/support/die-before-answering.ts' });
    const question = { text: 'Qual é a taxa de entrega?', providerMessageId: '3EB0AA' };

    await expect(ana.writes(question.text, question)).rejects.toThrow();
    await service.isGone();
    await startReceiving();
    const again = await ana.writes(question.text, question);
    await ana.hears(1);
    await expectCleanHistory(town, { accepted: [question.providerMessageId] });

    expect(again).toMatchObject({ status: 200, body: { status: 'duplicate' } });
    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
  });

  it('and whose gateway never repeats itself, has lost nothing: the customer gets the reply all the same', async () => {
    await startReceiving({ preload: 'test/support/die-before-answering.ts' });

    await expect(ana.writes('Qual é a taxa de entrega?')).rejects.toThrow();
    await ana.hears(1, 10_000);
    await expectCleanHistory(town);

    expect(ana.received()).toHaveLength(1);
  });
});
