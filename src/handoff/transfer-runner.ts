import type { Logger } from '../platform/logger.ts';
import type { ClaimedTransfer, TransferStore } from './transfer-store.ts';

/** Transfers under way in one process. A gateway that hangs holds each for a minute at most. */
const AT_ONCE_MAX = 24;

/** Begins what is due, a bounded number at once. It waits for none of them: one slow gateway is not everybody's. */
export class TransferRunner {
  readonly #transfers: TransferStore;
  readonly #transfer: (claim: ClaimedTransfer, stopping: AbortSignal) => Promise<void>;
  readonly #log: Logger;
  readonly #underWay = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(
    transfers: TransferStore,
    transfer: (claim: ClaimedTransfer, stopping: AbortSignal) => Promise<void>,
    log: Logger,
  ) {
    this.#transfers = transfers;
    this.#transfer = transfer;
    this.#log = log;
  }

  /** @returns how much it began, so that the next round follows at once while there is more. */
  async round(): Promise<number> {
    const begun = await this.#transfers.begin();
    const free = AT_ONCE_MAX - this.#underWay.size;
    if (free <= 0) return 0;
    const claims = await this.#transfers.claim(free);
    for (const claim of claims) this.#begin(claim);
    return begun + claims.length;
  }

  #begin(claim: ClaimedTransfer): void {
    const done = this.#transfer(claim, this.#stopping.signal)
      .catch((error: unknown) => {
        // Its claim runs out, and somebody tries again.
        this.#log.error({ err: error, handoffId: claim.handoffId }, 'A transfer could not be recorded');
      })
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** Whatever is under way is left to the next process, which looks before it does anything. */
  async close(): Promise<void> {
    this.#stopping.abort(new Error('The process ends'));
    await Promise.all(this.#underWay);
  }
}
