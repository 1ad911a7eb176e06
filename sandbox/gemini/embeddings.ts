import { stem, wordsOf } from './words.ts';

/** A word weighs more than the pieces it is made of; the pieces bring misspellings and endings together. */
const STEM_WEIGHT = 2;
const PIECE_WEIGHT = 0.5;
const PIECE_LENGTH = 3;

/** A vector of length 1: the same for the same text, and near for texts that share words or pieces of words. */
export function embed(text: string, dimensions = 768): readonly number[] {
  const vector = new Float64Array(dimensions);
  for (const word of wordsOf(text)) {
    add(vector, stem(word), STEM_WEIGHT);
    const padded = `^${word}$`;
    for (let at = 0; at + PIECE_LENGTH <= padded.length; at += 1) {
      add(vector, padded.slice(at, at + PIECE_LENGTH), PIECE_WEIGHT);
    }
  }
  const length = Math.hypot(...vector) || 1;
  return Array.from(vector, (value) => Math.round((value / length) * 1e6) / 1e6);
}

/** Each feature goes to a place and a sign of its own, so that collisions cancel out rather than pile up. */
function add(vector: Float64Array, feature: string, weight: number): void {
  let hash = 0x811c9dc5;
  for (let at = 0; at < feature.length; at += 1) hash = Math.imul(hash ^ feature.charCodeAt(at), 0x01000193);
  const place = (hash >>> 1) % vector.length;
  vector[place] = (vector[place] ?? 0) + (hash & 1 ? weight : -weight);
}
