/** Series of one metric that are told apart by tenant. More of them would make a scrape slow and its storage dear. */
export const TENANTS_SHOWN = 50;

/** Everybody beyond that, together, and with them a tenant that should bear this very name. */
export const OTHER_TENANTS = 'other';

/**
 * Values of a label that nobody bounds: the first so many keep their name for as long as the process lives, because a
 * counter cannot move to another series; all later ones are one.
 */
export class CappedLabel {
  readonly #max: number;
  readonly #other: string;
  readonly #known = new Set<string>();

  constructor(max: number, other: string) {
    this.#max = max;
    this.#other = other;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max) return this.#other;
    this.#known.add(value);
    return value;
  }
}
