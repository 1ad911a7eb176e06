import { GoogleGenerativeAIFetchError, GoogleGenerativeAIRequestInputError } from '@google/generative-ai';
import { z } from 'zod';
import { Failure } from '../../vocabulary/failures.ts';
import { unusable } from '../model-calls/draft-text.ts';
import { THROTTLED_DEFAULT_MS } from '../model-calls/model-call.ts';

/** A quota per day comes back at midnight in California and not in the seconds that RetryInfo names. */
const DAILY_QUOTA_WAIT_MS = 3_600_000;
const WAIT_MIN_MS = 1_000;

/** The parts of `error.details` that we act on. Sources: google.rpc.RetryInfo, QuotaFailure and ErrorInfo. */
const Detail = z.object({
  retryDelay: z.string().optional().catch(undefined),
  reason: z.string().optional().catch(undefined),
  violations: z
    .array(z.object({ quotaId: z.string().default('') }))
    .default([])
    .catch([]),
});
const Details = z.array(Detail).catch([]);

/**
 * Translates what the SDK throws.
 *
 * Source: ai.google.dev/gemini-api/docs/troubleshooting and the API's answers: a bad key is a 400 with the reason
 * API_KEY_INVALID, a region or billing problem a 400 FAILED_PRECONDITION, a missing right 403, an unknown model 404.
 * Every 4xx but 408, 429 and 499 is ours to repair. What nobody has met yet is taken for an outage: a delay costs less
 * than a lost reply.
 */
export function failureFromGemini(error: unknown): unknown {
  if (error instanceof GoogleGenerativeAIRequestInputError) return misconfigured(undefined, error);
  if (error instanceof GoogleGenerativeAIFetchError) return failureFromStatus(error);
  // Status 200 and no JSON: a proxy's page, or a body that was cut. The parser's words quote it, so they are left out.
  if (error instanceof SyntaxError) return unusable('not-json');
  if (isTooLarge(error)) return unusable('too-long', error);
  return new Failure('MODEL_UNAVAILABLE', { reason: 'network' }, { cause: error });
}

function failureFromStatus(error: GoogleGenerativeAIFetchError): Failure {
  const { status } = error;
  const details = Details.parse(error.errorDetails);
  if (status === 429) {
    return new Failure('MODEL_THROTTLED', { status, retryAfterMs: waitMs(details) }, { cause: error });
  }
  const isOurs = status !== undefined && status >= 400 && status < 499 && status !== 408;
  if (isOurs) return misconfigured(status, error, details.find((detail) => detail.reason !== undefined)?.reason);
  return new Failure('MODEL_UNAVAILABLE', { status }, { cause: error });
}

function misconfigured(status: number | undefined, cause: unknown, reason?: string): Failure {
  return new Failure('MODEL_MISCONFIGURED', { status, reason }, { cause });
}

/** RetryInfo says `"37s"` or `"45.837906927s"`; there is no Retry-After header, and sometimes no detail at all. */
function waitMs(details: readonly z.infer<typeof Detail>[]): number {
  const quotas = details.flatMap((detail) => detail.violations.map((violation) => violation.quotaId));
  if (quotas.some((quotaId) => quotaId.includes('PerDay'))) return DAILY_QUOTA_WAIT_MS;
  const delay = details.find((detail) => detail.retryDelay !== undefined)?.retryDelay;
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(delay ?? '')?.[1];
  return seconds === undefined ? THROTTLED_DEFAULT_MS : Math.max(WAIT_MIN_MS, Math.ceil(Number(seconds) * 1_000));
}

/** Source: undici, docs/docs/api/Errors.md. */
function isTooLarge(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Object && 'code' in cause && cause.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE';
}
