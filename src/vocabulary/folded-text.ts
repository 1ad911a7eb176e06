/**
 * A text as rules read it: lower case, without accents, with single spaces. What people type on a phone differs in
 * nothing else so often.
 */
export function foldedText(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim();
}

/** A text as lists of words are compared with it: as {@link foldedText}, without marks, and what is no letter or digit is a space. */
export function foldedWords(text: string): string {
  return foldedText(text.replace(/['’]/g, ''))
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Whether these words, folded, stand in a folded text as whole words, one after another. */
export function holdsWords(folded: string, words: string): boolean {
  if (words === '') return false;
  for (let at = folded.indexOf(words); at >= 0; at = folded.indexOf(words, at + 1)) {
    if (!isWordCharacter(folded[at - 1]) && !isWordCharacter(folded[at + words.length])) return true;
  }
  return false;
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}]/u.test(character);
}
