import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const ID = '3EB0A1B2C3D4E5F60718';

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start({ environment: { COALESCE_MIN_MS: '400', COALESCE_MAX_MS: '2000' } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

describe('a customer who corrects what they wrote', () => {
  it('is answered what they meant, when the correction comes before the answer', async () => {
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });

    await bakery.connection.customerEdits({ phone: ana.phone, targetId: ID, text: 'Qual é a taxa de entrega?' });
    const [reply] = await ana.hears(1);
    await ana.isQuiet();

    expect(reply).toContain('R$ 8,00');
    expect(ana.received()).toHaveLength(1);
    expect((await ana.messages())[0]).toMatchObject({ text: 'Qual é a taxa de entrega?', settled: { kind: 'reply' } });
  });

  it('is answered what they meant also when the bot was thinking about the first version already', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_000 }]);
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });
    await until(() => town.gemini.requests.length === 1);

    await bakery.connection.customerEdits({ phone: ana.phone, targetId: ID, text: 'Qual é a taxa de entrega?' });
    await ana.hears(1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
  });

  it('is not answered twice, when it comes after the answer', async () => {
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });
    await ana.hears(1);
    await ana.isQuiet();

    await bakery.connection.customerEdits({ phone: ana.phone, targetId: ID, text: 'Qual é a taxa de entrega?' });
    await ana.writes('Obrigada!');
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()[1]).toContain('Por nada');
    expect(await ana.turns()).toHaveLength(2);
  });
});

describe('a customer who takes back what they wrote', () => {
  it('gets no answer to it, also when the bot was thinking about it already', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_000 }]);
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });
    await until(() => town.gemini.requests.length === 1);

    await bakery.connection.customerDeletes({ phone: ana.phone, targetId: ID });
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
  });

  it('gets no answer to it, and the message ends with that reason', async () => {
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });

    await bakery.connection.customerDeletes({ phone: ana.phone, targetId: ID });
    await ana.isQuiet();
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await ana.isQuiet();

    expect(ana.received()).toEqual([expect.stringContaining('R$ 8,00')]);
    expect((await ana.messages())[0]?.settled).toEqual({ kind: 'recorded', reason: 'taken-back' });
  });
});

describe('a correction that is recorded and not applied', () => {
  const EDIT = { targetId: ID, text: 'Qual é a taxa de entrega?' };

  /** As if it had been recorded by a service that died before it applied it. */
  async function isSomeSecondsOld(): Promise<void> {
    await sql`update inbound_event set received_at = received_at - interval '6 seconds' where kind = 'edit'`.execute(
      town.database.db,
    );
  }

  it('is found and applied', async () => {
    await bakery.connection.customerEdits({ phone: ana.phone, ...EDIT });
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });
    await isSomeSecondsOld();

    await until(async () => (await ana.messages())[0]?.text === EDIT.text);
    const open = await town.database.db
      .selectFrom('inbound_event')
      .where('applied_at', 'is', null)
      .select('kind')
      .execute();
    expect(open.filter(({ kind }) => kind === 'edit')).toEqual([]);
  });

  it('does not replace a newer one', async () => {
    await bakery.connection.customerEdits({ phone: ana.phone, ...EDIT });
    await ana.writes('Aceitam cheque?', { providerMessageId: ID });
    await isSomeSecondsOld();
    await bakery.connection.customerEdits({ phone: ana.phone, targetId: ID, text: 'Aceitam Pix?' });
    await until(async () => {
      const open = await town.database.db
        .selectFrom('inbound_event')
        .where('applied_at', 'is', null)
        .select('kind')
        .execute();
      return open.every(({ kind }) => kind !== 'edit');
    });

    expect((await ana.messages())[0]?.text).toBe('Aceitam Pix?');
  });
});
