/** A wish for a person, said plainly. The words are the customer's, folded to lower case without accents. */
const WISHES = [
  /^(atendente|humano|pessoa|gerente|suporte humano|atendimento humano|agent|human|person)[.!?]*$/,
  /\b(falar|conversar|tratar|contato|fala|transfer\w+|passa\w*|chama\w*|quero|preciso de|prefiro|me (?:passa|transfere|liga))\b[^.!?]{0,25}\b(atendente|humano|pessoa( de verdade| real)?|alguem|gerente|responsavel|funcionari[oa]|vendedor[a]?)\b/,
  /\b(atendimento|atendente) humano\b/,
  /\b(speak|talk|chat) (to|with) (a |an |some)?(human|person|agent|one|somebody|someone)\b/,
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
  const folded = text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  const rest = NOT_WISHES.reduce((words, pattern) => words.replace(pattern, ' '), folded).trim();
  return WISHES.some((pattern) => pattern.test(rest));
}
