import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { askedOfGemini } from '../support/prompts.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** Said in one second, and shuffled by a rule, so that a failure can be repeated. */
const BUBBLES = Array.from({ length: 20 }, (_, index) => `parte ${index + 1}`);
const SHUFFLED = BUBBLES.map((_, index) => (index * 7 + 3) % BUBBLES.length);

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start({ environment: { COALESCE_MIN_MS: '500', COALESCE_MAX_MS: '6000' } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES, shape: 'W1', echoes: true });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

describe('twenty messages of one second that come in any order', () => {
  it('are answered once, as they were written', async () => {
    const startedAt = Date.now() - 30_000;
    const answers = await Promise.all(
      SHUFFLED.map((index) =>
        ana.writes(BUBBLES[index] ?? '', {
          at: new Date(startedAt + index * 1_000),
          providerMessageId: `3EB0F${index}`,
        }),
      ),
    );
    await ana.hears(1);
    await expectCleanHistory(town, { accepted: SHUFFLED.map((index) => `3EB0F${index}`) });

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await ana.turns()).toHaveLength(1);
    expect(askedOfGemini(town.gemini.requests.at(-1)).messages.at(-1)?.text).toContain(BUBBLES.join('\n'));
    expect(await ana.settled()).toEqual(BUBBLES.map(() => 'reply'));
  });
});

describe('the statuses of a message that come in the wrong order', () => {
  it('never take it back: what was read stays read', async () => {
    await ana.writes('Aceitam cheque?');
    await ana.hears(1);
    await until(async () => (await sentId()) !== undefined);
    const id = (await sentId()) ?? '';

    for (const status of [4, 3, 2, 1]) {
      expect((await bakery.connection.post(JSON.stringify(update(id, status)))).status).toBe(200);
      await until(async () => (await stateOf(id)) === 'read');
    }
    // They are applied after they are answered: what comes a whole conversation later has seen all of them.
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(2);
    await expectCleanHistory(town);

    expect(await stateOf(id)).toBe('read');
  });

  async function sentId(): Promise<string | undefined> {
    const rows = await town.database.db.selectFrom('outbox').select('provider_message_id').execute();
    return rows[0]?.provider_message_id ?? undefined;
  }

  async function stateOf(id: string): Promise<string | undefined> {
    const rows = await town.database.db
      .selectFrom('outbox')
      .select('state')
      .where('provider_message_id', '=', id)
      .execute();
    return rows[0]?.state;
  }

  /** As Baileys numbers them: 4 is read, 3 delivered, 2 taken by the server. */
  function update(id: string, status: number): object {
    return { key: { remoteJid: `${ana.phone}@s.whatsapp.net`, fromMe: true, id }, update: { status } };
  }
});
