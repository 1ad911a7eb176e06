import type { FoundPassage } from '../knowledge/knowledge.ts';
import type { Phrases } from './phrases.ts';

/** From here on a passage covers enough of the question to be quoted without a model's judgement. */
const QUOTABLE_SCORE = 0.55;
/** A first passage that is hardly better than the second does not stand out enough to be the answer. */
const LEAD_MIN = 0.08;
const TOPICS_OFFERED = 3;
const QUOTE_CHARACTERS_MAX = 900;

/** Nothing but a greeting. "No letter follows", because to `\b` the accented letter of "olá" is no letter. */
const GREETING =
  /^(oi+|ol[aá]|opa|bom dia|boa tarde|boa noite|hello|hi|hey|e a[ií])(?!\p{L})[\s!,.]*(tudo bem|td bem|tudo bom)?[\s!?,.]*$/iu;

/** No greeting is longer, and the search for one takes time that grows with the square of the text. */
const GREETING_CHARACTERS_MAX = 100;

export interface OfflineAnswer {
  readonly text: string;
  readonly isUnsure: boolean;
}

/**
 * An answer without any model: quotes the best passage where it clearly fits, else says that it is unsure and offers the
 * nearest topics. It never makes a sentence of its own about the company. Pure.
 */
export function offlineAnswer(
  question: string,
  passages: readonly FoundPassage[],
  words: { phrases: Phrases; company: string },
): OfflineAnswer {
  const topics = [...new Set(passages.map((passage) => passage.title))].slice(0, TOPICS_OFFERED);
  if (isGreeting(question.trim())) return { text: words.phrases.greeting(words.company, topics), isUnsure: false };
  const [best, second] = passages;
  if (best !== undefined && best.score >= QUOTABLE_SCORE) {
    const leads =
      second === undefined || second.documentId === best.documentId || best.score - second.score >= LEAD_MIN;
    if (leads) return { text: words.phrases.quoting(best.title, quote(best.text)), isUnsure: false };
  }
  return { text: words.phrases.unsure(topics), isUnsure: true };
}

function isGreeting(text: string): boolean {
  return text.length <= GREETING_CHARACTERS_MAX && GREETING.test(text);
}

function quote(text: string): string {
  if (text.length <= QUOTE_CHARACTERS_MAX) return text;
  const window = text.slice(0, QUOTE_CHARACTERS_MAX);
  const sentence = window.lastIndexOf('. ');
  return sentence > 0 ? window.slice(0, sentence + 1) : `${window.toWellFormed()}…`;
}
