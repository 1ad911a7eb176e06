import { describe, expect, it } from '@jest/globals';
import { NOON } from '../../test/support/turns.ts';
import { findLoop, MESSAGES_LOOKED_AT } from './loop-breaker.ts';
import type { LoopLimits, SaidMessage } from './loop-breaker.ts';

const LIMITS: LoopLimits = { loopRepeats: 3, loopCadence: 4, loopOwnWords: 4 };
const OFF: LoopLimits = { loopRepeats: 0, loopCadence: 0, loopOwnWords: 0 };
const QUESTION = 'Posso retirar o pedido na loja do centro amanhã cedo?';

/** Their texts, each answered by us after five seconds, each after a wait of theirs. */
function talkOf(texts: readonly string[], waitsMs: readonly number[] = [7_000, 19_000, 12_000, 31_000, 9_000]) {
  const said: SaidMessage[] = [];
  let at = NOON.getTime();
  for (const [index, text] of texts.entries()) {
    if (index > 0) {
      at += 5_000;
      said.push({ author: 'bot', text: `Resposta ${'número '.repeat(index)}a quem pergunta.`, at: new Date(at) });
      at += waitsMs[(index - 1) % waitsMs.length] ?? 0;
    }
    said.push({ author: 'customer', text, at: new Date(at) });
  }
  return said;
}

function times(count: number, text: string): readonly string[] {
  return Array.from({ length: count }, () => text);
}

function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${QUESTION} Número ${index}.`);
}

const ANSWERS = [
  'Somos a Transportes Modelo, boa tarde a todos.',
  'Coletamos de segunda a sexta em toda a cidade.',
  'Fazemos orçamento sem compromisso pelo site.',
  'Carga frágil precisa de embalagem reforçada.',
  'Prazo médio de dois dias para o interior.',
  'Motoristas treinados e caminhões rastreados.',
];

describe('what repeats itself', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['a paragraph said four times', times(4, QUESTION), undefined],
    ['a paragraph said five times', times(5, QUESTION), 'repeated-text'],
    ['two words said five times', times(5, 'segunda via'), undefined],
    ['two words said six times', times(6, 'segunda via'), 'repeated-text'],
    ['"sim" said eight times', times(8, 'sim'), undefined],
    ['a form filled in five times', numbered(5), undefined],
    ['a form filled in six times', numbered(6), 'repeated-text'],
    ['short codes in one form', [1, 2, 3, 4, 5, 6, 7, 8].map((it) => `cod 100${it} qtd 5`), undefined],
    ['two sentences in turn', [0, 1, 2].flatMap(() => ['Em que posso ser útil hoje?', QUESTION]), 'repeated-text'],
    ['three menus', times(3, 'Digite 1 para vendas ou 2 para suporte'), 'repeated-text'],
    [
      'a paragraph said four times with a word of anger in it',
      [...times(3, QUESTION), 'alô?!', ...times(2, QUESTION)],
      undefined,
    ],
    ['a paragraph said five times, and then something else', [...times(5, QUESTION), 'deixa, vou aí'], undefined],
    ['nothing at all, said often', times(8, ''), undefined],
  ])('%s: %j', (...[, texts, signal]) => {
    expect(findLoop(talkOf(texts), LIMITS)?.signal).toBe(signal);
  });

  it('is one reply while we say nothing in between', () => {
    const burst = times(20, QUESTION).map((text): SaidMessage => ({ author: 'customer', text, at: NOON }));

    expect(findLoop(burst, LIMITS)).toBeUndefined();
  });

  it('is no loop where somebody comes back with it every quarter of an hour', () => {
    expect(findLoop(talkOf(times(8, QUESTION), [900_000]), LIMITS)).toBeUndefined();
  });
});

describe('what answers too well', () => {
  it.each<[string, readonly number[], string | undefined]>([
    ['faster than anybody types', [300, 900, 500, 200], 'machine-cadence'],
    ['as evenly as a clock', [30_000, 30_300, 30_100, 30_200, 30_150], 'machine-cadence'],
    ['fast once, and else as people do', [300, 9_000, 14_000, 7_000, 20_000], undefined],
    ['as fast as somebody pastes from notes', [4_000, 5_500, 3_800, 6_100, 4_400], undefined],
    ['slowly and not evenly', [22_000, 31_000, 40_000, 27_000, 24_000], undefined],
  ])('%s', (...[, waits, signal]) => {
    const texts = ANSWERS.map((text) => `${text} ${text}`);

    expect(findLoop(talkOf(texts, waits), { ...LIMITS, loopRepeats: 0 })?.signal).toBe(signal);
  });

  it('is somebody by the clock, where a person writes as people write', () => {
    const texts = [
      'coloquei a água no fogo alto',
      'agora o sal e um fio de azeite',
      'já está fervendo bastante',
      'coloquei o macarrão todo',
      'mexi devagar por um minuto',
      'pronto, escorri e provei',
    ];

    expect(findLoop(talkOf(texts, [60_000]), LIMITS)).toBeUndefined();
  });

  it('is a person who crosses with our answers, now and then', () => {
    const texts = ['oi', 'queria saber do bolo', 'de chocolate com morango', 'pra sábado', 'de manhã'];

    expect(findLoop(talkOf(texts, [600, 700, 500, 6_000]), LIMITS)).toBeUndefined();
  });
});

describe('what says our own words', () => {
  it('is an echo, or another bot like this one', () => {
    const unsure = 'Não tenho certeza da resposta e não quero te informar errado. É sobre um destes assuntos?';
    const texts = ['oi', unsure, 'Se preferir falar com uma pessoa, escreva *atendente*.', unsure, unsure];

    expect(findLoop(talkOf(texts), LIMITS)).toEqual({ signal: 'own-words', replies: 5 });
    expect(findLoop(talkOf(texts.slice(0, 4)), LIMITS)).toBeUndefined();
  });
});

describe('a tenant', () => {
  it('may switch each signal off', () => {
    expect(findLoop(talkOf(times(8, QUESTION), [200]), OFF)).toBeUndefined();
    expect(findLoop(talkOf(times(8, QUESTION), [200]), { ...OFF, loopCadence: 4 })?.signal).toBe('machine-cadence');
    expect(findLoop(talkOf(times(8, QUESTION), [200]), { ...OFF, loopRepeats: 3 })?.signal).toBe('repeated-text');
  });
});

it('looks at no more than it has to, however much was said', () => {
  const long = talkOf(times(MESSAGES_LOOKED_AT / 2, `${QUESTION} `.repeat(1_000)));
  const startedAt = performance.now();

  expect(findLoop(long, LIMITS)?.replies).toBe(8);
  // The machine is shared and may be slow: this is far above what it takes, and far below what unbounded work would.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
