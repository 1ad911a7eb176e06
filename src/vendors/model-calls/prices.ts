import type { ModelUsage } from '../../vocabulary/model.ts';

/** US dollars for a million tokens. */
interface Price {
  readonly input: number;
  /** Input that the provider had read before. */
  readonly cachedInput: number;
  /** What was written, and what was thought before that. */
  readonly output: number;
}

/**
 * What models cost by their public price, for those that somebody is likely to name in GEMINI_MODEL: text, paid tier, not
 * in a batch, without discounts that end on a day. An estimate, not an invoice.
 *
 * Source: ai.google.dev/gemini-api/docs/pricing, as quoted by others between 2026-07-24 and 2026-10-07; *unverified*,
 * because the page itself could not be read. The cached price of gemini-3.5-flash-lite is quoted by some and missed by
 * others; it is a tenth of the input's, as for its family.
 */
const PRICES: ReadonlyMap<string, Price> = new Map([
  ['gemini-3.5-flash-lite', { input: 0.3, cachedInput: 0.03, output: 2.5 }],
  ['gemini-3.5-flash', { input: 1.5, cachedInput: 0.15, output: 9 }],
  ['gemini-3.1-flash-lite', { input: 0.25, cachedInput: 0.025, output: 1.5 }],
  ['gemini-2.5-flash', { input: 0.3, cachedInput: 0.03, output: 2.5 }],
  ['gemini-2.5-flash-lite', { input: 0.1, cachedInput: 0.01, output: 0.4 }],
]);

const TOKENS_OF_A_PRICE = 1_000_000;

/** What a call cost, in US dollars; undefined for a model whose price is not known, because a wrong one is worse than none. */
export function costUsd(usage: Omit<ModelUsage, 'costUsd'>): number | undefined {
  const price = PRICES.get(usage.model);
  if (price === undefined) return undefined;
  const cached = Math.min(usage.cachedTokens, usage.inputTokens);
  const dollars =
    (usage.inputTokens - cached) * price.input +
    cached * price.cachedInput +
    (usage.outputTokens + usage.thoughtTokens) * price.output;
  return dollars / TOKENS_OF_A_PRICE;
}

export function hasPrice(model: string): boolean {
  return PRICES.has(model);
}
