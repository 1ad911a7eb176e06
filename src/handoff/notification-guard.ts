import { LRUCache } from 'lru-cache';
import { Breaker, BreakerOpenError, BreakerTimeoutError } from '../platform/breaker.ts';
import type { ErrorClass } from '../platform/breaker.ts';
import type { Logger } from '../platform/logger.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Notice, Notifier, TargetAddress } from '../vocabulary/notification.ts';
import { serverOf } from './notification-target.ts';

/** Servers that are remembered as well or ill. An evicted one starts as well again. */
const SERVERS_MAX = 200;
/** Half of what a process tells at once: a server that hangs leaves the other half to the others. */
const CALLS_PER_SERVER_MAX = 8;
/** Longer than any of the vendors' own limits, so that theirs is the one that is reported. */
const TIMEOUT_MS = 20_000;
const OPEN_FOR_MS = 30_000;

/** Leaves a server alone that does not answer, one breaker for each, so that its notices do not hold up all others. */
export class GuardedNotifier implements Notifier {
  readonly #notifier: Notifier;
  readonly #log: Logger;
  readonly #breakers = new LRUCache<string, Breaker>({
    max: SERVERS_MAX,
    dispose: (breaker) => {
      breaker.close();
    },
  });

  constructor(notifier: Notifier, log: Logger) {
    this.#notifier = notifier;
    this.#log = log;
  }

  async tell(address: TargetAddress, notice: Notice, signal: AbortSignal): Promise<void> {
    try {
      await this.#breakerOf(address).run((bounded) => this.#notifier.tell(address, notice, bounded), signal);
    } catch (error) {
      if (error instanceof BreakerOpenError) {
        throw new Failure('NOTIFICATION_NOT_TAKEN', { breaker: error.reason }, { cause: error });
      }
      if (error instanceof BreakerTimeoutError) {
        throw new Failure('NOTIFICATION_NOT_TAKEN', { error: 'ETIMEDOUT' }, { cause: error });
      }
      throw error;
    }
  }

  close(): void {
    this.#breakers.clear();
  }

  #breakerOf(address: TargetAddress): Breaker {
    const server = serverOf(address);
    const known = this.#breakers.get(server);
    if (known !== undefined) return known;
    const options = { timeoutMs: TIMEOUT_MS, capacity: CALLS_PER_SERVER_MAX, resetTimeoutMs: OPEN_FOR_MS, classify };
    const breaker = new Breaker(`notifications ${server}`, options, this.#log);
    this.#breakers.set(server, breaker);
    return breaker;
  }
}

/** Whether the call was not made at all, because the server is being left alone. */
export function wasNotTried(failure: Failure): boolean {
  return failure.detail.breaker !== undefined;
}

/** A clear no says that the server works, and a 4xx that merely puts us off (greylisting) says so too. */
function classify(error: unknown): ErrorClass {
  if (!(error instanceof Failure)) return 'failure';
  if (error.code === 'NOTIFICATION_THROTTLED') return 'throttled';
  if (error.code !== 'NOTIFICATION_NOT_TAKEN') return 'caller-bug';
  const { status } = error.detail;
  return typeof status === 'number' && status < 500 ? 'caller-bug' : 'failure';
}
