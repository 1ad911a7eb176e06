import type { Logger } from '../platform/logger.ts';

/** Tickets that one process moves at once. A gateway that hangs holds each for a minute at most. */
const AT_ONCE_MAX = 24;

/** Where tickets are that are due to be moved. */
export interface TicketMoves<Claim> {
  /** Notes what has become due by itself, where that is how it comes. @returns how many were new. */
  readonly begin?: () => Promise<number>;
  readonly claim: (limit: number) => Promise<readonly Claim[]>;
}

/** Begins what is due, a bounded number at once. It waits for none of them: one slow gateway is not everybody's. */
export class TransferRunner<Claim extends { readonly conversationId: string }> {
  readonly #moves: TicketMoves<Claim>;
  readonly #move: (claim: Claim, stopping: AbortSignal) => Promise<void>;
  readonly #log: Logger;
  readonly #underWay = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(moves: TicketMoves<Claim>, move: (claim: Claim, stopping: AbortSignal) => Promise<void>, log: Logger) {
    this.#moves = moves;
    this.#move = move;
    this.#log = log;
  }

  /** @returns how much it began, so that the next round follows at once while there is more. */
  async round(): Promise<number> {
    const begun = (await this.#moves.begin?.()) ?? 0;
    const free = AT_ONCE_MAX - this.#underWay.size;
    if (free <= 0) return 0;
    const claims = await this.#moves.claim(free);
    for (const claim of claims) this.#begin(claim);
    return begun + claims.length;
  }

  #begin(claim: Claim): void {
    const done = this.#move(claim, this.#stopping.signal)
      .catch((error: unknown) => {
        // Its claim runs out, and somebody tries again.
        this.#log.error(
          { err: error, conversationId: claim.conversationId },
          'A move of a ticket could not be recorded',
        );
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
