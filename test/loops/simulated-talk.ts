import { findLoop } from '../../src/conversation/loop-breaker.ts';
import type { LoopFound, LoopLimits, SaidMessage } from '../../src/conversation/loop-breaker.ts';
import type { ScriptedBot } from './bots.ts';

/** Answers of a bot of ours that is sure of itself, whatever it is told: nothing else ends these talks. */
const ANSWERS = [
  'A taxa de entrega é de R$ 8,00 e o prazo é de 60 minutos. Posso ajudar com mais alguma coisa?',
  'Abrimos de segunda a sábado, das 7h às 20h. Quer fazer um pedido?',
  'Aceitamos Pix, dinheiro e cartão de crédito ou débito.',
  'Claro! Qual sabor você prefere?',
  'Entregamos em até 5 km da loja. Qual é o seu endereço?',
  'Temos pão francês, pão de queijo e broa. O que vai querer?',
  'Obrigado pela mensagem! Se quiser, já posso anotar o seu pedido.',
];

export interface Stopped {
  /** How many times the machine had spoken. */
  readonly turns: number;
  readonly found: LoopFound;
}

/** Lets a machine talk with us by a simulated clock until the rule stops it, or for so many turns. */
export function talk(
  bot: ScriptedBot,
  limits: LoopLimits,
  run: { seed: number; turnsMax: number },
): Stopped | undefined {
  const dice = diceFrom(run.seed);
  const said: SaidMessage[] = [];
  let now = 0;
  let heard: readonly string[] = [];
  for (let turn = 1; turn <= run.turnsMax; turn += 1) {
    const texts = bot.says(turn, heard);
    now += bot.waits(texts[0].length, dice);
    for (const text of texts) {
      said.push({ author: 'customer', text, at: new Date(now) });
      now += 120;
    }
    const found = findLoop(said, limits);
    if (found !== undefined) return { turns: turn, found };
    // From two to six seconds, as a model takes.
    now += 2_000 + dice() * 4_000;
    const answer = ANSWERS[Math.floor(dice() * ANSWERS.length)] ?? '';
    said.push({ author: 'bot', text: answer, at: new Date(now) });
    heard = [answer];
  }
  return undefined;
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function diceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
