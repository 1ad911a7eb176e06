import { describe, expect, it } from '@jest/globals';
import { emptyContext, remember } from '../../src/conversation/conversation-context.ts';
import { findLoop } from '../../src/conversation/loop-breaker.ts';
import { moodOf, soundsAngry } from '../../src/conversation/mood.ts';
import { offlineAnswer } from '../../src/conversation/offline-answer.ts';
import { phrasesFor } from '../../src/conversation/phrases.ts';
import { triggersInWords } from '../../src/conversation/triggers.ts';
import { isClosingThanks } from '../../src/handoff/closing-thanks.ts';
import { readCsatAnswer } from '../../src/handoff/csat-answer.ts';
import { packetFromModel } from '../../src/handoff/packet-by-model.ts';
import { writePacket } from '../../src/handoff/packet.ts';
import type { PacketFacts } from '../../src/handoff/packet.ts';
import { wantsOptIn, wantsOptOut } from '../../src/privacy/privacy.ts';
import { TenantSettings } from '../../src/tenants/tenants.ts';
import { MessageId, newId } from '../../src/vocabulary/ids.ts';
import { computedMs } from '../support/stopwatch.ts';
import { NOON, turnOver, unanswered } from '../support/turns.ts';

/** The longest text that a webhook may bring. */
const LONGEST = 65_536;
const WITHIN_MS = 50;
const SETTINGS = TenantSettings.parse({});

/** Said again and again, each to trip a rule that can read it in more than one way. */
const SHORT = ['?', '? ', '!', '. ', ', ', ' ', '\n', 'a', 'á', '1', '1 ', '👍', '⭐', '5️⃣'];
const TOKENS: readonly string[] = [
  ...SHORT,
  ...['oi', 'oi ', 'bom dia ', 'tudo bem ', 'obrigado', 'obrigado ', 'brigad', 'ok ', 'valeu ', 'isso ', 'por favor '],
  ...[
    'nota ',
    'minha nota ',
    'minha nota e ',
    'e ',
    'com ',
    'eu dou ',
    'o atendimento ',
    'foi e ',
    'uma ',
    '5 de ',
    '10 ',
  ],
  ...['muito ', 'muito bom ', 'demais ', 'nao foi ', 'demorou ', 'mais ou menos ', 'so ', 'bom, ', 'bom,'],
  ...['nao quero receber ', 'mais ', 'mensagens ', 'aqui ', 'pra mim ', 'no meu whats ', 'stop ', 'dont ', 'voltar '],
  ...[
    'abr ',
    'entr com ',
    'reclam ',
    'reclam',
    'vou ',
    'vou na ',
    'fazer ',
    'procur ',
    'nota reclame',
    'vi no reclame aqui que ',
  ],
  ...[
    'falar com ',
    'passa',
    'quero ',
    'sem ',
    'vagas ',
    'alguem ',
    'para uma ',
    'ate ',
    'em ate ',
    'retorn',
    'garant ',
  ],
  ...[
    'me liga por favor ',
    'tem alguem ',
    'nao quero falar com ',
    'vou contar tudo que voces ',
    'vou levar ',
    'atendemte ',
  ],
  ...['absurd', 'absurd ', 'golpe ', 'lata de ', 'pedido ', 'pedido numero ', 'order #', 'm1, '],
];

function longest(token: string, end: string): string {
  return token.repeat(Math.ceil(LONGEST / token.length)).slice(0, LONGEST - end.length) + end;
}

/** The rules are read for the first time here, too, which takes a moment of its own: the better of two counts. */
function processorMs(rule: (text: string) => unknown, text: string): number {
  const once = (): number => {
    const before = computedMs();
    rule(text);
    return computedMs() - before;
  };
  const first = once();
  return first < WITHIN_MS ? first : Math.min(first, once());
}

function factsOf(text: string): PacketFacts {
  const message = (author: 'customer' | 'bot') => ({ id: newId(MessageId), author, kind: 'text' as const, text });
  const place = { locale: 'pt-BR', timeZone: 'America/Sao_Paulo', reason: 'threat', sources: [], now: NOON };
  return { ...place, messages: [message('customer'), message('bot')], moodOf, dueAt: undefined };
}

const EMPTY_PACKET = writePacket({ ...factsOf('oi'), messages: [] });
const LIMITS = { loopRepeats: 3, loopCadence: 3, loopOwnWords: 3 };

/** One customer's text to each, as the product gives it to them. */
const RULES: readonly (readonly [name: string, rule: (text: string) => unknown])[] = [
  ['what calls a person', (text) => triggersInWords(turnOver([unanswered(text)]), SETTINGS)],
  ['anger', soundsAngry],
  ['mood', moodOf],
  ['an opt-out', wantsOptOut],
  ['the way back', wantsOptIn],
  ['a goodbye', isClosingThanks],
  ['a mark for the service', readCsatAnswer],
  ['a mark of the longest kind', (text) => readCsatAnswer(text.slice(-500))],
  ['a packet', (text) => writePacket(factsOf(text))],
  ['a packet by a model', (text) => packetFromModel(EMPTY_PACKET, `wants: ${text.slice(-8_000)} [m1`, factsOf(text))],
  ['an answer without a model', (text) => offlineAnswer(text, [], { phrases: phrasesFor('pt-BR'), company: 'Sol' })],
  [
    'what is remembered',
    (text) => remember(emptyContext(), [{ author: 'customer', kind: 'text', text, saidAt: NOON }], '1'),
  ],
  [
    'a loop',
    (text) =>
      findLoop(
        (['customer', 'bot', 'customer'] as const).map((author) => ({ author, text, at: NOON })),
        LIMITS,
      ),
  ],
];

describe('the longest text of a customer keeps nobody else waiting', () => {
  it.each(RULES)('while it is looked through for %s', (_name, rule) => {
    const slow = TOKENS.flatMap((token) =>
      ['', 'x'].flatMap((end) => {
        const ms = processorMs(rule, longest(token, end));
        return ms < WITHIN_MS ? [] : [`${JSON.stringify(token + end)}: ${ms.toFixed(0)} ms`];
      }),
    );

    expect(slow).toEqual([]);
  });
});
