import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { DocumentId, newId, TenantId } from '../vocabulary/ids.ts';
import type { FoundPassage } from './knowledge.ts';
import { findForgottenDocuments, findPassages, indexDocument, reviveDocument } from './passage-store.ts';

const DAY_MS = 24 * 3_600_000;

let test: TestDatabase;
let bakery: TenantId;
let clinic: TenantId;

beforeAll(async () => {
  test = await createTestDatabase();
});

afterAll(async () => {
  await test.close();
});

beforeEach(async () => {
  bakery = await tenant();
  clinic = await tenant();
});

async function tenant(): Promise<TenantId> {
  const id = newId(TenantId);
  await test.db
    .insertInto('tenant')
    .values({ id, slug: `t-${randomUUID()}`, name: 'Padaria', sealed_data_key: Buffer.alloc(1) })
    .execute();
  return id;
}

interface Article {
  readonly title: string;
  readonly text: string;
  readonly validFrom?: Date;
  readonly validUntil?: Date;
}

async function written(tenantId: TenantId, { title, text, validFrom, validUntil }: Article): Promise<DocumentId> {
  const id = newId(DocumentId);
  const dates = { valid_from: validFrom ?? null, valid_until: validUntil ?? null };
  await test.db
    .insertInto('knowledge_document')
    .values({ id, tenant_id: tenantId, title, text, ...dates })
    .execute();
  return id;
}

async function learnt(tenantId: TenantId, article: Article): Promise<DocumentId> {
  const id = await written(tenantId, article);
  await indexDocument(test.db, id);
  return id;
}

async function bakeryLearns(): Promise<void> {
  await learnt(bakery, { title: 'Horário de funcionamento', text: 'A loja abre de segunda a sábado, das 7h às 20h.' });
  await learnt(bakery, { title: 'Taxa de entrega', text: 'Entregamos em até 5 km. A taxa é de R$ 8,00.' });
  await learnt(bakery, { title: 'Formas de pagamento', text: 'Aceitamos Pix, dinheiro e cartão de crédito.' });
  await learnt(bakery, { title: 'Bolo de aniversário', text: 'Encomende o bolo de aniversário com três dias.' });
}

async function titlesFor(question: string, tenantId = bakery): Promise<readonly string[]> {
  return (await findPassages(test.db, tenantId, question)).map(({ title }) => title);
}

function scores(found: readonly FoundPassage[]): readonly number[] {
  return found.map(({ score }) => score);
}

describe('a question', () => {
  beforeEach(bakeryLearns);

  it.each([
    ['Qual é a taxa de entrega?', 'Taxa de entrega'],
    ['QUAL A TAXA PRA ENTREGAR', 'Taxa de entrega'],
    ['voces aceitam cartao de credito', 'Formas de pagamento'],
    ['que horas abre no sabado', 'Horário de funcionamento'],
    ['tem bolos de aniversario?', 'Bolo de aniversário'],
    ['horario de funcionamneto', 'Horário de funcionamento'],
    ['orario de funcionamento', 'Horário de funcionamento'],
  ])(
    'finds first what it is about, with and without accents, plurals and typing mistakes: %s',
    async (question, title) => {
      expect((await titlesFor(question))[0]).toBe(title);
    },
  );

  it.each([
    '',
    '???',
    "'; drop table passage; --",
    '&|!():*',
    "\\' \\\\",
    'a'.repeat(60_000),
    'a & b | !c <-> d',
    '🍞',
    '\uFFFD',
  ])('may hold anything: %p', async (question) => {
    const found = await findPassages(test.db, bakery, question);

    expect(Math.max(0, ...scores(found))).toBeLessThanOrEqual(1);
  });

  it('that is about nothing here finds nothing', async () => {
    expect(await titlesFor('Vocês consertam bicicletas?')).toEqual([]);
  });

  it('gets at most four passages, best first, with a score that can be compared between questions', async () => {
    for (let copy = 0; copy < 6; copy += 1)
      await learnt(bakery, { title: `Entrega ${copy}`, text: 'Sobre a entrega.' });

    const found = await findPassages(test.db, bakery, 'entrega');

    expect(found).toHaveLength(4);
    expect(scores(found)).toEqual(scores(found).toSorted((left, right) => right - left));
    expect(scores(found).every((score) => score > 0 && score <= 1)).toBe(true);
  });

  it('is scored higher by what covers more of it', async () => {
    const [exact] = await findPassages(test.db, bakery, 'taxa de entrega');
    const [partly] = await findPassages(test.db, bakery, 'taxa de entrega de bicicletas elétricas em Manaus');

    expect(exact?.score).toBeGreaterThan(0.8);
    expect(partly?.score).toBeLessThan(0.6);
  });

  it('never finds what another tenant knows', async () => {
    await learnt(clinic, { title: 'Taxa de entrega de exames', text: 'A taxa de entrega do exame é R$ 30,00.' });

    expect(await titlesFor('taxa de entrega', clinic)).toEqual(['Taxa de entrega de exames']);
    expect(await titlesFor('taxa de entrega')).not.toContain('Taxa de entrega de exames');
  });
});

describe('a document with dates', () => {
  it('is found between them, and not before or after', async () => {
    const now = Date.now();
    await learnt(bakery, { title: 'Promoção velha', text: 'Promoção de pão.', validUntil: new Date(now - DAY_MS) });
    await learnt(bakery, { title: 'Promoção futura', text: 'Promoção de pão.', validFrom: new Date(now + DAY_MS) });
    await learnt(bakery, {
      title: 'Promoção de hoje',
      text: 'Promoção de pão.',
      validFrom: new Date(now - DAY_MS),
      validUntil: new Date(now + DAY_MS),
    });

    expect(await titlesFor('promoção de pão')).toEqual(['Promoção de hoje']);
  });
});

describe('indexing', () => {
  it('makes a document findable, in passages that fit a prompt', async () => {
    const id = await written(bakery, { title: 'Tudo', text: 'Pão quente o dia todo. '.repeat(300) });

    expect(await titlesFor('pão quente')).toEqual([]);
    expect(await indexDocument(test.db, id)).toBe('ready');
    expect(await indexDocument(test.db, id)).toBe('nothing-to-do');

    expect((await titlesFor('pão quente')).length).toBeGreaterThan(1);
  });

  it('that is asked for again puts the passages in the place of the earlier ones', async () => {
    const id = await learnt(bakery, { title: 'Entrega', text: 'A taxa de entrega é R$ 8,00.' });
    await test.db
      .updateTable('knowledge_document')
      .set({ text: 'A taxa de entrega é R$ 9,00.' })
      .where('id', '=', id)
      .execute();
    expect(await test.db.transaction().execute((tx) => reviveDocument(tx, id))).toBe(true);

    await Promise.all([indexDocument(test.db, id), indexDocument(test.db, id)]);

    const found = await findPassages(test.db, bakery, 'taxa de entrega');
    expect(found.map(({ text }) => text)).toEqual(['A taxa de entrega é R$ 9,00.']);
  });

  it('is found forgotten when nobody has done it, and of what is gone nothing is asked', async () => {
    const id = await written(bakery, { title: 'Entrega', text: 'A taxa.' });

    expect(await findForgottenDocuments(test.db, 60_000)).not.toContain(id);
    expect(await findForgottenDocuments(test.db, 0)).toContain(id);
    expect(await indexDocument(test.db, newId(DocumentId))).toBe('nothing-to-do');
  });
});
