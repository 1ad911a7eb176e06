import { Counter, Histogram } from 'prom-client';
import { Breaker, BreakerOpenError, BreakerTimeoutError } from '../../platform/breaker.ts';
import type { ErrorClass } from '../../platform/breaker.ts';
import type { Logger } from '../../platform/logger.ts';
import { LATENCY_BUCKETS_SECONDS, registry } from '../../platform/metrics.ts';
import { monotonicMs } from '../../platform/time.ts';
import { inSpan } from '../../platform/tracing.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { Draft, ModelUsage } from '../../vocabulary/model.ts';
import { costUsd, hasPrice } from './prices.ts';

/** How long to leave a model alone that asked us to wait and did not say how long. */
export const THROTTLED_DEFAULT_MS = 20_000;

/** What all model adapters share. */
export interface ModelNeeds {
  readonly cooldown: {
    remainingMs(name: string): Promise<number>;
    start(name: string, ms: number): Promise<void>;
  };
  readonly log: Logger;
}

export interface ModelLimits {
  /** How long one call may take. */
  readonly timeoutMs: number;
  /** Calls at once in this process. 100 unless told: twice the turns that a worker takes at once. */
  readonly callsMax?: number;
  /** How long the breaker leaves a broken model alone before it tries again. 10,000 unless told. */
  readonly resetTimeoutMs?: number;
}

/** How a call ended. A closed set: it is also a metric label. */
type Outcome =
  | 'answered'
  | 'refused'
  | 'unusable'
  | 'misconfigured'
  | 'throttled'
  | 'unavailable'
  | 'cancelled'
  | 'bug'
  /** Not called: a cool-down runs. */
  | 'held-back'
  /** Not called: the breaker is open or full. */
  | 'circuit-open';

const CALLS_MAX = 100;

const seconds = new Histogram({
  name: 'plantao_model_request_seconds',
  help: 'Time of one call of a model by how it ended.',
  labelNames: ['model', 'outcome'],
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});
const tokens = new Counter({
  name: 'plantao_model_tokens_total',
  help: 'Tokens as the provider counted them; cached is a part of input, thought is beside output.',
  labelNames: ['model', 'direction'],
  registers: [registry],
});
const cost = new Counter({
  name: 'plantao_model_cost_usd_total',
  help: 'What the calls of a model cost by its public price, in US dollars; nothing for a model whose price is not known.',
  labelNames: ['model'],
  registers: [registry],
});
const throttles = new Counter({
  name: 'plantao_model_throttled_total',
  help: 'Times that a provider asked us to wait.',
  labelNames: ['model'],
  registers: [registry],
});

/**
 * Calls a model the way every model is called: not while it wants to be left alone, through a breaker, within a time,
 * counted.
 *
 * Makes one attempt. Who retries is the turn.
 */
export class ModelCalls {
  readonly #model: string;
  readonly #needs: ModelNeeds;
  readonly #breaker: Breaker;

