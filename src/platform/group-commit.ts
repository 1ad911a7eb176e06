/** How one batch is written. Results are in the order of the rows. */
export type WriteBatch<Row, Result> = (rows: readonly Row[]) => Promise<readonly Result[]>;

export interface GroupCommitOptions<Row> {
  readonly rowsMax: number;
  /** What a batch may weigh; one row that is heavier goes alone. */
  readonly bytesMax: number;
  readonly bytesOf: (row: Row) => number;
  /** Batches being written at the same time. */
  readonly batchesMax: number;
  /** Rows that may wait. Beyond it the caller is refused at once, instead of waiting for a store that is behind. */
  readonly waitingMax: number;
  /** What the waiting rows may weigh together. */
  readonly waitingBytesMax: number;
  /** Whether a failed batch is worth trying row by row, because one row of it may be to blame. */
  readonly isRowToBlame: (error: unknown) => boolean;
}

export class GroupCommitFull extends Error {
  constructor() {
    super('Too many rows are waiting to be written');
    this.name = 'GroupCommitFull';
  }
}

interface Waiting<Row, Result> {
  readonly row: Row;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets rows that arrive together share one commit.
 *
 * There is no timer: a row that finds nobody writing is written at once, and what arrives in the meantime goes together
 * in the next batch. So the wait adapts to the load by itself, and an idle system adds none.
 */
export class GroupCommit<Row, Result> {
  readonly #write: WriteBatch<Row, Result>;
  readonly #options: GroupCommitOptions<Row>;
  readonly #waiting: Waiting<Row, Result>[] = [];
  #waitingBytes = 0;
  #writing = 0;

  constructor(write: WriteBatch<Row, Result>, options: GroupCommitOptions<Row>) {
    this.#write = write;
    this.#options = options;
  }

  /**
   * Resolves when the row is durable.
   *
   * @throws {GroupCommitFull} at once, when too many rows wait.
   * @throws the store's error; the row may then still have been written.
   */
  async add(row: Row): Promise<Result> {
    const { waitingMax, waitingBytesMax, bytesOf } = this.#options;
    const bytes = bytesOf(row);
    const isFull = this.#waiting.length >= waitingMax || this.#waitingBytes + bytes > waitingBytesMax;
    // One row always fits: otherwise a heavy one would never be written at all.
    if (isFull && this.#waiting.length > 0) throw new GroupCommitFull();
    this.#waitingBytes += bytes;
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      // Requests that were read in the same turn of the event loop get the chance to come along.
      if (this.#writing < this.#options.batchesMax) setImmediate(() => void this.#next());
    });
  }

  async #next(): Promise<void> {
    if (this.#writing >= this.#options.batchesMax || this.#waiting.length === 0) return;
    const batch = this.#takeBatch();
    this.#writing += 1;
    try {
      await this.#writeTogether(batch);
    } finally {
      this.#writing -= 1;
      void this.#next();
    }
  }

  #takeBatch(): readonly Waiting<Row, Result>[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ row }, index) => {
      bytes += this.#options.bytesOf(row);
      return index > 0 && (index >= this.#options.rowsMax || bytes > this.#options.bytesMax);
    });
    return this.#take(end === -1 ? this.#waiting.length : end);
  }

  #take(count: number): readonly Waiting<Row, Result>[] {
    const taken = this.#waiting.splice(0, count);
    for (const { row } of taken) this.#waitingBytes -= this.#options.bytesOf(row);
    return taken;
  }

  async #writeTogether(batch: readonly Waiting<Row, Result>[]): Promise<void> {
    try {
      const results = await this.#write(batch.map((waiting) => waiting.row));
      for (const [index, waiting] of batch.entries()) {
        const result = results[index];
        if (result === undefined) waiting.reject(new Error('The store returned too few results'));
        else waiting.resolve(result);
      }
    } catch (error) {
      if (batch.length > 1 && this.#options.isRowToBlame(error)) {
        for (const waiting of batch) await this.#writeTogether([waiting]);
        return;
      }
      for (const waiting of batch) waiting.reject(error);
      // The store itself is in trouble: whoever waits behind this batch would only wait for the same answer.
      if (!this.#options.isRowToBlame(error))
        for (const waiting of this.#take(this.#waiting.length)) waiting.reject(error);
    }
  }
}
