import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GeminiStandIn } from '../../sandbox/gemini/gemini-stand-in.ts';
import { monotonicMs } from '../../src/platform/time.ts';
import { until } from '../support/until.ts';
import { ModelLine } from './model-line.ts';
import { answerByNumber } from './numbered-brain.ts';

let gemini: GeminiStandIn;
let line: ModelLine;

beforeEach(async () => {
  gemini = await GeminiStandIn.start({ think: answerByNumber });
  line = await ModelLine.start(gemini.url);
});

afterEach(async () => {
  await line.close();
  await gemini.close();
});

async function ask(worker: string, words: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(`${line.url}/v1beta/models/gemini-3.5-flash-lite:generateContent`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-goog-api-key': worker },
    body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: words }] }] }),
    ...(signal === undefined ? {} : { signal }),
  });
  return await response.text();
}

describe('the line to the model', () => {
  it('gives on what is asked and what is answered, and notes who asked what', async () => {
    expect(await ask('worker-1', 'q-000001 oi\nq-000002 abre quando?')).toContain('Sobre q-000001, q-000002');
    await until(() => line.drafts[0]?.endedAt !== undefined);

    expect(line.drafts).toMatchObject([{ worker: 'worker-1', questionIds: ['q-000001', 'q-000002'] }]);
  });

  it('notes the end of a call that is given up', async () => {
    gemini.faults.set({ mode: 'hang' });
    const gaveUp = new AbortController();
    const asked = ask('worker-1', 'q-000001', gaveUp.signal).catch(() => 'nothing');
    await until(() => line.drafts.length === 1);

    expect(line.drafts[0]?.endedAt).toBeUndefined();

    gaveUp.abort();
    await until(() => line.drafts[0]?.endedAt !== undefined);

    expect(await asked).toBe('nothing');
  });

  it('tells when a worker asks, and when another one asks the same, whose answer then takes its time', async () => {
    gemini.faults.set({ mode: 'hang' });
    const asked = line.untilAskedBy({ worker: 'worker-1', withinMs: 10_000 });
    const gaveUp = new AbortController();
    const hanging = ask('worker-1', 'q-000001', gaveUp.signal).catch(() => 'nothing');

    expect(await asked).toBe(true);

    gemini.faults.set({ mode: 'none' });
    const replaced = line.untilReplaced({ worker: 'worker-1', withinMs: 10_000 });
    const answering = line.untilAnswering({ questionId: 'q-000002', withinMs: 10_000 });
    await ask('worker-2', 'q-000002');

    expect(await answering).toBe(true);

    const beganAt = monotonicMs();
    await ask('worker-2', 'q-000001 oi');

    expect(await replaced).toBe(true);
    expect(monotonicMs() - beganAt).toBeGreaterThan(1_400);

    gaveUp.abort();
    await hanging;
  });

  it('does not wait for ever for somebody who does not ask', async () => {
    expect(await line.untilAskedBy({ worker: 'worker-1', withinMs: 1 })).toBe(false);
  });
});
