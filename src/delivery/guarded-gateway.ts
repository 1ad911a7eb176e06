import { LRUCache } from 'lru-cache';
import { Breaker, BreakerOpenError, BreakerTimeoutError } from '../platform/breaker.ts';
import type { ErrorClass } from '../platform/breaker.ts';
import type { Logger } from '../platform/logger.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Gateway, GatewayConnection, OutgoingText, Recipient, SaidByUs, SentText } from '../vocabulary/gateway.ts';

/** Gateways that are remembered as well or ill. An evicted one starts as well again. */
const GATEWAYS_MAX = 500;
/** Half of what a process sends at once: a gateway that hangs leaves the other half to the others. */
const CALLS_PER_GATEWAY_MAX = 50;

/**
 * Leaves a gateway alone that does not answer, one breaker for each address.
 *
 * Each call into a gateway that hangs ends as `unknown` and may cost a customer a second copy or a wait for a person; a
 * call that is not made costs nothing but time.
 */
export class GuardedGateway implements Gateway {
  readonly #gateway: Gateway;
  readonly #timeoutMs: number;
  readonly #log: Logger;
  readonly #breakers = new LRUCache<string, Breaker>({
    max: GATEWAYS_MAX,
    dispose: (breaker) => {
      breaker.close();
    },
  });

  constructor(gateway: Gateway, timeoutMs: number, log: Logger) {
    this.#gateway = gateway;
    this.#timeoutMs = timeoutMs;
    this.#log = log;
  }

  async sendText(connection: GatewayConnection, message: OutgoingText, signal: AbortSignal): Promise<SentText> {
    return await this.#guarded(connection, signal, (bounded) => this.#gateway.sendText(connection, message, bounded));
  }

  async readBack(
    connection: GatewayConnection,
    recipient: Recipient,
    signal: AbortSignal,
  ): Promise<readonly SaidByUs[] | undefined> {
    return await this.#guarded(connection, signal, (bounded) => this.#gateway.readBack(connection, recipient, bounded));
  }

  close(): void {
    this.#breakers.clear();
  }

  async #guarded<Result>(
    connection: GatewayConnection,
    signal: AbortSignal,
    call: (bounded: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await this.#breakerOf(connection).run(call, signal);
    } catch (error) {
      if (error instanceof BreakerOpenError) {
        throw new Failure('GATEWAY_UNREACHABLE', { breaker: error.reason }, { cause: error });
      }
      if (error instanceof BreakerTimeoutError) {
        throw new Failure('GATEWAY_OUTCOME_UNKNOWN', { reason: 'timeout' }, { cause: error });
      }
      throw error;
    }
  }

  #breakerOf(connection: GatewayConnection): Breaker {
    const { origin, host } = new URL(connection.baseUrl);
    const known = this.#breakers.get(origin);
    if (known !== undefined) return known;
    const options = { timeoutMs: this.#timeoutMs, capacity: CALLS_PER_GATEWAY_MAX, classify };
    const breaker = new Breaker(`gateway ${host}`, options, this.#log);
    this.#breakers.set(origin, breaker);
    return breaker;
  }
}

/** Only silence and refused lines say that a gateway is ill. A clear no, however bad for us, says that it works. */
function classify(error: unknown): ErrorClass {
  if (!(error instanceof Failure)) return 'failure';
  if (error.code === 'GATEWAY_THROTTLED') return 'throttled';
  return error.code === 'GATEWAY_UNREACHABLE' || error.code === 'GATEWAY_OUTCOME_UNKNOWN' ? 'failure' : 'caller-bug';
}
