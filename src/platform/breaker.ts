import CircuitBreaker from 'opossum';
import { Counter, Gauge } from 'prom-client';
import type { Logger } from './logger.ts';
import { registry } from './metrics.ts';
import { systemClock } from './time.ts';

/**
 * What an error says about the dependency.
 *
 * `failure`: it is not well. `throttled`: it is well and wants us to wait, which proves neither that it is broken nor
 * that it has recovered. `caller-bug`: it is well, and what we asked for was wrong.
 */
export type ErrorClass = 'failure' | 'throttled' | 'caller-bug';

export type BreakerState = 'closed' | 'half-open' | 'open';

export interface BreakerOptions {
  /** How long one call may take. It ends then, also when the action ignores its signal. */
  readonly timeoutMs: number;
  /** Calls at once; further ones are refused. About twice what is usual. */
  readonly capacity: number;
  /** Opens when more than this share of the finished calls in the window failed, 0 to 100. 50 unless told. */
  readonly errorThresholdPercentage?: number;
  /** Finished calls that the window must hold before their share means anything. 5 unless told. */
  readonly volumeThreshold?: number;
  /** How long an open breaker refuses everything before it lets one probe through. 10,000 unless told. */
  readonly resetTimeoutMs?: number;
  /** Everything is a failure unless told. Not asked about timeouts, nor about calls that their caller gave up. */
  readonly classify?: (error: unknown) => ErrorClass;
}

/** The call was not made. */
export class BreakerOpenError extends Error {
  /** `open`: the dependency is being left alone. `full`: too many calls are under way. */
  readonly reason: 'open' | 'full';

  constructor(name: string, reason: 'open' | 'full') {
    super(reason === 'open' ? `The breaker ${name} is open` : `The breaker ${name} has no room for another call`);
    this.name = 'BreakerOpenError';
    this.reason = reason;
  }
}

/** The call was made and did not end in time. */
export class BreakerTimeoutError extends Error {
  constructor(name: string, timeoutMs: number) {
    super(`A call through the breaker ${name} did not end within ${timeoutMs} ms`);
    this.name = 'BreakerTimeoutError';
  }
}

/** opossum's own deadline comes this much after ours, so that ours decides and opossum's is only a net below it. */
const NET_MS = 250;
const WINDOW_BUCKETS = 10;

const STATE_VALUE: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 };

const stateGauge = new Gauge({
  name: 'plantao_breaker_state',
  help: 'State of a breaker: 0 closed, 1 half-open, 2 open.',
  labelNames: ['name'],
  registers: [registry],
});
const transitions = new Counter({
  name: 'plantao_breaker_transitions_total',
  help: 'Changes of a breaker by the state it went to.',
  labelNames: ['name', 'to'],
  registers: [registry],
});
const rejections = new Counter({
  name: 'plantao_breaker_rejections_total',
  help: 'Calls that a breaker did not let through.',
  labelNames: ['name'],
  registers: [registry],
});

/** What opossum is told about a call: resolved for well, rejected for ill. */
type Report = PromiseWithResolvers<void>;

/**
 * Leaves a dependency alone that does not work.
 *
 * opossum keeps the window and the states. It never sees the calls themselves, only a report on each, because by itself
 * it would: abort all calls when one times out; forget timeouts that are longer than its window; close when a
 * throttled probe is filtered out, or when a slow answer to a question from before the outage arrives; count calls
 * under way as good ones; and count a refusal for lack of room as a failure of the dependency.
 * (Source: opossum 10.0.0, lib/circuit.js and lib/status.js.)
 */
export class Breaker {
  readonly #name: string;
  readonly #options: Required<BreakerOptions>;
  readonly #log: Logger;
  readonly #circuit: CircuitBreaker<[Promise<void>], void>;
  readonly #underWay = new Set<Report>();
  #openedAt: Date | undefined;

