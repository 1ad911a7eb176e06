import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import type { Logger } from '../../src/platform/logger.ts';
import { registry } from '../../src/platform/metrics.ts';
import { Secret } from '../../src/platform/secret.ts';
import { SharedCooldown } from '../../src/platform/shared-cooldown.ts';
import { monotonicMs, pause } from '../../src/platform/time.ts';
import { Failure } from '../../src/vocabulary/failures.ts';
import type { FailureCode } from '../../src/vocabulary/failures.ts';
import type { ComposeRequest, Draft, Model } from '../../src/vocabulary/model.ts';
import { timed } from '../../test/support/stopwatch.ts';
import type { FaultMode } from './faults.ts';
import type { ModelServer } from './model-server.ts';

export interface ProviderUnderTest extends ModelServer {
  acceptOnly(apiKey: string): void;
}

export interface ClientOptions {
  readonly baseUrl: string;
  readonly apiKey: Secret;
  readonly model: string;
  readonly timeoutMs: number;
  readonly resetTimeoutMs: number;
}

export interface ClientNeeds {
  readonly cooldown: SharedCooldown;
  readonly log: Logger;
}

type Closeable = Model & { close(): void };

/** What differs between two adapters of the model port. */
export interface ModelUnderContract {
  readonly model: string;
  readonly unknownModel: string;
  start(options: { apiKey?: string }): Promise<ProviderUnderTest>;
  client(needs: ClientNeeds, options: ClientOptions): Closeable;
}

const QUESTION: ComposeRequest = {
  system: 'Você atende a padaria.',
  messages: [{ role: 'customer', text: '<customer>Vocês abrem domingo?</customer>' }],
};
const GOOD = { text: 'Abrimos às 8h.', confidence: 0.9 };
/** Calls that fail before the breaker opens. */
const BREAKER_VOLUME = 5;

