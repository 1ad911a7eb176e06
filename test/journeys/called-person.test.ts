import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { Handoff } from '../../src/panel/contract/handoffs.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let people = 0;
const lines: string[] = [];

beforeAll(async () => {
  town = await Town.start({ environment: { LOG_LEVEL: 'info' }, onLog: (line) => lines.push(line) });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterAll(async () => {
  await town.close();
});

function somebody(tenant = bakery): Customer {
  people += 1;
  return tenant.customer(`Ana ${people}`, `55119888${String(people).padStart(5, '0')}`);
}

async function handoffOf(customer: Customer): Promise<Handoff> {
  const { id } = await customer.conversation();
  const { status, body } = await customer.tenant.api('GET', `/conversations/${id}/handoff`);
  if (status !== 200) throw new Error(`The handoff was answered ${status}`);
  return Handoff.parse(body);
}

async function settingsOf(tenant: TownTenant, body: object): Promise<void> {
  expect((await tenant.api('PATCH', '/settings', { body })).status).toBe(200);
}

async function outboxRows(): Promise<number> {
  const { count } = await town.database.db
    .selectFrom('outbox')
    .select((is) => is.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

const DryRun = z.object({
  found: z.array(z.object({ title: z.string() })),
  draft: z.object({ reply: z.string() }).nullable(),
  reply: z.string().nullable(),
  claims: z.array(z.unknown()),
  verdict: z.string(),
  wantsHuman: z.boolean(),
  injection: z.boolean(),
  reasons: z.array(z.string()),
});

async function dryRun(text: string, more: object = {}, tenant = bakery) {
  const { status, body } = await tenant.api('POST', '/assistant/dry-run', { body: { text, ...more } });
  expect([status, body]).toEqual([200, expect.anything()]);
  return DryRun.parse(body);
}

describe('Ana, who threatens', () => {
  it('gets a person without any model, is told so once, and the person gets a packet that names her words', async () => {
    const ana = somebody();
    const asked = town.gemini.requests.length;

    await ana.writes('Meu bolo não chegou e vou ao Procon');
    const [sentence] = await ana.hears(1);
    await ana.isQuiet();
    await ana.writes('E aí?');
    await ana.isQuiet();

    expect(sentence).toContain('Sinto muito por isso');
    expect(ana.received()).toHaveLength(1);
    expect(town.gemini.requests).toHaveLength(asked);
    expect((await ana.turns()).at(-1)?.trace).toMatchObject({ reasons: ['threat'], routing: { priority: 'high' } });
    const handoff = await handoffOf(ana);
    const [first] = await ana.messages();
    expect(handoff).toMatchObject({ state: 'waiting', reason: 'threat', priority: 'high', destination: null });
    expect(handoff.packet.sections.find(({ name }) => name === 'mood')?.sentences).toEqual([
      { text: expect.stringContaining('Ameaça'), messageIds: [first?.id] },
    ]);
    expect(handoff.packetText).toContain('Meu bolo não chegou e vou ao Procon');
  });
});

describe('Bia, who sends voice notes', () => {
  it('is asked to write once, and gets a person the second time', async () => {
    const bia = somebody();

    await bia.sends('audio');
    await bia.hears(1);
    await bia.isQuiet();
    await bia.sends('audio');
    const [, second] = await bia.hears(2);
    await bia.isQuiet();

    expect(second).toContain('Vou chamar uma pessoa da equipe, que consegue');
    expect(await handoffOf(bia)).toMatchObject({ reason: 'unreadable-twice' });
  });
});

describe('a tenant’s own rules', () => {
  it('call a person for a word, a topic and a VIP, and say where to', async () => {
    const clinic = await town.tenant({ name: 'Clínica', articles: BAKERY_ARTICLES });
    await settingsOf(clinic, {
      handoffRules: [
        { name: 'desistência', keywords: ['desistir'], destination: 'retencao', priority: 'urgent' },
        { name: 'entregas', topics: ['entrega'], destination: 'logistica' },
      ],
      vipTags: ['vip'],
      vipHandoff: 'at-once',
    });
    const [word, topic, vip] = [somebody(clinic), somebody(clinic), somebody(clinic)];
    await vip.writes('Aceitam cheque?');
    await vip.hears(1);
    await vip.isQuiet();
    const { contactId } = await vip.conversation();
    await clinic.api('PATCH', `/contacts/${contactId}`, { body: { tags: ['VIP'] } });
    const asked = town.gemini.requests.length;

    await word.writes('Quero DESISTIR da compra');
    await topic.writes('Qual é a taxa de entrega?');
    await vip.writes('Abrem aos domingos?');
    await Promise.all([word.isQuiet(), topic.isQuiet(), vip.isQuiet()]);

    expect(await handoffOf(word)).toMatchObject({
      reason: 'tenant-rule',
      rule: 'desistência',
      destination: 'retencao',
      priority: 'urgent',
    });
    expect(await handoffOf(topic)).toMatchObject({ reason: 'tenant-rule', rule: 'entregas', destination: 'logistica' });
    expect(await handoffOf(vip)).toMatchObject({ reason: 'vip', priority: 'high' });
    expect((await topic.turns())[0]?.trace).toMatchObject({
      found: expect.arrayContaining([expect.objectContaining({ title: 'Entrega' })]),
    });
    expect(town.gemini.requests).toHaveLength(asked);
  });
});

describe('what nothing was found for', () => {
  it('goes to a person at once where the tenant wants that', async () => {
    const shop = await town.tenant({ name: 'Loja', articles: BAKERY_ARTICLES });
    await settingsOf(shop, { nothingFound: 'hand-over' });
    const ana = somebody(shop);
    town.gemini.nextAnswers([{ text: 'Não sei.', confidence: 0.1 }]);

    await ana.writes('Vocês consertam bicicletas elétricas?');
    await ana.hears(1);
    await ana.isQuiet();

    expect(await handoffOf(ana)).toMatchObject({ reason: 'nothing-found' });
  });
});

describe('a packet', () => {
  it('is written by a model when one is up, and only while every sentence rests on a message that is there', async () => {
    const shop = await town.tenant({ name: 'Loja', articles: BAKERY_ARTICLES, packetWriter: 'model' });
    const [ana, bia] = [somebody(shop), somebody(shop)];
    town.gemini.nextAnswers([{ text: 'wants: Quer saber do bolo que encomendou. [m1]\nmood: Está calma. [m1]' }]);
    await ana.writes('Quero falar com alguém sobre o bolo que encomendei');
    await until(async () => (await writersOf(ana)) === 'model 1');

    town.gemini.nextAnswers([{ text: 'wants: Quer um reembolso de R$ 500. [m7]' }]);
    await bia.writes('atendente, por favor');
    await until(() => lines.some((line) => line.includes('not-traceable')));
    expect(await writersOf(bia)).toBe('rule 1');

    const [toAna, toBia] = [await handoffOf(ana), await handoffOf(bia)];
    const [asked] = await ana.messages();
    expect(toAna.packet.writtenBy).toBe('model');
    expect(toAna.packet.sections[0]).toEqual({
      name: 'wants',
      sentences: [{ text: 'Quer saber do bolo que encomendou.', messageIds: [asked?.id] }],
    });
    expect(toBia.packet.writtenBy).toBe('rule');
    expect(toBia.packetText).not.toContain('500');
    // Both are paid for, whatever became of them.
    await until(async () => (await spentOn(ana)) > 0 && (await spentOn(bia)) > 0);
  });
});

/** What models have cost for a customer apart from turns, in millionths of a US dollar. */
async function spentOn(customer: Customer): Promise<number> {
  const { id } = await customer.conversation();
  const row = await town.database.db
    .selectFrom('contact_spending')
    .innerJoin('conversation', 'conversation.contact_id', 'contact_spending.contact_id')
    .select((is) => is.fn.sum('micro_usd').as('spent'))
    .where('conversation.id', '=', id)
    .executeTakeFirst();
  return Number(row?.spent ?? 0);
}

/** Who wrote the packet, and how often a model was asked; undefined while there is none. */
async function writersOf(customer: Customer): Promise<string | undefined> {
  const found = await customer.findConversation();
  if (found === undefined) return undefined;
  const row = await town.database.db
    .selectFrom('handoff_packet')
    .innerJoin('handoff', 'handoff.id', 'handoff_packet.handoff_id')
    .select(['written_by', 'tries'])
    .where('handoff.conversation_id', '=', found.id)
    .executeTakeFirst();
  return row && `${row.written_by} ${row.tries}`;
}

describe('a dry run', () => {
  it('tells what a turn would do, and leaves nothing behind', async () => {
    const rows = await outboxRows();
    const conversations = await bakery.conversations();

    const answer = await dryRun('Qual é a taxa de entrega?');

    expect(answer).toMatchObject({ verdict: 'reply', wantsHuman: false, injection: false, reasons: [], claims: [] });
    expect(answer.found[0]?.title).toBe('Entrega');
    expect(answer.reply).toContain('R$ 8,00');
    expect(answer.draft?.reply).toBe(answer.reply);
    expect(await outboxRows()).toBe(rows);
    expect(await bakery.conversations()).toEqual(conversations);
  });

  it('names why a person would be called, without asking a model', async () => {
    const asked = town.gemini.requests.length;

    expect(await dryRun('quero falar com o gerente ou vou ao procon')).toMatchObject({
      verdict: 'hand-over',
      wantsHuman: true,
      reasons: ['threat', 'customer-asked'],
      draft: null,
    });
    expect(await dryRun('vou processar vocês', { channel: 'image-caption' })).toMatchObject({ reasons: ['threat'] });
    expect(town.gemini.requests).toHaveLength(asked);
  });

  it('says that it would ask, and why: nobody is sure, or the model is gone', async () => {
    town.gemini.nextAnswers([{ text: 'Talvez.', confidence: 0.2 }]);
    expect(await dryRun('Entregam em Marte a taxa?')).toMatchObject({ verdict: 'ask', reasons: ['unsure'] });
    expect((await dryRun('quero transferir meus pontos')).wantsHuman).toBe(false);
  });

  it('remembers what it is told was said before, and takes words by every way they come', async () => {
    const history = [
      { author: 'customer', text: 'Meu pedido é o 4711' },
      { author: 'bot', text: 'Anotei.' },
    ];
    const ways = ['text', 'quoted', 'document', 'filename', 'vcard', 'transcript', 'image-caption', 'contact-name'];

    for (const channel of ways) await dryRun('Qual é a taxa de entrega?', { channel, history });

    expect(JSON.stringify(town.gemini.requests.at(-1)?.body)).toContain('Meu pedido é o 4711');
    const wrong = await bakery.api('POST', '/assistant/dry-run', { body: { text: 'Oi', channel: 'pigeon' } });
    expect(wrong.status).toBe(400);
  });
});

describe('a tenant that tries out too much', () => {
  it('is asked to wait, and nobody else is', async () => {
    const eager = await town.tenant({ name: 'Apressada' });
    const answers: number[] = [];
    while (!answers.includes(429) && answers.length < 100) {
      const { status } = await eager.api('POST', '/assistant/dry-run', { body: { text: 'atendente' } });
      answers.push(status);
    }

    expect(answers.filter((status) => status === 200).length).toBeGreaterThanOrEqual(60);
    expect(answers.at(-1)).toBe(429);
    expect((await dryRun('atendente')).verdict).toBe('hand-over');
  });
});

describe('Bruno, who has a conversation', () => {
  it('gets a draft for what the customer said last, and nothing of it goes anywhere', async () => {
    const ana = somebody();
    await ana.writes('atendente');
    await ana.hears(1);
    await ana.isQuiet();
    const { id } = await ana.conversation();
    await bakery.api('POST', `/conversations/${id}/takeover`, { body: {} });
    await ana.writes('Qual é a taxa de entrega?');
    await ana.isQuiet();
    const [rows, said] = [await outboxRows(), await ana.messages()];

    const { status, body } = await bakery.api('POST', `/conversations/${id}/suggestions`, { body: {} });

    expect(status).toBe(200);
    expect(body).toMatchObject({ kind: 'suggestion', text: expect.stringContaining('R$ 8,00') });
    expect(await outboxRows()).toBe(rows);
    expect(await ana.messages()).toEqual(said);
    expect(ana.received()).toHaveLength(1);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'taken' });
    expect(await spentOn(ana)).toBeGreaterThan(0);
  });

  it('gets none while the bot has it, nor in a conversation of another tenant', async () => {
    const ana = somebody();
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await ana.isQuiet();
    const { id } = await ana.conversation();
    const other = await town.tenant({ name: 'Outra' });

    const own = await bakery.api('POST', `/conversations/${id}/suggestions`, { body: {} });
    const theirs = await other.api('POST', `/conversations/${id}/suggestions`, { body: {} });

    expect([own.status, own.body]).toEqual([409, expect.objectContaining({ code: 'NO_PERSON_OWNS' })]);
    expect(theirs.status).toBe(404);
  });
});
