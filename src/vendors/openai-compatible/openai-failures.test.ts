import { describe, expect, it } from '@jest/globals';
import { failureFromStatus } from './openai-failures.ts';

describe('a status of an OpenAI-compatible endpoint', () => {
  it.each([
    [302, 'MODEL_MISCONFIGURED'],
    [400, 'MODEL_MISCONFIGURED'],
    [401, 'MODEL_MISCONFIGURED'],
    [403, 'MODEL_MISCONFIGURED'],
    [404, 'MODEL_MISCONFIGURED'],
    [408, 'MODEL_UNAVAILABLE'],
    [429, 'MODEL_THROTTLED'],
    [500, 'MODEL_UNAVAILABLE'],
    [503, 'MODEL_UNAVAILABLE'],
    [529, 'MODEL_UNAVAILABLE'],
  ])('%i is %s', (status, code) => {
    expect(failureFromStatus(status, undefined).code).toBe(code);
  });

  it.each([
    ['17', 17_000],
    ['1.5', 1_500],
    ['0', 1_000],
    ['', 20_000],
    [undefined, 20_000],
    ['soon', 20_000],
  ])('429 with Retry-After %p asks for %i ms', (header, ms) => {
    expect(failureFromStatus(429, header).retryAfterMs).toBe(ms);
  });

  it('429 may name the moment instead of the seconds', () => {
    const inHalfAMinute = new Date(Date.now() + 30_000).toUTCString();

    const { retryAfterMs = 0 } = failureFromStatus(429, inHalfAMinute);

    expect(retryAfterMs).toBeGreaterThan(27_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
  });
});
