import { describe, expect, it } from '@jest/globals';
import { costUsd } from './prices.ts';

const NOTHING = { model: 'gemini-3.5-flash-lite', inputTokens: 0, outputTokens: 0, cachedTokens: 0, thoughtTokens: 0 };
const MILLION = 1_000_000;

describe('what a call of a model costs', () => {
  it.each([
    ['what it read', { inputTokens: MILLION }, 0.3],
    ['what it had read before, at its own price and not twice', { inputTokens: MILLION, cachedTokens: MILLION }, 0.03],
    ['what it wrote', { outputTokens: MILLION }, 2.5],
    ['what it thought, as if it had written it', { thoughtTokens: MILLION }, 2.5],
    ['an ordinary reply', { inputTokens: 1_200, outputTokens: 80, thoughtTokens: 20 }, 0.00061],
    ['nothing', {}, 0],
  ])('is counted for %s', (_what, usage, dollars) => {
    expect(costUsd({ ...NOTHING, ...usage })).toBeCloseTo(dollars, 10);
  });

  it('is never negative, however the provider counts what it had read before', () => {
    expect(costUsd({ ...NOTHING, inputTokens: 10, cachedTokens: 50 })).toBeCloseTo(0.0000003, 12);
  });

  it('is not guessed for a model without a known price', () => {
    expect(costUsd({ ...NOTHING, model: 'llama-3.3-70b', inputTokens: MILLION })).toBeUndefined();
  });
});
