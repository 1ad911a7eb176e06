import { z } from 'zod';

/*
 * What a tenant may set about what is said beside the answers: who is speaking, when people are back, how the service was.
 */

const TEXT_CHARACTERS_MAX = 500;
const PLACEHOLDER = /\{([^{}]*)\}/g;

/** A text of the tenant's own, in which nothing but these names stands in braces. */
function ownText(placeholders: readonly string[]) {
  const named = placeholders.map((it) => `{${it}}`).join(' and ');
  return z
    .string()
    .trim()
    .min(2)
    .max(TEXT_CHARACTERS_MAX)
    .refine((text) => !text.includes('\u0000'), 'must not hold a NUL character')
    .refine(
      (text) => [...text.matchAll(PLACEHOLDER)].every(([, name = '']) => placeholders.includes(name)),
      `may hold ${named === '' ? 'nothing' : named} in braces, and nothing else`,
    );
}

/** Whoever is answered by a machine is told so, in whatever words the company likes. */
const SAYS_WHO =
  /assistente|rob[oô]|\bbot\b|virtual|autom[aá]tic|intelig[eê]ncia artificial|assistant|automated|\bAI\b|\bIA\b/i;
const SAYS_HOW = /atendente|pessoa|humano|human|person|agent/i;

export const CourtesySettings = {
  /** What the bot's first words to a contact begin with. Null: the product's own sentence. It can be changed, never left out. */
  introduction: ownText(['company'])
    .refine((text) => SAYS_WHO.test(text), 'must say that an assistant answers, e.g. "assistente virtual"')
    .refine((text) => SAYS_HOW.test(text), 'must say how to reach a person, e.g. "escreva atendente"')
    .nullable()
    .default(null),
  /** Days of silence after which the bot introduces itself again. 0: it does so once. */
  introduceAgainDays: z.int().min(0).max(3_650).default(30),
  /** What happens outside the hours of `businessCalendar`. */
  hours: z
    .strictObject({
      outside: z
        .enum(['answer', 'answer-and-say', 'away-only'])
        .default('answer')
        .describe(
          '`answer-and-say`: the first answer says when people are back. `away-only`: nothing but that, and a handoff waits.',
        ),
      awayText: ownText(['company', 'back']).nullable().default(null),
    })
    .prefault({}),
  /** One question about the service when a conversation is closed. */
  csat: z
    .strictObject({
      enabled: z.boolean().default(false),
      question: ownText(['company']).nullable().default(null),
    })
    .prefault({}),
};

/** A tenant's own text with the names filled in. */
export function filledIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(PLACEHOLDER, (whole, name: string) => values[name] ?? whole);
}
