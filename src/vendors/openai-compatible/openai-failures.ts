import { isAxiosError } from 'axios';
import { systemClock } from '../../platform/time.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { unusable } from '../model-calls/draft-text.ts';
import { THROTTLED_DEFAULT_MS } from '../model-calls/model-call.ts';

/**
 * Translates the status of an answer that is not a success.
 *
 * Source: platform.openai.com/docs/guides/error-codes. A status nobody has met yet is taken for an outage: a delay costs
 * less than a lost reply.
 *
 * @param retryAfter the `Retry-After` header: seconds, or an HTTP date.
 */
export function failureFromStatus(status: number, retryAfter: unknown): Failure {
  if (status === 429) return new Failure('MODEL_THROTTLED', { status, retryAfterMs: retryAfterMs(retryAfter) });
  if (status === 408 || status === 409 || status === 425) return new Failure('MODEL_UNAVAILABLE', { status });
  if (status >= 300 && status < 500) return new Failure('MODEL_MISCONFIGURED', { status });
  return new Failure('MODEL_UNAVAILABLE', { status });
}

/** Translates what axios throws when there was no complete answer. */
export function failureFromTransport(error: unknown): unknown {
  if (!isAxiosError(error)) return error;
  // axios has no code of its own for this; the words are in its lib/adapters/http.js.
  if (error.message.startsWith('maxContentLength')) return unusable('too-long', error);
  return new Failure('MODEL_UNAVAILABLE', { reason: error.code ?? 'network' }, { cause: error });
}

function retryAfterMs(header: unknown): number {
  if (typeof header !== 'string' || header.trim() === '') return THROTTLED_DEFAULT_MS;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(header)
    ? Number(header) * 1_000
    : new Date(header).getTime() - systemClock.now().getTime();
  return Number.isFinite(ms) ? Math.max(1_000, Math.ceil(ms)) : THROTTLED_DEFAULT_MS;
}
