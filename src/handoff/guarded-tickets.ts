import { LRUCache } from 'lru-cache';
import { Breaker, BreakerOpenError, BreakerTimeoutError } from '../platform/breaker.ts';
import type { ErrorClass } from '../platform/breaker.ts';
import type { Logger } from '../platform/logger.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { GatewayConnection, GatewayTickets } from '../vocabulary/gateway.ts';

/** Gateways that are remembered as well or ill. An evicted one starts as well again. */
const GATEWAYS_MAX = 500;
/** Half of the transfers, returns and looks of a process: a gateway that hangs leaves the other half to the others. */
const CALLS_PER_GATEWAY_MAX = 24;
/** One of ours may be several requests, a login and pages of a list. Each has a limit of its own, which is the one reported. */
const TIMEOUT_MS = 20_000;
const OPEN_FOR_MS = 10_000;

/**
 * Leaves the tickets of a gateway alone that does not answer for them, one breaker for each address.
 *
 * It is not the breaker of the sends: a fork whose tickets are broken may well send, and one that cannot send may still put
 * a customer where people are.
 */
export class GuardedTickets implements GatewayTickets {
  readonly #tickets: GatewayTickets;
  readonly #log: Logger;
  readonly #openForMs: number;
  readonly #breakers = new LRUCache<string, Breaker>({
    max: GATEWAYS_MAX,
    dispose: (breaker) => {
      breaker.close();
    },
  });

  /** @param openForMs how long a gateway is left alone before one call tries whether it is well. */
  constructor(tickets: GatewayTickets, log: Logger, openForMs = OPEN_FOR_MS) {
    this.#tickets = tickets;
    this.#openForMs = openForMs;
    this.#log = log;
  }

  refusal(connection: GatewayConnection): ReturnType<GatewayTickets['refusal']> {
    return this.#tickets.refusal(connection);
  }

  findTicket: GatewayTickets['findTicket'] = (connection, recipient, signal) =>
    this.#guarded(connection, signal, (bounded) => this.#tickets.findTicket(connection, recipient, bounded));

  readTicket: GatewayTickets['readTicket'] = (connection, ticketId, signal) =>
    this.#guarded(connection, signal, (bounded) => this.#tickets.readTicket(connection, ticketId, bounded));

  writeNote: GatewayTickets['writeNote'] = (connection, note, signal) =>
    this.#guarded(connection, signal, (bounded) => this.#tickets.writeNote(connection, note, bounded));

  moveTicket: GatewayTickets['moveTicket'] = (connection, move, signal) =>
    this.#guarded(connection, signal, (bounded) => this.#tickets.moveTicket(connection, move, bounded));

  closeTicket: GatewayTickets['closeTicket'] = (connection, ticketId, signal) =>
    this.#guarded(connection, signal, (bounded) => this.#tickets.closeTicket(connection, ticketId, bounded));

  findMissing: GatewayTickets['findMissing'] = (connection, to, signal) =>
    this.#guarded(connection, signal, (bounded) => this.#tickets.findMissing(connection, to, bounded));

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
        throw new Failure('GATEWAY_OUTCOME_UNKNOWN', { error: 'ETIMEDOUT' }, { cause: error });
      }
      throw error;
    }
  }

  #breakerOf(connection: GatewayConnection): Breaker {
    const { origin, host } = new URL(connection.baseUrl);
    const known = this.#breakers.get(origin);
    if (known !== undefined) return known;
    const resetTimeoutMs = this.#openForMs;
    const options = { timeoutMs: TIMEOUT_MS, capacity: CALLS_PER_GATEWAY_MAX, resetTimeoutMs, classify };
    const breaker = new Breaker(`tickets ${host}`, options, this.#log);
    this.#breakers.set(origin, breaker);
    return breaker;
  }
}

/**
 * Silence and a 5xx say that it is ill. Many a fork hides "there is no such queue" under a 500 as well: such a move stands
 * between looks that go well, so that it alone never makes the half that opens the breaker.
 */
function classify(error: unknown): ErrorClass {
  if (!(error instanceof Failure)) return 'failure';
  if (error.code === 'GATEWAY_THROTTLED') return 'throttled';
  const { status, reason } = error.detail;
  if (typeof status === 'number') return status >= 500 ? 'failure' : 'caller-bug';
  // An answer came, and this one ticket could not be read from it.
  if (reason !== undefined) return 'caller-bug';
  return error.code === 'GATEWAY_UNREACHABLE' || error.code === 'GATEWAY_OUTCOME_UNKNOWN' ? 'failure' : 'caller-bug';
}
