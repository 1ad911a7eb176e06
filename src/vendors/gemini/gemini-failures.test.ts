import { describe, expect, it } from '@jest/globals';
import { GoogleGenerativeAIFetchError } from '@google/generative-ai';
import { Failure } from '../../vocabulary/failures.ts';
import { failureFromGemini } from './gemini-failures.ts';

function failureOf(status: number, details?: readonly object[]): Failure {
  const error = new GoogleGenerativeAIFetchError(
    'said no',
    status,
    '',
    details?.map((detail) => ({ ...detail })),
  );
  const failure = failureFromGemini(error);
  if (failure instanceof Failure) return failure;
  throw new Error('This was not translated');
}

describe('an error of Gemini', () => {
  it.each([
    [400, 'MODEL_MISCONFIGURED'],
    [401, 'MODEL_MISCONFIGURED'],
    [403, 'MODEL_MISCONFIGURED'],
    [404, 'MODEL_MISCONFIGURED'],
    [408, 'MODEL_UNAVAILABLE'],
    [429, 'MODEL_THROTTLED'],
    [499, 'MODEL_UNAVAILABLE'],
    [500, 'MODEL_UNAVAILABLE'],
    [503, 'MODEL_UNAVAILABLE'],
    [504, 'MODEL_UNAVAILABLE'],
    [302, 'MODEL_UNAVAILABLE'],
  ])('%i is %s', (status, code) => {
    expect(failureOf(status).code).toBe(code);
  });

  it('names the reason that Google gives for a bad key', () => {
    const failure = failureOf(400, [{ reason: 'API_KEY_INVALID', domain: 'googleapis.com' }]);

    expect(failure.detail).toMatchObject({ status: 400, reason: 'API_KEY_INVALID' });
  });

  it.each([
    ['seconds', [{ retryDelay: '37s' }], 37_000],
    ['fractions of them', [{ links: [] }, { retryDelay: '45.837906927s' }], 45_838],
    ['no time at all', [{ retryDelay: '0s' }], 1_000],
    ['nonsense', [{ retryDelay: 'soon' }], 20_000],
    ['a number', [{ retryDelay: 37 }], 20_000],
    ['nothing', undefined, 20_000],
    ['violations of another form', [{ violations: 'many' }], 20_000],
    ['a daily quota', [{ violations: [{ quotaId: 'RequestsPerDayPerProject' }] }, { retryDelay: '9s' }], 3_600_000],
  ])('that names %s as the wait is waited for as long as makes sense', (_what, details, ms) => {
    expect(failureOf(429, details).retryAfterMs).toBe(ms);
  });
});