/** What every adapter of the model port promises, proved against a server that speaks its provider's wire. */
export function describeModelContract(name: string, under: ModelUnderContract): void {
  const log = pino({ level: 'silent' });
  const neverAborted = new AbortController().signal;
  const open: Closeable[] = [];
  let provider: ProviderUnderTest;
  let cooldown: SharedCooldown;

  beforeEach(async () => {
    provider = await under.start({});
    // Alone in its process: no Redis is asked.
    const unused = (): Promise<never> => Promise.reject(new Error('Redis is not asked'));
    cooldown = new SharedCooldown({ memory: { pttl: unused, set: unused }, health: { isUp: false }, log });
  });

  afterEach(async () => {
    for (const client of open.splice(0)) client.close();
    await provider.close();
  });

  function client(options: Partial<ClientOptions> = {}): Closeable {
    const made = under.client(
      { cooldown, log },
      {
        baseUrl: provider.url,
        apiKey: Secret.of('good-key'),
        model: under.model,
        timeoutMs: 5_000,
        resetTimeoutMs: 60,
        ...options,
      },
    );
    open.push(made);
    return made;
  }

  async function failureOf(model: Model, signal = neverAborted): Promise<Failure> {
    const outcome: unknown = await model.compose(QUESTION, signal).catch((error: unknown) => error);
    if (outcome instanceof Failure) return outcome;
    throw new Error(`No failure came: ${JSON.stringify(outcome)}`, { cause: outcome });
  }

  async function counted(metric: string, label: Record<string, string> = {}): Promise<number> {
    const values: readonly { labels: object; value: number; metricName?: string }[] =
      (await registry.getSingleMetric(metric)?.get())?.values ?? [];
    const wanted = new Map(Object.entries({ model: under.model, ...label }));
    const mine = values.find(({ labels, metricName = metric }) => {
      const given = new Map(Object.entries(labels));
      return !metricName.endsWith('_bucket') && !metricName.endsWith('_sum') && isSame(given, wanted);
    });
    return mine?.value ?? 0;
  }

  describe(`${name}: an answer`, () => {
    it('is the reply, the confidence, the wish for a person, and what it cost', async () => {
      provider.answers('Abrimos às 8h.', 0.8, { wantsHuman: true });
      const before = await counted('plantao_model_tokens_total', { direction: 'input' });

      const draft = await client().compose(QUESTION, neverAborted);

      expect(draft).toMatchObject({ reply: 'Abrimos às 8h.', confidence: 0.8, wantsHuman: true });
      expect(draft.usage.model).toBe(under.model);
      expect(draft.usage.inputTokens).toBeGreaterThan(0);
      expect(draft.usage.outputTokens).toBeGreaterThan(0);
      expect(await counted('plantao_model_tokens_total', { direction: 'input' })).toBe(
        before + draft.usage.inputTokens,
      );
    });

    it('costs one request', async () => {
      provider.answers('Abrimos às 8h.');

      await client().compose(QUESTION, neverAborted);

      expect(provider.requests).toHaveLength(1);
    });
  });

  describe(`${name}: a provider that fails`, () => {
    it.each<[FaultMode, FailureCode]>([
      ['down', 'MODEL_UNAVAILABLE'],
      ['500', 'MODEL_UNAVAILABLE'],
      ['503', 'MODEL_UNAVAILABLE'],
      ['429', 'MODEL_THROTTLED'],
      ['429-per-day', 'MODEL_THROTTLED'],
      ['invalid-json', 'MODEL_ANSWER_UNUSABLE'],
      ['empty', 'MODEL_ANSWER_UNUSABLE'],
      ['max-tokens', 'MODEL_ANSWER_UNUSABLE'],
      ['huge', 'MODEL_ANSWER_UNUSABLE'],
      ['html', 'MODEL_ANSWER_UNUSABLE'],
      ['safety', 'MODEL_REFUSED'],
      ['blocked', 'MODEL_REFUSED'],
    ])('%s is %s, after one request', async (mode, code) => {
      provider.faults.set({ mode });

      const failure = await failureOf(client());

      expect(failure.code).toBe(code);
      expect(provider.requests).toHaveLength(1);
    });

    it('that nobody listens at is unavailable', async () => {
      const { url } = provider;
      await provider.close();

      expect(await failureOf(client({ baseUrl: url }))).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
    });

    it('that never answers is unavailable when the time is over', async () => {
      provider.faults.set({ mode: 'hang' });

      const { answer: failure, tookMs } = await timed(() => failureOf(client({ timeoutMs: 80 })));

      expect(failure).toMatchObject({ code: 'MODEL_UNAVAILABLE', detail: { reason: 'timeout' } });
      expect(tookMs).toBeLessThan(1_000);
    });

    it('is left alone after a few calls, and asked again when it has had time', async () => {
      provider.faults.set({ mode: '503' });
      const model = client();
      const codes: string[] = [];

      for (let i = 0; i < 20; i += 1) codes.push((await failureOf(model)).code);

      expect(codes.slice(0, BREAKER_VOLUME)).toEqual(codes.slice(0, BREAKER_VOLUME).fill('MODEL_UNAVAILABLE'));
      expect(codes.at(-1)).toBe('MODEL_CIRCUIT_OPEN');
      expect(provider.requests.length).toBeLessThanOrEqual(20);

      provider.faults.set({ mode: 'none' });
      provider.answers('Abrimos às 8h.');
      const draft = await untilItAnswers(model, neverAborted);
      expect(draft.reply).toBe('Abrimos às 8h.');
    });
  });

  describe(`${name}: every call`, () => {
    it.each<[FaultMode, string]>([
      ['none', 'answered'],
      ['503', 'unavailable'],
      ['429', 'throttled'],
      ['safety', 'refused'],
      ['html', 'unusable'],
    ])('that meets %s is counted as %s', async (mode, outcome) => {
      const before = await counted('plantao_model_request_seconds', { outcome });
      provider.nextAnswers([mode === 'none' ? GOOD : { mode }]);

      await client()
        .compose(QUESTION, neverAborted)
        .catch(() => undefined);

      expect(await counted('plantao_model_request_seconds', { outcome })).toBe(before + 1);
    });

    it('that was told to wait is counted once, and the calls that were held back are not', async () => {
      const before = await counted('plantao_model_throttled_total');
      provider.faults.set({ mode: '429' });
      const model = client();

      for (let i = 0; i < 5; i += 1) await failureOf(model);

      expect(await counted('plantao_model_throttled_total')).toBe(before + 1);
    });
  });

  describe(`${name}: an answer that is not what was asked for`, () => {
    it.each([
      ['a confidence in percent', '{"reply":"Oi","confidence":85,"wantsHuman":false}'],
      ['a confidence below zero', '{"reply":"Oi","confidence":-0.1,"wantsHuman":false}'],
      ['a confidence in words', '{"reply":"Oi","confidence":"alta","wantsHuman":false}'],
      ['a field too few', '{"reply":"Oi","confidence":0.9}'],
      ['a reply of white space', '{"reply":" \\n ","confidence":0.9,"wantsHuman":false}'],
      ['a list', '[]'],
      ['null', 'null'],
      ['plain words', 'Abrimos às 8h.'],
      ['a megabyte', `{"reply":"${'a'.repeat(1_000_000)}","confidence":0.9,"wantsHuman":false}`],
    ])('is not used: %s', async (_what, raw) => {
      provider.nextAnswers([{ raw }]);

      const failure = await failureOf(client());

      expect(failure.code).toBe('MODEL_ANSWER_UNUSABLE');
      expect(JSON.stringify(failure.detail).length).toBeLessThan(200);
    });

    it('does not open the breaker: the model works', async () => {
      provider.nextAnswers([...Array.from({ length: 20 }, () => ({ raw: 'null' })), GOOD]);
      const model = client();

      for (let i = 0; i < 20; i += 1) await failureOf(model);

      await expect(model.compose(QUESTION, neverAborted)).resolves.toMatchObject({ reply: GOOD.text });
    });
  });

  describe(`${name}: a provider that asks us to wait`, () => {
    it.each([
      ['as long as it says', { mode: '429', retryDelay: '37s' }, 37_000],
      ['fractions and all', { mode: '429', retryDelay: '45.837906927s' }, 45_838],
      ['twenty seconds when it does not say', { mode: '429', retryDelay: '' }, 20_000],
      ['an hour when the day is used up', { mode: '429-per-day' }, 3_600_000],
    ] as const)('is waited for %s', async (_how, fault, expectedMs) => {
      provider.faults.set(fault);

      const failure = await failureOf(client());

      expect(failure.retryAfterMs).toBe(expectedMs);
    });

    it('is not called before, by nobody who shares the cool-down, and is called after', async () => {
      provider.nextAnswers([{ mode: '429', retryDelay: '1.2s' }, GOOD]);
      const [here, there] = [client(), client()];
      await failureOf(here);
      const startedAt = monotonicMs();

      const held = await Promise.all(Array.from({ length: 20 }, (_, i) => failureOf(i % 2 ? here : there)));

      expect(new Set(held.map(({ code }) => code))).toEqual(new Set(['MODEL_THROTTLED']));
      expect(held.every(({ retryAfterMs = 0 }) => retryAfterMs > 0 && retryAfterMs <= 1_200)).toBe(true);
      expect(provider.requests).toHaveLength(1);

      const draft = await untilItAnswers(there, neverAborted);
      expect(monotonicMs() - startedAt).toBeGreaterThan(1_000);
      expect(draft.reply).toBe(GOOD.text);
      expect(provider.requests).toHaveLength(2);
    });
  });

  describe(`${name}: what we got wrong ourselves`, () => {
    it('a wrong key is misconfigured, and does not open the breaker', async () => {
      provider.acceptOnly('another-key');
      const model = client();

      for (let i = 0; i < 10; i += 1) expect((await failureOf(model)).code).toBe('MODEL_MISCONFIGURED');

      provider.acceptOnly('good-key');
      provider.answers('Abrimos às 8h.');
      await expect(model.compose(QUESTION, neverAborted)).resolves.toMatchObject({ reply: 'Abrimos às 8h.' });
    });

    it('an unknown model is misconfigured', async () => {
      expect((await failureOf(client({ model: under.unknownModel }))).code).toBe('MODEL_MISCONFIGURED');
    });

    it('a key that was changed is taken up without a restart', async () => {
      const folder = await mkdtemp(path.join(tmpdir(), 'model-key-'));
      const file = path.join(folder, 'key');
      await writeFile(file, 'old-key\n');
      const apiKey = Secret.fromFile(file);
      const model = client({ apiKey });
      provider.answers('Abrimos às 8h.');
      provider.acceptOnly('old-key');
      await model.compose(QUESTION, neverAborted);

      await writeFile(file, 'new-key\n');
      provider.acceptOnly('new-key');
      while (apiKey.reveal() !== 'new-key') await pause(50);

      await expect(model.compose(QUESTION, neverAborted)).resolves.toMatchObject({ reply: 'Abrimos às 8h.' });
      await rm(folder, { recursive: true });
    });
  });

  describe(`${name}: a caller that gives up`, () => {
    it('is let go at once with its own reason', async () => {
      provider.faults.set({ mode: 'hang' });
      const caller = new AbortController();
      const call = client().compose(QUESTION, caller.signal);
      while (provider.requests.length === 0) await pause(2);

      caller.abort(new Error('The turn is over'));

      await expect(call).rejects.toThrow('The turn is over');
    });

    it('makes no request when it had given up before', async () => {
      const call = client().compose(QUESTION, AbortSignal.abort(new Error('The turn is over')));

      await expect(call).rejects.toThrow('The turn is over');
      expect(provider.requests).toHaveLength(0);
    });

    it('does not open the breaker', async () => {
      provider.nextAnswers([...Array.from({ length: 10 }, () => ({ mode: 'hang' as const })), GOOD]);
      const model = client();
      for (let i = 0; i < 10; i += 1) {
        const caller = new AbortController();
        const call = model.compose(QUESTION, caller.signal);
        while (provider.requests.length <= i) await pause(2);
        caller.abort(new Error('The turn is over'));
        await expect(call).rejects.toThrow('The turn is over');
      }

      await expect(model.compose(QUESTION, neverAborted)).resolves.toMatchObject({ reply: GOOD.text });
    });
  });
}

/** Asks until the model answers; what holds it back is its own cool-down or breaker. */
async function untilItAnswers(model: Model, signal: AbortSignal): Promise<Draft> {
  for (;;) {
    try {
      return await model.compose(QUESTION, signal);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    await pause(20);
  }
}

function isSame(left: ReadonlyMap<string, unknown>, right: ReadonlyMap<string, unknown>): boolean {
  return left.size === right.size && [...right].every(([key, value]) => left.get(key) === value);
}
