import { foldedText } from '../vocabulary/folded-text.ts';

/** A wish for a person, said plainly. The words are the customer's, folded to lower case without accents. */
const WISHES = [
  /^(atendente|humano|pessoa|gerente|supervisora?|suporte humano|atendimento humano|agent|human|person)(,? (por favor|pfv?|pls|please))?[.!?]*$/,
  /\b(falar|conversar|tratar|contato|fala|transfer\w+|encaminh\w+|passa\w*|chama\w*|solicito|quero|preciso d[eo]|prefiro|me (?:passa|transfere|liga|coloca|poe))\b[^.!?]{0,25}\b(atendente|humano|pessoa( de verdade| real)?|gente de verdade|alguem|gerente|supervisora?|responsavel|funcionari[oa]|vendedor[a]?)\b/,
  /\bfalar com gente\b/,
  /\b(atendimento|atendente|suporte) humano\b/,
  /\b(tem|cade|ha) (algum |o |a |um )?(atendente|humano)\b/,
  /\balguem\b[^.!?]{0,15}\bme (atend\w+|liga\w*)\b/,
  /\b(speak|talk|chat) (to|with) (a |an |some)?(real )?(human|person|agent|one|somebody|someone)\b/,
  /\b(connect|transfer|put) me (through )?(to|with) (a |an |some)?(real )?(human|person|agent|one|somebody|someone)\b/,
  /\bi (need|want) an? (real )?(human|person|agent)\b/,
];

/** The same words in a different sense: a person as a measure, a job, or somebody to deliver to. */
const NOT_WISHES = [
  /\bpor pessoa\b/g,
  /\b\d+ pessoas?\b/g,
  /(?<!\b(?:passa\w{0,10}|transfer\w{0,10}|encaminh\w{0,10}|me|falar|ligar?)\s)\bpara (uma |outra )?pessoa\b/g,
  /\bvagas?\b[^.!?,;]{0,30}/g,
  /\b(sem|nao quero|nao preciso)\b[^.!?,;]{0,20}\b(atendente|humano|alguem)\b/g,
];

/**
 * Whether the customer asks for a person, without asking a model.
 *
 * What means something else is taken out first and not held against the rest: who orders for 20 people may still want a
 * person.
 */
export function wantsHuman(text: string): boolean {
  const rest = NOT_WISHES.reduce((words, pattern) => words.replace(pattern, ' '), foldedText(text)).trim();
  return WISHES.some((pattern) => pattern.test(rest));
}