  constructor(name: string, options: BreakerOptions, log: Logger) {
    this.#name = name;
    this.#log = log;
    this.#options = {
      errorThresholdPercentage: 50,
      volumeThreshold: 5,
      resetTimeoutMs: 10_000,
      classify: () => 'failure',
      ...options,
    };
    const { timeoutMs, volumeThreshold } = this.#options;
    this.#circuit = new CircuitBreaker((report: Promise<void>) => report, {
      name,
      timeout: timeoutMs + NET_MS,
      resetTimeout: this.#options.resetTimeoutMs,
      errorThresholdPercentage: this.#options.errorThresholdPercentage,
      volumeThreshold,
      // Calls that time out one after another must still be in the window when the last one that is needed ends.
      rollingCountTimeout: Math.max(4, volumeThreshold + 2) * timeoutMs,
      rollingCountBuckets: WINDOW_BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    });
    this.#circuit.on('failure', () => {
      this.#openWhenFinishedCallsSaySo();
    });
    this.#circuit.on('open', () => {
      this.#opened();
    });
    this.#circuit.on('halfOpen', () => {
      this.#moved('half-open');
    });
    this.#circuit.on('close', () => {
      this.#openedAt = undefined;
      this.#moved('closed');
    });
    stateGauge.set({ name }, STATE_VALUE.closed);
  }

  get state(): BreakerState {
    if (this.#circuit.closed) return 'closed';
    return this.#circuit.halfOpen ? 'half-open' : 'open';
  }

  /** When it last opened; undefined while it is closed. */
  get openedAt(): Date | undefined {
    return this.#openedAt;
  }

  /**
   * Makes the call, unless the dependency is being left alone.
   *
   * @param action gets a signal of its own, aborted at the deadline or with `signal`; no other call shares it.
   * @throws {BreakerOpenError} when the call was not made.
   * @throws {BreakerTimeoutError} when it did not end in time.
   */
  async run<T>(action: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (!this.#circuit.closed && !this.#circuit.pendingClose) throw this.#refusal('open');
    if (this.#underWay.size >= this.#options.capacity) throw this.#refusal('full');

    const report: Report = Promise.withResolvers();
    this.#underWay.add(report);
    // The caller hears from the call itself; opossum's copy of the same failure is for its books only.
    this.#circuit.fire(report.promise).catch(() => undefined);
    try {
      const result = await this.#withinTime(action, signal);
      report.resolve();
      return result;
    } catch (error) {
      if (this.#countsAgainst(error, signal)) report.reject(error);
      else report.resolve();
      throw error;
    } finally {
      this.#underWay.delete(report);
    }
  }

  /** Stops its timers. Every later call is refused. */
  close(): void {
    this.#circuit.shutdown();
    stateGauge.remove({ name: this.#name });
  }

  async #withinTime<T>(action: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    // A plain controller and not AbortSignal.any: Node keeps a combined signal alive for as long as somebody listens to
    // it, and not every client that we hand the signal to takes its listener away again.
    const call = new AbortController();
    const ended = Promise.withResolvers<never>();
    const end = (reason: unknown): void => {
      call.abort(reason);
      ended.reject(reason);
    };
    const cancel = (): void => {
      end(signal.reason);
    };
    const { timeoutMs } = this.#options;
    const timer = setTimeout(() => {
      end(new BreakerTimeoutError(this.#name, timeoutMs));
    }, timeoutMs);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await Promise.race([ended.promise, action(call.signal)]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    }
  }

  /**
   * Whether opossum hears of a failure.
   *
   * A probe that was throttled or given up has proved nothing, and opossum knows only good and bad: it counts as bad, so
   * that the breaker stays open for another round. While closed, neither is held against the dependency.
   */
  #countsAgainst(error: unknown, signal: AbortSignal): boolean {
    if (error instanceof BreakerTimeoutError) return true;
    const errorClass = signal.aborted ? 'throttled' : this.#options.classify(error);
    if (errorClass === 'throttled') return this.state === 'half-open';
    return errorClass === 'failure';
  }

  /** opossum divides failures by calls begun; calls under way would then pass for good ones. */
  #openWhenFinishedCallsSaySo(): void {
    const { failures, successes } = this.#circuit.stats;
    const finished = failures + successes;
    if (finished < this.#options.volumeThreshold) return;
    if ((failures / finished) * 100 > this.#options.errorThresholdPercentage) this.#circuit.open();
  }

  #opened(): void {
    this.#openedAt = systemClock.now();
    this.#moved('open');
    // How these calls end says how the dependency was before it was left alone. Reported now, while the breaker is open,
    // it changes nothing; reported when they end, it could close or reopen a half-open breaker in the probe's place.
    for (const report of this.#underWay) report.resolve();
  }

  #moved(to: BreakerState): void {
    stateGauge.set({ name: this.#name }, STATE_VALUE[to]);
    transitions.inc({ name: this.#name, to });
    this.#log.warn({ event: 'breaker.moved', breaker: this.#name, to }, `The breaker is ${to}`);
  }

  #refusal(reason: 'open' | 'full'): BreakerOpenError {
    rejections.inc({ name: this.#name });
    return new BreakerOpenError(this.#name, reason);
  }
}
