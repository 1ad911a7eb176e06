import { describe, expect, it } from '@jest/globals';
import { GroupCommit, GroupCommitFull } from './group-commit.ts';
import type { GroupCommitOptions } from './group-commit.ts';

const BAD_ROW = new Error('the row is to blame');
const STORE_GONE = new Error('the store is gone');

/** A store that writes when it is told to, so that a test decides what arrives meanwhile. */
class SlowStore {
  readonly batches: (readonly string[])[] = [];
  readonly #gates: PromiseWithResolvers<undefined>[] = [];
  failWith: Error | undefined;

  async write(rows: readonly string[]): Promise<readonly string[]> {
    this.batches.push(rows);
    const gate = Promise.withResolvers<undefined>();
    this.#gates.push(gate);
    await gate.promise;
    if (rows.includes('bad')) throw BAD_ROW;
    if (this.failWith !== undefined) throw this.failWith;
    return rows.map((row) => `${row}!`);
  }

  /** Lets every batch through, those that come later included. */
  async finishAll(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet += 1) {
      const gate = this.#gates.shift();
      gate?.resolve(undefined);
      if (gate !== undefined) quiet = 0;
      await new Promise(setImmediate);
    }
  }
}

const OPTIONS: GroupCommitOptions<string> = {
  rowsMax: 100,
  bytesMax: 1_000,
  bytesOf: (row) => row.length,
  batchesMax: 1,
  waitingMax: 500,
  waitingBytesMax: 1_000_000,
  isRowToBlame: (error) => error === BAD_ROW,
};

function open(options: Partial<GroupCommitOptions<string>> = {}) {
  const store = new SlowStore();
  const commits = new GroupCommit((rows: readonly string[]) => store.write(rows), { ...OPTIONS, ...options });
  return { store, commits };
}

function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `row ${index}`);
}

describe('rows that arrive together', () => {
  it('share one commit, and each gets its own result', async () => {
    const { store, commits } = open();

    const added = numbered(50).map((row) => commits.add(row));
    await store.finishAll();

    expect(await Promise.all(added)).toEqual(numbered(50).map((row) => `${row}!`));
    expect(store.batches).toHaveLength(1);
  });

  it('and those that arrive while it is written share the next one', async () => {
    const { store, commits } = open();
    const first = commits.add('first');
    await new Promise(setImmediate);

    const others = numbered(20).map((row) => commits.add(row));
    await store.finishAll();
    await Promise.all([first, ...others]);

    expect(store.batches.map((batch) => batch.length)).toEqual([1, 20]);
  });

  it('do not wait for others: one that comes alone is written alone, at once', async () => {
    const { store, commits } = open();

    void commits.add('only');
    await new Promise(setImmediate);

    expect(store.batches).toEqual([['only']]);
    await store.finishAll();
  });

  it('are split where they are too many or too heavy; what is too heavy by itself goes alone', async () => {
    const { store, commits } = open({ rowsMax: 3, bytesMax: 10 });

    const added = ['1', '2', '3', '4', 'x'.repeat(9), 'y'.repeat(50), '5'].map((row) => commits.add(row));
    await store.finishAll();
    await Promise.all(added);

    expect(store.batches.map((batch) => batch.map((row) => row.length))).toEqual([[1, 1, 1], [1, 9], [50], [1]]);
  });

  it('are written by no more batches at once than allowed', async () => {
    const { store, commits } = open({ batchesMax: 2, rowsMax: 1 });

    const added = numbered(6).map((row) => commits.add(row));
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);

    expect(store.batches).toHaveLength(2);
    await store.finishAll();
    await Promise.all(added);
  });
});

describe('a batch that fails', () => {
  it('because of one row takes no other row down', async () => {
    const { store, commits } = open();

    const added = ['good', 'bad', 'fine'].map((row) => commits.add(row));
    const ended = Promise.allSettled(added);
    await store.finishAll();

    expect(await ended).toEqual([
      { status: 'fulfilled', value: 'good!' },
      { status: 'rejected', reason: BAD_ROW },
      { status: 'fulfilled', value: 'fine!' },
    ]);
    expect(store.batches).toEqual([['good', 'bad', 'fine'], ['good'], ['bad'], ['fine']]);
  });

  it('because of the store tells everybody, those who wait behind it included', async () => {
    const { store, commits } = open();
    const first = commits.add('first');
    await new Promise(setImmediate);
    const behind = numbered(10).map((row) => commits.add(row));
    store.failWith = STORE_GONE;

    const ended = Promise.allSettled([first, ...behind]);
    await store.finishAll();

    expect((await ended).map(({ status }) => status)).toEqual(Array.from({ length: 11 }, () => 'rejected'));
    expect(store.batches).toHaveLength(1);
  });

  it('is no obstacle for what comes after it', async () => {
    const { store, commits } = open();
    store.failWith = STORE_GONE;
    const failed = commits.add('first').catch((error: unknown) => error);
    await store.finishAll();
    store.failWith = undefined;

    const next = commits.add('second');
    await store.finishAll();

    expect(await failed).toBe(STORE_GONE);
    expect(await next).toBe('second!');
  });

  it('by a store that answers for too few rows is told to those it forgot', async () => {
    const commits = new GroupCommit<string, string>(() => Promise.resolve(['one']), OPTIONS);

    const ended = await Promise.allSettled([commits.add('a'), commits.add('b')]);

    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});

describe('a store that is far behind', () => {
  it('is given no more: whoever comes then is refused at once', async () => {
    const { store, commits } = open({ waitingMax: 3 });
    const taken = [commits.add('writing')];
    await new Promise(setImmediate);
    taken.push(...['1', '2', '3'].map((row) => commits.add(row)));

    await expect(commits.add('too many')).rejects.toBeInstanceOf(GroupCommitFull);

    await store.finishAll();
    expect(await Promise.all(taken)).toHaveLength(4);
  });
});
