import { fullJitterMs, monotonicMs, pause } from '../platform/time.ts';
import type { Logger } from '../platform/logger.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { FailureCode } from '../vocabulary/failures.ts';
import type { ComposeRequest, Draft, Model } from '../vocabulary/model.ts';

export interface ComposeNeeds {
  /** In the order in which they are asked: the first one, then what stands in for it. */
  readonly models: readonly Model[];
  readonly log: Logger;
}

/** One call of a model, for the trace. */
export interface ComposeAttempt {
  readonly model: string;
  readonly outcome: 'ok' | FailureCode;
  readonly milliseconds: number;
}

export interface Composed {
  /** Undefined when no model gave one in time: what is left is the offline answer. */
  readonly draft: Draft | undefined;
  readonly attempts: readonly ComposeAttempt[];
}

/** Tries of one model for one turn, the first included. */
const ATTEMPTS_PER_MODEL = 4;
const BACKOFF = { baseMs: 400, capMs: 5_000 };
/** Kept for what comes after the models: the offline answer and the commit. */
const RESERVE_MS = 1_500;
/** Shorter than this no model answers, so there is no use in asking. */
const CALL_MS_MIN = 300;

/**
 * Asks the models, within the time that is left, until one gives a draft.
 *
 * What may pass is retried with jitter before any lower rung is taken; a model that says when to come back is asked then
 * and not before, or left for the next one when that would be too late. What cannot pass is not retried.
 *
 * @param deadline on the monotonic clock.
 * @throws only a cancellation.
 */
export async function composeDraft(
  needs: ComposeNeeds,
  request: ComposeRequest,
  time: { deadline: number; signal: AbortSignal },
): Promise<Composed> {
  const attempts: ComposeAttempt[] = [];
  for (const [index, model] of needs.models.entries()) {
    const modelsLeft = needs.models.length - index;
    const left = time.deadline - RESERVE_MS - monotonicMs();
    // A stand-in that gets no time to answer is no stand-in.
    const deadline = monotonicMs() + (modelsLeft > 1 ? (left * 2) / 3 : left);
    const draft = await askOne({ needs, model, request, deadline, signal: time.signal, attempts });
    if (draft !== undefined) return { draft, attempts };
  }
  return { draft: undefined, attempts };
}

interface Ask {
  readonly needs: ComposeNeeds;
  readonly model: Model;
  readonly request: ComposeRequest;
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly attempts: ComposeAttempt[];
}

async function askOne(ask: Ask): Promise<Draft | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS_PER_MODEL; attempt += 1) {
    const left = ask.deadline - monotonicMs();
    if (left < CALL_MS_MIN) return undefined;
    const startedAt = monotonicMs();
    const record = (outcome: ComposeAttempt['outcome']): void => {
      ask.attempts.push({ model: ask.model.name, outcome, milliseconds: Math.round(monotonicMs() - startedAt) });
    };
    try {
      const signal = AbortSignal.any([ask.signal, AbortSignal.timeout(Math.ceil(left))]);
      const draft = await ask.model.compose(ask.request, signal);
      record('ok');
      return draft;
    } catch (error) {
      ask.signal.throwIfAborted();
      const failure = error instanceof Failure ? error : new Failure('MODEL_UNAVAILABLE', {}, { cause: error });
      record(failure.code);
      ask.needs.log.warn({ err: failure, model: ask.model.name, attempt }, 'The model gave no draft');
      const waitMs = waitBeforeRetry(failure, ask);
      if (waitMs === undefined || monotonicMs() + waitMs + CALL_MS_MIN > ask.deadline) return undefined;
      await pause(waitMs, ask.signal);
    }
  }
  return undefined;
}

/** Milliseconds until this model is worth asking again in this turn, or undefined when it is not. */
function waitBeforeRetry(failure: Failure, { model, attempts }: Ask): number | undefined {
  const own = attempts.filter((attempt) => attempt.model === model.name);
  // An open breaker means that others have just seen it fail; asking on would only lengthen the customer's wait.
  if (failure.verdict !== 'retry-later' || failure.code === 'MODEL_CIRCUIT_OPEN') return undefined;
  // What it could not put into form once it may manage once more, and then hardly ever.
  if (own.filter(({ outcome }) => outcome === 'MODEL_ANSWER_UNUSABLE').length > 1) return undefined;
  const asked = failure.retryAfterMs;
  return asked === undefined ? fullJitterMs(own.length, BACKOFF) : asked + fullJitterMs(1, BACKOFF);
}
