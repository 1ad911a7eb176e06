import { z } from 'zod';
import { Failure } from '../../vocabulary/failures.ts';

/** What the model is asked to write, whatever the provider calls its schema. */
export interface DraftFields {
  readonly reply: string;
  readonly confidence: number;
  readonly wantsHuman: boolean;
}

/** Bounds what one answer may cost. Thoughts count in it, so it is well above what a reply needs. */
export const OUTPUT_TOKENS_MAX = 2_048;
/** Support answers what is written, and does not invent. */
export const TEMPERATURE = 0.2;

/** More than the tokens above can say; longer text is a provider gone wrong. */
const TEXT_CHARACTERS_MAX = 20_000;

/**
 * A confidence outside 0 to 1 is not clamped: 85 may mean 0.85 or nothing at all, and clamped to 1 it would be sure of
 * everything. The confidence decides whether a person is called, so such an answer is not used.
 */
const Fields = z.object({
  reply: z.string().trim().min(1),
  confidence: z.number().min(0).max(1),
  wantsHuman: z.boolean(),
});

/**
 * Reads the text that a model wrote.
 *
 * @throws {Failure} MODEL_ANSWER_UNUSABLE when it is empty, too long, not JSON, or lacks a field.
 */
export function parseDraftText(text: string): DraftFields {
  if (text.trim() === '') throw unusable('empty');
  if (text.length > TEXT_CHARACTERS_MAX) throw unusable('too-long');
  const read = Fields.safeParse(parsedJson(text));
  if (!read.success) throw unusable('fields', read.error);
  return read.data;
}

/** The failure for an answer that cannot be used. `reason` is for the log; it holds nothing of the answer. */
export function unusable(reason: string, cause?: unknown): Failure {
  return new Failure('MODEL_ANSWER_UNUSABLE', { reason }, { cause });
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words quote the text, and what a model wrote does not belong in a log.
    throw unusable('not-json');
  }
}
