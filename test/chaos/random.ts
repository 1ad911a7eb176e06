/** Numbers that look random and follow from a seed alone, so that a run can be had again. */
export interface Random {
  /** From 0, below 1. */
  next(): number;
  /** A whole number from 0, below `bound`. */
  below(bound: number): number;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  shuffled<Item>(items: readonly Item[]): Item[];
}

/**
 * @param purpose keeps the numbers of one use apart from another's: a change of the load must not move the faults.
 */
export function randomFrom(seed: number, purpose: string): Random {
  let state = Buffer.from(purpose).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), seed | 0);
  // Mulberry32: small, and good enough to choose victims with.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    below,
    pick: (items) => items[below(items.length)] ?? items[0],
    shuffled: (items) => {
      const rest = [...items];
      return items.map(() => rest.splice(below(rest.length), 1)).flat();
    },
  };
}
