/** What can go wrong between us and a gateway, and at the gateway. */
export type FaultMode =
  | 'none'
  /** Nobody listens: connections are refused. */
  | 'off'
  /** Connections are taken and cut. */
  | 'down'
  /** The customer gets the message, we get no answer. */
  | 'drop-after-accepting'
  /** The line is cut before the message is looked at. */
  | 'drop-before-accepting'
  /** Answers after `delayMs`. */
  | 'slow'
  /** The phone has lost its session. */
  | 'session-down'
  | 'credentials-refused'
  | 'throttled'
  | 'server-error'
  /** The customer gets the message, we get 64 KB that say nothing. */
  | 'garbage'
  /** Points elsewhere. Who follows sends the message. */
  | 'redirect';

export interface Fault {
  readonly mode: FaultMode;
  /** For `slow`. */
  readonly delayMs?: number;
  /** How many requests it hits before all is well again; every one if not given. */
  readonly times?: number;
}

/** The fault that is in force. */
export class Faults {
  readonly #onChange: (mode: FaultMode) => void;
  #fault: Fault = { mode: 'none' };
  #timesLeft = Infinity;

  /** @param onChange called with the mode that comes into force, for what concerns the listening itself. */
  constructor(onChange: (mode: FaultMode) => void) {
    this.#onChange = onChange;
  }

  get mode(): FaultMode {
    return this.#fault.mode;
  }

  set(fault: Fault): void {
    this.#fault = fault;
    this.#timesLeft = fault.times ?? Infinity;
    this.#onChange(fault.mode);
  }

  /** The fault that hits this request, which thereby counts. */
  take(): Fault {
    const fault = this.#fault;
    this.#timesLeft -= 1;
    if (this.#timesLeft <= 0) this.#fault = { mode: 'none' };
    return fault;
  }
}
