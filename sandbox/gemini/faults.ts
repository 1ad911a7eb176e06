/** Ways in which a model provider disappoints. */
export type FaultMode =
  | 'none'
  /** The connection is reset. */
  | 'down'
  /** The ordinary answer, `delayMs` late. */
  | 'slow'
  /** The connection is accepted and nothing ever comes. */
  | 'hang'
  | '429'
  | '429-per-day'
  | '500'
  | '503'
  /** A complete answer whose text is cut-off JSON. */
  | 'invalid-json'
  | 'empty'
  | 'max-tokens'
  | 'safety'
  /** The prompt itself is refused. */
  | 'blocked'
  /** Twenty megabytes of text. */
  | 'huge'
  /** Status 200 and a web page, as a captive portal or a proxy gives. */
  | 'html';

export interface Fault {
  readonly mode: FaultMode;
  readonly delayMs?: number;
  /** As on the wire: `"37s"`, `"45.8s"`. `""` leaves it out, as the provider sometimes does. */
  readonly retryDelay?: string;
  /** How many requests it strikes; all of them unless told. */
  readonly times?: number;
}

/** The fault in force, until it is used up or another is set. */
export class Faults {
  #fault: Fault = { mode: 'none' };
  #left = Infinity;

  set(fault: Fault): void {
    this.#fault = fault;
    this.#left = fault.times ?? Infinity;
  }

  /** The fault for the request that has just come. */
  take(): Fault {
    if (this.#left <= 0) return { mode: 'none' };
    this.#left -= 1;
    return this.#fault;
  }
}