  constructor(model: string, needs: ModelNeeds, limits: ModelLimits) {
    this.#model = model;
    this.#needs = needs;
    if (!hasPrice(model))
      needs.log.info({ model }, 'The price of this model is not known; its calls count without a cost');
    this.#breaker = new Breaker(
      `model:${model}`,
      {
        timeoutMs: limits.timeoutMs,
        capacity: limits.callsMax ?? CALLS_MAX,
        classify,
        ...(limits.resetTimeoutMs === undefined ? {} : { resetTimeoutMs: limits.resetTimeoutMs }),
      },
      needs.log,
    );
  }

  /**
   * @param call throws a `Failure` for everything that it understands.
   * @throws {Failure} as `call` does, and MODEL_THROTTLED, MODEL_CIRCUIT_OPEN and MODEL_UNAVAILABLE of its own.
   * @throws the signal's reason when the caller gives up.
   */
  async run(call: (signal: AbortSignal) => Promise<Draft>, signal: AbortSignal): Promise<Draft> {
    // Source: opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans. Neither prompt nor answer: they are a customer's.
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': this.#model };
    return await inSpan(`chat ${this.#model}`, { kind: 'client', attributes }, async (span) => {
      const draft = await this.#run(call, signal);
      const { model, inputTokens, outputTokens } = draft.usage;
      span.set({
        'gen_ai.response.model': model,
        'gen_ai.usage.input_tokens': inputTokens,
        'gen_ai.usage.output_tokens': outputTokens,
      });
      return draft;
    });
  }

  async #run(call: (signal: AbortSignal) => Promise<Draft>, signal: AbortSignal): Promise<Draft> {
    const startedAt = monotonicMs();
    let outcome: Outcome = 'bug';
    try {
      await this.#assertMayCall(signal);
      const draft = await this.#breaker.run(call, signal);
      outcome = 'answered';
      return draft;
    } catch (error) {
      const translated: unknown = signal.aborted ? signal.reason : this.#translated(error);
      outcome = signal.aborted ? 'cancelled' : outcomeOf(translated);
      if (outcome === 'throttled') await this.#leaveAlone(translated);
      throw translated;
    } finally {
      seconds.observe({ model: this.#model, outcome }, (monotonicMs() - startedAt) / 1_000);
    }
  }

  /**
   * Counts what a call cost; also of an answer that turns out to be unusable, because it is billed all the same.
   *
   * @returns the same with its cost, where the price of the model is known.
   */
  count(usage: ModelUsage): ModelUsage {
    tokens.inc({ model: this.#model, direction: 'input' }, usage.inputTokens);
    tokens.inc({ model: this.#model, direction: 'output' }, usage.outputTokens);
    tokens.inc({ model: this.#model, direction: 'cached' }, usage.cachedTokens);
    tokens.inc({ model: this.#model, direction: 'thought' }, usage.thoughtTokens);
    const dollars = costUsd(usage);
    if (dollars === undefined) return usage;
    cost.inc({ model: this.#model }, dollars);
    return { ...usage, costUsd: dollars };
  }

  close(): void {
    this.#breaker.close();
  }

  async #assertMayCall(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const retryAfterMs = await this.#needs.cooldown.remainingMs(this.#cooldownName);
    if (retryAfterMs > 0) throw new HeldBack(this.#model, retryAfterMs);
  }

  async #leaveAlone(failure: unknown): Promise<void> {
    throttles.inc({ model: this.#model });
    const waitMs = failure instanceof Failure ? failure.retryAfterMs : undefined;
    await this.#needs.cooldown.start(this.#cooldownName, waitMs ?? THROTTLED_DEFAULT_MS);
  }

  #translated(error: unknown): unknown {
    if (error instanceof BreakerOpenError) {
      return new Failure('MODEL_CIRCUIT_OPEN', { model: this.#model, reason: error.reason }, { cause: error });
    }
    if (error instanceof BreakerTimeoutError) {
      return new Failure('MODEL_UNAVAILABLE', { model: this.#model, reason: 'timeout' }, { cause: error });
    }
    return error;
  }

  get #cooldownName(): string {
    return `model:${this.#model}`;
  }
}

/** Reads an answer that was counted. One that cannot be used says what it cost, because that was paid all the same. */
export function paidFor<Result>(usage: ModelUsage, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Failure) || usage.costUsd === undefined) throw error;
    throw new Failure(error.code, { ...error.detail, costUsd: usage.costUsd }, { cause: error.cause });
  }
}

/** Throttled by our own cool-down: nothing was sent, so it must not start another one. */
class HeldBack extends Failure {
  constructor(model: string, retryAfterMs: number) {
    super('MODEL_THROTTLED', { model, retryAfterMs, reason: 'cool-down' });
  }
}

/**
 * What a failure says about the model's health.
 *
 * An answer that is refused or unusable comes from a model that works: one tenant's questions must not open the breaker
 * for all.
 */
function classify(error: unknown): ErrorClass {
  if (!(error instanceof Failure)) return 'caller-bug';
  if (error.code === 'MODEL_THROTTLED') return 'throttled';
  return error.code === 'MODEL_UNAVAILABLE' ? 'failure' : 'caller-bug';
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof HeldBack) return 'held-back';
  return error instanceof Failure ? (OUTCOMES.get(error.code) ?? 'bug') : 'bug';
}

const OUTCOMES: ReadonlyMap<string, Outcome> = new Map<string, Outcome>([
  ['MODEL_REFUSED', 'refused'],
  ['MODEL_ANSWER_UNUSABLE', 'unusable'],
  ['MODEL_MISCONFIGURED', 'misconfigured'],
  ['MODEL_THROTTLED', 'throttled'],
  ['MODEL_UNAVAILABLE', 'unavailable'],
  ['MODEL_CIRCUIT_OPEN', 'circuit-open'],
]);
