import type { DocumentId } from '../vocabulary/ids.ts';

/*
 * The door of `knowledge`: what the tenant knows.
 *
 * This domain owns the tables knowledge_document and passage. Its invariant: a document's passages are replaced whole, so
 * that a search never sees half of a new version; and a passage outside its dates is never found. It finds; it does not
 * decide whether what it found is good enough to say.
 */

/** A piece of a document that was found for a question. */
export interface FoundPassage {
  readonly documentId: DocumentId;
  readonly title: string;
  readonly text: string;
  /** 0 to 1: how much of what the question asks about stands in the passage. */
  readonly score: number;
}

const PASSAGE_CHARACTERS_MAX = 1_200;

/**
 * Cuts a text into passages at its paragraphs, joining short ones and splitting what is too long at sentences, else at
 * words. Nothing is left out, and no passage is longer than 1,200 characters.
 */
export function splitIntoPassages(text: string): readonly string[] {
  const pieces = text
    .replace(/\r\n?/g, '\n')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '')
    .flatMap((paragraph) => splitLong(paragraph));
  const passages: string[] = [];
  for (const piece of pieces) {
    const last = passages.at(-1);
    if (last !== undefined && last.length + piece.length + 2 <= PASSAGE_CHARACTERS_MAX) {
      passages[passages.length - 1] = `${last}\n\n${piece}`;
    } else passages.push(piece);
  }
  return passages;
}

function splitLong(paragraph: string): readonly string[] {
  const pieces: string[] = [];
  let rest = paragraph;
  while (rest.length > PASSAGE_CHARACTERS_MAX) {
    const window = withoutHalfCharacter(rest.slice(0, PASSAGE_CHARACTERS_MAX));
    const sentence = Math.max(
      window.lastIndexOf('. '),
      window.lastIndexOf('! '),
      window.lastIndexOf('? '),
      window.lastIndexOf('\n'),
    );
    const word = window.lastIndexOf(' ');
    const end = sentence > PASSAGE_CHARACTERS_MAX / 3 ? sentence + 1 : word > 0 ? word : window.length;
    pieces.push(rest.slice(0, end).trim());
    rest = rest.slice(end).trim();
  }
  if (rest !== '') pieces.push(rest);
  return pieces;
}

/** A cut may fall between the two halves of an emoji; the whole of it then belongs to what follows. */
function withoutHalfCharacter(text: string): string {
  return text.slice(-1).isWellFormed() || text.slice(-2).isWellFormed() ? text : text.slice(0, -1);
}
