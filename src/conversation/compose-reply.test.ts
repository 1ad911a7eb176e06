import { describe, expect, it } from '@jest/globals';
import { Stopwatch, timed, undisturbed } from '../../test/support/stopwatch.ts';
import { createLogger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { FailureCode } from '../vocabulary/failures.ts';
import type { Draft, Model } from '../vocabulary/model.ts';
import { composeDraft } from './compose-reply.ts';
import type { Composed } from './compose-reply.ts';

const REQUEST = { system: 'Você é o assistente.', messages: [{ role: 'customer' as const, text: 'Oi' }] };
const log = createLogger({ level: 'silent', process: 'test' });

type Step = 'ok' | 'hang' | FailureCode | { readonly code: FailureCode; readonly retryAfterMs: number };

/** A model that does these things, one a call; the last one for ever. */
class ScriptedModel implements Model {
  readonly name: string;
  readonly calledAt: number[] = [];
  readonly #steps: readonly Step[];

  constructor(name: string, steps: readonly Step[]) {
    this.name = name;
    this.#steps = steps;
  }

  async compose(_request: unknown, signal: AbortSignal): Promise<Draft> {
    const step = this.#steps[Math.min(this.calledAt.length, this.#steps.length - 1)] ?? 'ok';
    this.calledAt.push(monotonicMs());
    if (step === 'ok') return draftOf(this.name);
    if (step === 'hang') return await hangUntil(signal);
    throw typeof step === 'string' ? new Failure(step) : new Failure(step.code, { retryAfterMs: step.retryAfterMs });
  }
}

function draftOf(model: string): Draft {
  const usage = { model, inputTokens: 0, outputTokens: 0, cachedTokens: 0, thoughtTokens: 0 };
  return { reply: `Resposta de ${model}`, confidence: 0.9, wantsHuman: false, usage };
}

async function hangUntil(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => {
    reject(new Failure('MODEL_UNAVAILABLE', { reason: 'timeout' }));
  });
  return await promise;
}

/** @param seconds until the turn is out of time, of which the last one and a half are kept for what comes after. */
async function compose(
  models: readonly Model[],
  seconds: number,
  signal = new AbortController().signal,
): Promise<Composed> {
  return await composeDraft({ models, log }, REQUEST, { deadline: monotonicMs() + seconds * 1_000, signal });
}

function outcomes({ attempts }: Composed): readonly string[] {
  return attempts.map(({ model, outcome }) => `${model}: ${outcome}`);
}

describe('the ladder of models', () => {
  it('ends at the first draft', async () => {
    const second = new ScriptedModel('second', ['ok']);

    const composed = await compose([new ScriptedModel('first', ['ok']), second], 10);

    expect(composed.draft?.reply).toBe('Resposta de first');
    expect(second.calledAt).toEqual([]);
  });

  it('tries what may pass again, four times at most, before it goes down a rung', async () => {
    const models = [new ScriptedModel('first', ['MODEL_UNAVAILABLE']), new ScriptedModel('second', ['ok'])];

    const composed = await compose(models, 60);

    expect(outcomes(composed)).toEqual([...Array.from({ length: 4 }, () => 'first: MODEL_UNAVAILABLE'), 'second: ok']);
  });

  it.each<FailureCode>(['MODEL_MISCONFIGURED', 'MODEL_REFUSED', 'MODEL_CIRCUIT_OPEN', 'MODEL_NOT_CONFIGURED'])(
    'does not try again what cannot pass by itself: %s',
    async (code) => {
      const models = [new ScriptedModel('first', [code]), new ScriptedModel('second', ['ok'])];

      expect(outcomes(await compose(models, 10))).toEqual([`first: ${code}`, 'second: ok']);
    },
  );

  it('gives a model that could not put its answer into form one more try, whatever came before', async () => {
    const steps: Step[] = ['MODEL_UNAVAILABLE', 'MODEL_ANSWER_UNUSABLE', 'MODEL_ANSWER_UNUSABLE', 'ok'];
    const models = [new ScriptedModel('first', steps), new ScriptedModel('second', ['ok'])];

    expect(outcomes(await compose(models, 60))).toEqual([
      'first: MODEL_UNAVAILABLE',
      'first: MODEL_ANSWER_UNUSABLE',
      'first: MODEL_ANSWER_UNUSABLE',
      'second: ok',
    ]);
  });

  it('asks a model that wants us to wait then and not before', async () => {
    const first = new ScriptedModel('first', [{ code: 'MODEL_THROTTLED', retryAfterMs: 300 }, 'ok']);

    await compose([first], 10);

    const [askedAt = 0, againAt = 0] = first.calledAt;
    expect(againAt - askedAt).toBeGreaterThanOrEqual(299);
  });

  it('does not wait for a model that asks for more time than there is', async () => {
    const models = [
      new ScriptedModel('first', [{ code: 'MODEL_THROTTLED', retryAfterMs: 37_000 }]),
      new ScriptedModel('second', ['ok']),
    ];

    const { answer: composed, tookMs } = await timed(() => compose(models, 10));

    expect(outcomes(composed)).toEqual(['first: MODEL_THROTTLED', 'second: ok']);
    expect(tookMs).toBeLessThan(500);
  });

  it('leaves the second model time to answer, and itself time to commit, when all of them hang', async () => {
    // Of three deadlines in two seconds, one that is noticed late leaves the others no time at all.
    const { composed, secondAskedMs, tookMs } = await undisturbed(async () => {
      const [first, second] = [new ScriptedModel('first', ['hang']), new ScriptedModel('second', ['hang'])];
      const watch = new Stopwatch();
      let askedMs = Infinity;
      const noted: Model = {
        name: second.name,
        compose: (request, signal) => {
          askedMs = watch.elapsedMs;
          return second.compose(request, signal);
        },
      };
      const answer = await compose([first, noted], 3.5);
      return { composed: answer, secondAskedMs: askedMs, tookMs: watch.stop() };
    });

    expect(composed.draft).toBeUndefined();
    expect(secondAskedMs).toBeLessThan(1_500);
    expect(tookMs).toBeLessThan(2_200);
  });

  it('asks nobody where there is no time, or no model', async () => {
    const first = new ScriptedModel('first', ['ok']);

    expect(await compose([first], 1.6)).toEqual({ draft: undefined, attempts: [] });
    expect(await compose([], 60)).toEqual({ draft: undefined, attempts: [] });
    expect(first.calledAt).toEqual([]);
  });

  it('takes a bug in a model for a model that is away', async () => {
    const broken: Model = { name: 'broken', compose: () => Promise.reject(new TypeError('a bug')) };

    const composed = await compose([broken, new ScriptedModel('second', ['ok'])], 4);

    expect(composed.draft?.reply).toBe('Resposta de second');
    expect(outcomes(composed)[0]).toBe('broken: MODEL_UNAVAILABLE');
  });

  it('ends at once when the turn is given up', async () => {
    const turn = new AbortController();
    const composing = compose(
      [new ScriptedModel('first', ['hang']), new ScriptedModel('second', ['ok'])],
      60,
      turn.signal,
    );
    turn.abort(new Error('the lease is lost'));

    await expect(composing).rejects.toThrow('the lease is lost');
  });
});
