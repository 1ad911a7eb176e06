import type { Composed } from '../../sandbox/gemini/grounded-brain.ts';
import { questionIdsIn } from './load.ts';

/** Every so many questions the reply is long enough for two bubbles. */
const LONG_EVERY = 6;
const LONG_WORDS = 'Abrimos todos os dias, e o pão sai do forno às sete. '.repeat(8).trim();

/**
 * A model that says which questions it answers, in the order in which it was asked them.
 *
 * No two of its replies are the same, so a reply that reached somebody else's phone, or came twice, is known by its words.
 */
export function answerByNumber(_system: string, lastUserText: string): Composed {
  const ids = questionIdsIn(lastUserText);
  const said = `Sobre ${ids.join(', ')}`;
  const isLong = ids.some((id) => Number(id.slice(2)) % LONG_EVERY === 0);
  const reply = isLong
    ? `${said}, parte 1: ${LONG_WORDS}\n\n${said}, parte 2: ${LONG_WORDS}`
    : `${said}: abrimos às 7h e fechamos às 20h.`;
  return { reply, confidence: 0.95, wantsHuman: false };
}
