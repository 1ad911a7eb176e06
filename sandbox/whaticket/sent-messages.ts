/** A message that reached a customer's phone. */
export interface SentMessage {
  readonly at: Date;
  /** The token of the connection it was sent by. */
  readonly token: string;
  /** The customer's phone; the LID where no phone is known. */
  readonly phone: string;
  readonly text: string;
  /** The ticket, when it was sent in one and not to a number. */
  readonly ticketId?: number;
}

/** So many are remembered; a load test sends more than a test ever looks at. */
const SENT_MAX = 50_000;
/** The oldest are dropped in batches: dropping one at a time would move the whole list for each message. */
const SENT_SLACK = 5_000;

/** What was sent, and who waits for it. */
export class SentMessages {
  readonly #list: SentMessage[] = [];
  readonly #listeners = new Set<(message: SentMessage) => void>();
  readonly #closing = new AbortController();

  get list(): readonly SentMessage[] {
    return this.#list;
  }

  add(message: SentMessage): void {
    this.#list.push(message);
    if (this.#list.length > SENT_MAX + SENT_SLACK) this.#list.splice(0, SENT_SLACK);
    for (const listener of this.#listeners) listener(message);
  }

  onSent(listener: (message: SentMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Waits until so many have been sent since the beginning.
   *
   * @throws {Error} naming how many there were, when the time is over or everything closes first.
   */
  async waitFor(count: number, options: { phone?: string; timeoutMs: number }): Promise<SentMessage[]> {
    const isMeant = (message: SentMessage): boolean => options.phone === undefined || message.phone === options.phone;
    const found = this.#list.filter(isMeant);
    if (found.length >= count) return found;
    const over = AbortSignal.any([AbortSignal.timeout(options.timeoutMs), this.#closing.signal]);
    const { promise, resolve, reject } = Promise.withResolvers<SentMessage[]>();
    const forget = this.onSent((message) => {
      if (isMeant(message) && found.push(message) >= count) resolve(found);
    });
    const giveUp = (): void => {
      reject(new Error(`${found.length} of ${count} messages were sent within ${options.timeoutMs} ms`));
    };
    over.addEventListener('abort', giveUp, { once: true });
    try {
      return await promise;
    } finally {
      forget();
      over.removeEventListener('abort', giveUp);
    }
  }

  close(): void {
    this.#closing.abort();
    this.#listeners.clear();
  }
}
