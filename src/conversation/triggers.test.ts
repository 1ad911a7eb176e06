import { describe, expect, it } from '@jest/globals';
import { turnOver, unanswered } from '../../test/support/turns.ts';
import { TenantSettings } from '../tenants/tenants.ts';
import type { Turn } from './conversation.ts';
import { HANDOFF_REASONS } from '../vocabulary/events.ts';
import { phrasesFor } from './phrases.ts';
import { isTopicForPerson, routingOf, triggersInWords } from './triggers.ts';

const CANCELLING = {
  name: 'cancelamento',
  keywords: ['cancelar', 'quero meu dinheiro de volta'],
  destination: 'retencao',
  priority: 'urgent',
} as const;
const ANGRY = { name: 'irritados', sentiment: 'angry', priority: 'high' } as const;
const BILLING = { name: 'cobrança', topics: ['Cobrança'], destination: 'financeiro' } as const;
const BOTH = { name: 'entrega furiosa', keywords: ['entrega'], sentiment: 'angry' } as const;

function settings(given: object = {}): TenantSettings {
  return TenantSettings.parse(given);
}

function says(text: string, more: Partial<Turn> = {}): Turn {
  return turnOver([unanswered(text)], more);
}

describe('what calls a person before anything is asked', () => {
  it.each([
    ['an ordinary question', 'Qual é a taxa de entrega?', {}, []],
    ['a wish', 'quero falar com alguém', {}, ['customer-asked']],
    ['a threat', 'vou ao Procon', {}, ['threat']],
    ['both, the threat first', 'quero falar com o gerente ou vou no procon', {}, ['threat', 'customer-asked']],
    [
      'a keyword, in capitals and without its accent',
      'QUERO CANCELAR',
      { handoffRules: [CANCELLING] },
      ['tenant-rule'],
    ],
    ['a phrase', 'eu quero meu dinheiro de volta já', { handoffRules: [CANCELLING] }, ['tenant-rule']],
    ['a keyword inside of a longer word', 'está cancelarizado?', { handoffRules: [CANCELLING] }, []],
    ['anger', 'Que absurdo, ninguém responde', { handoffRules: [ANGRY] }, ['tenant-rule']],
    ['anger that nobody made a rule for', 'Que absurdo, ninguém responde', {}, []],
    ['one half of a rule that names two things', 'e a entrega?', { handoffRules: [BOTH] }, []],
    ['both halves of it', 'Cadê a entrega? Que absurdo!', { handoffRules: [BOTH] }, ['tenant-rule']],
    ['a rule about topics, before there are any', 'cobrança errada', { handoffRules: [BILLING] }, []],
  ])('%s', (...[, text, given, reasons]) => {
    expect(triggersInWords(says(text), settings(given))).toEqual(reasons);
  });

  it('is a VIP where the tenant leaves VIPs to nobody else, whatever the tag looks like', () => {
    const vip = says('Oi', { contactTags: ['Vip'] });

    expect(triggersInWords(vip, settings({ vipTags: ['VIP'], vipHandoff: 'at-once' }))).toEqual(['vip']);
    expect(triggersInWords(vip, settings({ vipTags: ['VIP'] }))).toEqual([]);
    expect(triggersInWords(says('Oi'), settings({ vipTags: ['VIP'], vipHandoff: 'at-once' }))).toEqual([]);
  });

  it('reads a message once for a turn, however many rules ask, and reads the next turn anew', () => {
    const rules = settings({ handoffRules: [CANCELLING, ANGRY, BOTH, BILLING] });
    let reads = 0;
    const message = {
      ...unanswered('oi'),
      get text(): string {
        reads += 1;
        return 'Que absurdo, quero CANCELAR';
      },
    };
    const turn = turnOver([message]);

    for (let asked = 0; asked < 5; asked += 1) expect(triggersInWords(turn, rules)).toEqual(['tenant-rule']);
    expect(routingOf(turn, rules, []).rule).toBe('cancelamento');
    expect(isTopicForPerson(turn, rules, [])).toBe(true);
    expect(reads).toBe(1);
    expect(triggersInWords(turn, settings())).toEqual([]);
    expect(triggersInWords(says('vou ao Procon'), rules)).toEqual(['threat']);
  });

  it('is looked for in a long text by as many rules as a tenant may have', () => {
    const rules = Array.from({ length: 20 }, (_rule, index) => ({
      name: `regra ${index}`,
      keywords: Array.from({ length: 50 }, (_word, word) => `palavra ${index} ${word}`),
    }));

    const long = 'palavra '.repeat(8_000);

    expect(triggersInWords(says(long), settings({ handoffRules: rules }))).toEqual([]);
    expect(triggersInWords(says(`${long}. Vou ao Procon`), settings({ handoffRules: rules }))).toEqual(['threat']);
  });
});

describe('a topic', () => {
  const found = (title: string, score: number) => [{ title, score }];

  it('is the title of the best passage, where that fits the question', () => {
    const rules = settings({ handoffRules: [BILLING] });
    const turn = says('por que cobraram duas vezes?');

    expect(isTopicForPerson(turn, rules, found('Cobranca e faturas', 0.6))).toBe(true);
    expect(isTopicForPerson(turn, rules, found('Cobranca e faturas', 0.1))).toBe(false);
    expect(isTopicForPerson(turn, rules, found('Horário', 0.6))).toBe(false);
    expect(isTopicForPerson(turn, rules, [])).toBe(false);
  });
});

describe('where a handoff goes', () => {
  it('is what the first rule that fits says, whatever called for it', () => {
    const rules = settings({ handoffRules: [CANCELLING, ANGRY] });

    expect(routingOf(says('quero cancelar, me passa um atendente'), rules, [])).toEqual({
      rule: 'cancelamento',
      destination: 'retencao',
      priority: 'urgent',
    });
    expect(routingOf(says('Que absurdo'), rules, [])).toMatchObject({ rule: 'irritados', priority: 'high' });
  });

  it('is nowhere in particular without a rule; a threat and a VIP hurry by themselves', () => {
    const plain = { rule: undefined, destination: undefined };

    expect(routingOf(says('atendente'), settings(), [])).toEqual({ ...plain, priority: 'normal' });
    expect(routingOf(says('vou processar vocês'), settings(), [])).toEqual({ ...plain, priority: 'high' });
    const vip = says('atendente', { contactTags: ['vip'] });
    expect(routingOf(vip, settings({ vipTags: ['vip'] }), [])).toEqual({ ...plain, priority: 'high' });
  });
});

describe('a rule of a tenant', () => {
  it.each([
    ['that names nothing', { name: 'vazia' }],
    ['with a pattern for a destination', { name: 'uma', keywords: ['oi gente'], destination: 'Fila 1' }],
    ['with a keyword of one letter', { name: 'uma', keywords: ['a'] }],
    [
      'with more keywords than fifty',
      { name: 'uma', keywords: Array.from({ length: 51 }, (_it, at) => `palavra${at}`) },
    ],
    ['with a field that nobody knows', { name: 'uma', regex: '(a+)+$' }],
  ])('%s is refused', (...[, rule]) => {
    expect(TenantSettings.safeParse({ handoffRules: [rule] }).success).toBe(false);
  });
});

describe('the sentence for a handoff', () => {
  it.each(['pt-BR', 'en'])('is there for every reason in %s', (locale) => {
    const phrases = phrasesFor(locale);

    for (const reason of HANDOFF_REASONS) expect(phrases.handOver(reason)).toMatch(/^\S.{20,200}[.!]$/);
  });
});
