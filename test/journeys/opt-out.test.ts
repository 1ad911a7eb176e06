import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { heldBackOnceMore, outboxState } from '../support/held-back.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let people = 0;

beforeAll(async () => {
  town = await Town.start();
  town.gemini.answers('O pão sai às 7h.');
  bakery = await town.tenant();
});

afterAll(async () => {
  await town.close();
});

/** Every test has a customer of its own. */
function somebody(tenant = bakery): Customer {
  people += 1;
  return tenant.customer(`Ana ${people}`, `55119888801${String(people).padStart(2, '0')}`);
}

const CONFIRMED = 'Pronto, não vou mais escrever para você; se mudar de ideia, é só mandar *VOLTAR*.';

const Consent = z.object({
  optedOut: z.boolean(),
  events: z.array(z.object({ kind: z.string(), source: z.string(), messageId: z.string() })),
});

async function consentOf(customer: Customer): Promise<z.infer<typeof Consent>> {
  const { id } = await customer.conversation();
  return Consent.parse((await bakery.api('GET', `/conversations/${id}/consent`)).body);
}

async function reasonsOf(customer: Customer): Promise<readonly unknown[]> {
  const own = (await customer.messages()).filter((message) => message.author === 'customer');
  return own.map(({ settled }) => (settled?.kind === 'recorded' ? settled.reason : settled?.kind));
}

async function says(customer: Customer, text: string): Promise<void> {
  await customer.writes(text);
  await customer.isQuiet();
}

describe('Ana, who writes SAIR', () => {
  it('hears one sentence that says how to come back, and then nothing more', async () => {
    const ana = somebody();
    await says(ana, 'SAIR');
    await says(ana, 'Quando sai o pão?');
    await says(ana, 'sair');
    await says(ana, 'oi?');

    expect(ana.received()).toEqual([CONFIRMED]);
    expect(await reasonsOf(ana)).toEqual(['reply', 'opted-out', 'opted-out', 'opted-out']);
    expect(await consentOf(ana)).toMatchObject({ optedOut: true, events: [{ kind: 'opt-out', source: 'message' }] });
  });

  it('is answered again after VOLTAR, and both wishes are kept', async () => {
    const ana = somebody();
    await says(ana, 'Não quero mais receber mensagens');
    await says(ana, 'VOLTAR');
    await says(ana, 'Quando sai o pão?');

    expect(ana.received()).toEqual([CONFIRMED, 'Que bom ter você de volta! Como posso ajudar?', 'O pão sai às 7h.']);
    expect((await consentOf(ana)).events.map(({ kind }) => kind)).toEqual(['opt-in', 'opt-out']);
  });

  it('still gets a person who asks for one, and the person may write', async () => {
    const ana = somebody();
    await says(ana, 'PARE');
    await says(ana, 'quero falar com um atendente');

    expect(ana.received().slice(1)).toEqual([expect.stringContaining('Vou chamar uma pessoa')]);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });
  });

  it('is heard while a person has the conversation, without a word of the bot', async () => {
    const ana = somebody();
    await says(ana, 'Quando sai o pão?');
    const { id } = await ana.conversation();
    await bakery.api('POST', `/conversations/${id}/takeover`, { body: {} });
    await says(ana, 'não me mandem mais mensagens');
    await bakery.api('POST', `/conversations/${id}/return`, { body: {} });
    await says(ana, 'Quando sai o pão?');

    expect(ana.received()).toEqual(['O pão sai às 7h.']);
    expect(await consentOf(ana)).toMatchObject({ optedOut: true });
    expect(await reasonsOf(ana)).toEqual(['reply', 'human', 'opted-out']);
  });
});

describe('an opt-out', () => {
  it('holds for words that were decided and had not left', async () => {
    const ana = somebody();
    await says(ana, 'Quando sai o pão?');
    const { id } = await ana.conversation();
    // What was to be said next, on its way since before.
    const waits = await heldBackOnceMore(town.database.db, id);

    await says(ana, 'stop');
    await until(async () => (await outboxState(town.database.db, waits)) === 'dropped');

    expect(ana.received()).toEqual(['O pão sai às 7h.', CONFIRMED]);
  });

  it('holds on the other channels of the tenant: what was decided there is of an older epoch', async () => {
    const ana = somebody();
    await says(ana, 'Quando sai o pão?');
    const elsewhere = await sameContactElsewhere((await ana.conversation()).id);

    await ana.writes('descadastrar');
    await ana.hears(2);

    expect(await epochOf(elsewhere)).toBe(1);
    expect(await consentOf(ana)).toMatchObject({ optedOut: true });
  });
});

/** The contact of this conversation writes to the tenant's second number as well. */
async function sameContactElsewhere(conversationId: string): Promise<string> {
  const { db } = town.database;
  const { tenant_id, channel_id, contact_id } = await db
    .selectFrom('conversation')
    .select(['tenant_id', 'channel_id', 'contact_id'])
    .where('id', '=', conversationId)
    .executeTakeFirstOrThrow();
  const channel = await db.selectFrom('channel').selectAll().where('id', '=', channel_id).executeTakeFirstOrThrow();
  const [second, id] = [crypto.randomUUID(), crypto.randomUUID()];
  const { handoff_queues, ...same } = channel;
  await db
    .insertInto('channel')
    .values({ ...same, id: second, handoff_queues: JSON.stringify(handoff_queues) })
    .execute();
  await db.insertInto('conversation').values({ id, tenant_id, channel_id: second, contact_id }).execute();
  return id;
}

async function epochOf(conversationId: string): Promise<number> {
  const { db } = town.database;
  return (
    await db.selectFrom('conversation').select('epoch').where('id', '=', conversationId).executeTakeFirstOrThrow()
  ).epoch;
}
