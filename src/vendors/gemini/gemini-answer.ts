import { z } from 'zod';
import { Failure } from '../../vocabulary/failures.ts';
import type { ModelUsage } from '../../vocabulary/model.ts';
import { unusable } from '../model-calls/draft-text.ts';

/**
 * The model had nothing against the question but against saying this.
 *
 * Source: ai.google.dev/api/generate-content#FinishReason. MAX_TOKENS, LANGUAGE, OTHER and values that nobody has met yet
 * are answers that cannot be used, and another attempt may bring a better one.
 */
const REFUSALS: ReadonlySet<string> = new Set(['SAFETY', 'PROHIBITED_CONTENT', 'BLOCKLIST', 'SPII', 'RECITATION']);

const Count = z.int().min(0).catch(0);
/** Source: ai.google.dev/api/generate-content#GenerateContentResponse. */
const Answer = z.object({
  candidates: z
    .array(
      z.object({
        finishReason: z.string().optional(),
        content: z
          .object({
            parts: z.array(z.object({ text: z.string().optional(), thought: z.boolean().optional() })).default([]),
          })
          .optional(),
      }),
    )
    .default([]),
  promptFeedback: z.object({ blockReason: z.string().optional() }).optional(),
  usageMetadata: z
    .object({
      promptTokenCount: Count,
      candidatesTokenCount: Count,
      cachedContentTokenCount: Count,
      thoughtsTokenCount: Count,
    })
    .optional(),
});
export type GeminiAnswer = z.infer<typeof Answer>;

/** @throws {Failure} MODEL_ANSWER_UNUSABLE when it is not an answer at all. */
export function parseGeminiAnswer(response: unknown): GeminiAnswer {
  const read = Answer.safeParse(response);
  if (!read.success) throw unusable('envelope', read.error);
  return read.data;
}

/**
 * What the model wrote, without what it thought.
 *
 * @throws {Failure} MODEL_REFUSED or MODEL_ANSWER_UNUSABLE when it did not finish.
 */
export function writtenText(answer: GeminiAnswer): string {
  const blockReason = answer.promptFeedback?.blockReason;
  if (blockReason !== undefined) throw new Failure('MODEL_REFUSED', { reason: `prompt-${blockReason}` });
  const [candidate] = answer.candidates;
  if (candidate === undefined) throw unusable('no-candidate');
  const { finishReason = 'absent' } = candidate;
  if (REFUSALS.has(finishReason)) throw new Failure('MODEL_REFUSED', { reason: finishReason });
  if (finishReason !== 'STOP') throw unusable(`finish-${finishReason}`);
  const parts = candidate.content?.parts ?? [];
  return parts.flatMap((part) => (part.thought === true ? [] : [part.text ?? ''])).join('');
}

/** The prompt's count includes what was cached; the candidates' count does not include the thoughts. */
export function usageOf({ usageMetadata: usage }: GeminiAnswer, model: string): ModelUsage {
  return {
    model,
    inputTokens: usage?.promptTokenCount ?? 0,
    outputTokens: usage?.candidatesTokenCount ?? 0,
    cachedTokens: usage?.cachedContentTokenCount ?? 0,
    thoughtTokens: usage?.thoughtsTokenCount ?? 0,
  };
}
