import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GeminiStandIn } from '../../../sandbox/gemini/gemini-stand-in.ts';
import { Secret } from '../../platform/secret.ts';
import { checkGeminiKey } from './gemini-key-check.ts';
import type { KeyCheck } from './gemini-key-check.ts';

const KEY = 'AIza-a-good-key';
const never = new AbortController().signal;

let gemini: GeminiStandIn;

beforeEach(async () => {
  gemini = await GeminiStandIn.start({ apiKey: KEY });
});

afterEach(async () => {
  await gemini.close();
});

async function check({ key = KEY, model = 'gemini-x', signal = never } = {}): Promise<KeyCheck> {
  return await checkGeminiKey({ apiKey: Secret.of(key), baseUrl: `${gemini.url}/`, model }, signal);
}

describe('a key of Gemini', () => {
  it('is good when the model is described to it, which asks no model anything', async () => {
    expect(await check()).toEqual({ state: 'ok', detail: 'the key is good for gemini-x' });
    expect(gemini.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /v1beta/models/gemini-x']);
  });

  it('that is not valid has failed, and is not repeated', async () => {
    const found = await check({ key: 'AIza-of-somebody-else' });

    expect(found).toEqual({ state: 'failed', detail: 'the key is refused (400)' });
  });

  it('that is empty has failed', async () => {
    expect(await check({ key: '' })).toEqual({ state: 'failed', detail: 'the key is refused (403)' });
  });

  it('whose model is not there has failed, and the model is named', async () => {
    expect(await check({ model: 'bard-1' })).toEqual({ state: 'failed', detail: 'there is no bard-1 for this key' });
  });

  it.each([
    ['429', 'Google answers 429'],
    ['503', 'Google answers 503'],
    ['down', 'Google could not be asked'],
  ] as const)('says nothing of itself while Google has trouble (%s)', async (mode, detail) => {
    gemini.faults.set({ mode });

    expect(await check()).toEqual({ state: 'warning', detail });
  });

  it('is not waited for longer than the report has time', async () => {
    gemini.faults.set({ mode: 'hang' });
    const report = new AbortController();
    const checked = check({ signal: report.signal });
    report.abort();

    expect(await checked).toEqual({ state: 'warning', detail: 'Google could not be asked' });
  });
});
