import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { GeminiStandIn } from '../../../sandbox/gemini/gemini-stand-in.ts';
import { describeModelContract } from '../../../sandbox/gemini/model-contract.ts';
import { Secret } from '../../platform/secret.ts';
import { GeminiClient } from './gemini-client.ts';

const MODEL = 'gemini-3.5-flash-lite';

describeModelContract('Gemini', {
  model: MODEL,
  unknownModel: 'bard-1',
  start: (options) => GeminiStandIn.start(options),
  client: (needs, options) => new GeminiClient(needs, options),
});

describe('on the wire of Gemini', () => {
  let gemini: GeminiStandIn;
  const open: GeminiClient[] = [];

  beforeEach(async () => {
    gemini = await GeminiStandIn.start();
    gemini.answers('Sim');
  });

  afterEach(async () => {
    for (const client of open.splice(0)) client.close();
    await gemini.close();
  });

  async function sent(model: string): Promise<unknown> {
    const cooldown = { remainingMs: () => Promise.resolve(0), start: () => Promise.resolve() };
    const client = new GeminiClient(
      { cooldown, log: pino({ level: 'silent' }) },
      { baseUrl: `${gemini.url}/`, apiKey: Secret.of('key'), model, timeoutMs: 5_000 },
    );
    open.push(client);
    await client.compose(
      {
        system: 'Regras',
        messages: [
          { role: 'customer', text: 'Oi' },
          { role: 'assistant', text: 'Olá!' },
          { role: 'customer', text: 'Abrem hoje?' },
        ],
      },
      new AbortController().signal,
    );
    return gemini.requests.at(-1)?.body;
  }

  it('the key is in its header, the roles are those of Gemini, and the schema is flat and complete', async () => {
    const body = await sent(MODEL);

    expect(gemini.requests[0]).toMatchObject({
      path: `/v1beta/models/${MODEL}:generateContent`,
      headers: { 'x-goog-api-key': 'key', 'accept-encoding': 'identity' },
    });
    expect(body).toMatchObject({
      systemInstruction: { parts: [{ text: 'Regras' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Oi' }] },
        { role: 'model', parts: [{ text: 'Olá!' }] },
        { role: 'user', parts: [{ text: 'Abrem hoje?' }] },
      ],
      generationConfig: {
        temperature: 0.2,
        maxOutputTokens: 2_048,
        responseMimeType: 'application/json',
        responseSchema: {
          type: 'OBJECT',
          properties: { reply: { type: 'STRING' }, confidence: { type: 'NUMBER' }, wantsHuman: { type: 'BOOLEAN' } },
          required: ['reply', 'confidence', 'wantsHuman'],
        },
      },
    });
  });

  it.each([
    ['gemini-3.5-flash-lite', { thinkingLevel: 'LOW' }],
    ['gemini-2.5-flash', { thinkingBudget: 512 }],
  ])('%s is asked to think as little as it can', async (model, thinkingConfig) => {
    expect(await sent(model)).toHaveProperty('generationConfig.thinkingConfig', thinkingConfig);
  });

  it('a model from before thinking is not asked to think', async () => {
    expect(await sent('gemini-2.0-flash')).not.toHaveProperty('generationConfig.thinkingConfig');
  });

  it('an answer that cannot be used says what it cost, because it is billed like any other', async () => {
    gemini.faults.set({ mode: 'max-tokens' });

    await expect(sent(MODEL)).rejects.toMatchObject({
      code: 'MODEL_ANSWER_UNUSABLE',
      detail: { costUsd: expect.any(Number) },
    });
  });

  // Jest gives its tests a global object of their own, where the limit cannot be set; this one has a process of its own.
  it('an answer of 20 MB is cut off on the way', async () => {
    gemini.faults.set({ mode: 'huge' });
    const program = `
      import { pino } from 'pino';
      import { GeminiClient } from ${JSON.stringify(new URL('./gemini-client.ts', import.meta.url).href)};
      import { Secret } from ${JSON.stringify(new URL('../../platform/secret.ts', import.meta.url).href)};
      const cooldown = { remainingMs: async () => 0, start: async () => {} };
      const client = new GeminiClient({ cooldown, log: pino({ level: 'silent' }) }, {
        baseUrl: ${JSON.stringify(gemini.url)}, apiKey: Secret.of('key'), model: '${MODEL}', timeoutMs: 20_000 });
      const request = { system: '', messages: [{ role: 'customer', text: 'Oi' }] };
      const error = await client.compose(request, new AbortController().signal).catch((error) => error);
      console.log(JSON.stringify({ code: error.code, cause: error.cause?.cause?.code }));
      process.exit();
    `;

    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);

    expect(JSON.parse(stdout)).toEqual({ code: 'MODEL_ANSWER_UNUSABLE', cause: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
    expect(gemini.hugeBytesSent).toBeLessThan(15_000_000);
  });
});
