import { describe, expect, it } from '@jest/globals';
import { composeReply } from '../gemini/grounded-brain.ts';
import { DEMO_ARTICLES } from './articles.ts';
import { DEMO_CUSTOMERS } from './customers.ts';

describe('the knowledge of the demo bakery', () => {
  it('is thirty articles, each with a title of its own', () => {
    const titles = DEMO_ARTICLES.map((article) => article.title);

    expect(titles).toHaveLength(30);
    expect(new Set(titles).size).toBe(30);
  });

  it.each(DEMO_ARTICLES)('"$title" is short enough to read and long enough to answer', ({ text }) => {
    const words = text.split(/\s+/).length;

    expect(words).toBeGreaterThanOrEqual(80);
    expect(words).toBeLessThanOrEqual(250);
  });

  it('names no phone, mailbox or site that could belong to somebody', () => {
    const everything = DEMO_ARTICLES.map((article) => article.text).join('\n');
    const phones = everything.match(/\(\d\d\) ?\d{4,5}-\d{4}/g) ?? [];
    const domains = [...everything.matchAll(/(?:@|https?:\/\/)([\w.-]+\w)/g)].map((match) => match[1]);

    expect(phones.filter((phone) => !phone.startsWith('(11) 4000-00'))).toEqual([]);
    expect(domains.filter((domain) => domain !== 'paodavila.example')).toEqual([]);
  });
});

describe('the customers of the demo', () => {
  it('are five people with numbers of their own', () => {
    expect(new Set(DEMO_CUSTOMERS.map((customer) => customer.id)).size).toBe(5);
    expect(new Set(DEMO_CUSTOMERS.map((customer) => customer.phone)).size).toBe(5);
    for (const { phone } of DEMO_CUSTOMERS) expect(phone).toMatch(/^551199999000\d$/);
  });

  it('have avatars on which white letters can be read', () => {
    for (const { colour } of DEMO_CUSTOMERS) expect(contrastWithWhite(colour)).toBeGreaterThanOrEqual(4.5);
  });
});

describe('the questions that the demo suggests', () => {
  /** The fact that answers each question, in the order of the customers and their examples. */
  const facts = [
    'aos sábados das 7h às 17h',
    'R$ 9,90 de 3 a 6 km',
    'o entregador leva a maquininha e aceita débito, crédito e vale-refeição',
    '48 horas de antecedência',
    'não é indicado para celíacos',
    'devolvemos 100% do valor pago',
    'devolvemos a taxa de entrega',
    'envie o comprovante',
    'Dados para nota fiscal',
    'às 6h, 9h, 12h, 16h e 18h',
    '200 pontos',
    'das 7h às 14h',
    'R$ 45,00 por pessoa',
    'R$ 250,00 por entrega',
    'até as 18h de quarta-feira',
  ];
  const questions = DEMO_CUSTOMERS.flatMap((customer) => customer.examples);

  it('are three for each customer, all different', () => {
    expect(new Set(questions).size).toBe(facts.length);
  });

  it.each(questions.map((question, at) => ({ question, fact: facts[at] })))(
    '"$question" is answered from the articles: $fact',
    ({ question, fact }) => {
      const passages = DEMO_ARTICLES.map(({ title, text }) => `<passage title="${title}">${text}</passage>`).join('\n');

      const { reply } = composeReply(passages, `<customer>${question}</customer>`);

      expect(reply).toContain(fact);
    },
  );
});

/** Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
function contrastWithWhite(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05);
}
