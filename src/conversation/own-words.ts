import { HANDOFF_REASONS } from '../vocabulary/events.ts';
import { foldedText } from '../vocabulary/folded-text.ts';
import { phrasesFor } from './phrases.ts';
import type { Phrases } from './phrases.ts';

/** Shorter sentences than this are anybody's. In letters. */
const SENTENCE_LETTERS_MIN = 24;

/** Sentences that the bot says word for word, in every language that it has, as letters only. */
const SENTENCES: readonly string[] = [...new Set(['pt-BR', 'en'].flatMap((locale) => sentencesOf(phrasesFor(locale))))];

/** Whether a text holds a sentence of ours. It is given as letters only: lower case, no accents, no marks. */
export function isSentenceOfOurs(letters: string): boolean {
  return SENTENCES.some((sentence) => letters.includes(sentence));
}

function sentencesOf(phrases: Phrases): readonly string[] {
  const texts = [
    phrases.unsure([]),
    phrases.unsure(['']),
    phrases.quoting('', ''),
    phrases.cannotRead,
    phrases.cannotReadEither,
    phrases.greeting('', []),
    ...HANDOFF_REASONS.map((reason) => phrases.handOver(reason)),
  ];
  return texts
    .flatMap((text) => text.split(/[.!?:\n]+/))
    .map((sentence) =>
      foldedText(sentence)
        .replace(/[^a-z]+/g, ' ')
        .trim(),
    )
    .filter((sentence) => sentence.length >= SENTENCE_LETTERS_MIN);
}
