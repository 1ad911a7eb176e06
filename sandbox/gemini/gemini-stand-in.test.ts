import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GoogleGenerativeAI } from '@google/generative-ai';
import type { GenerativeModel } from '@google/generative-ai';
import { GeminiStandIn } from './gemini-stand-in.ts';

let gemini: GeminiStandIn;

beforeEach(async () => {
  gemini = await GeminiStandIn.start({ apiKey: 'good-key' });
});

afterEach(async () => {
  await gemini.close();
});

function model(name: string, apiKey = 'good-key'): GenerativeModel {
  return new GoogleGenerativeAI(apiKey).getGenerativeModel({ model: name }, { baseUrl: gemini.url });
}

describe('the SDK of Google', () => {
  it('gets answers, whole and streamed', async () => {
    gemini.answers('Abrimos às 8h.');
    const { stream, response } = await model('gemini-x').generateContentStream('Abrem?');
    const streamed: string[] = [];
    for await (const piece of stream) streamed.push(piece.text());
    await response;

    expect((await model('gemini-x').generateContent('Abrem?')).response.text()).toBe('Abrimos às 8h.');
    expect(streamed.join('')).toBe('Abrimos às 8h.');
  });

  it('counts tokens', async () => {
    expect((await model('gemini-x').countTokens('Abrem?')).totalTokens).toBeGreaterThan(0);
  });

  it('gets embeddings that are near for what is said alike', async () => {
    const texts = ['Qual o horário de funcionamento?', 'horarios em que funciona', 'Aceita cartão de crédito?'];
    const { embeddings } = await model('gemini-embedding-001').batchEmbedContents({
      requests: texts.map((text) => ({ content: { role: 'user', parts: [{ text }] } })),
    });
    const [asked, alike, other] = embeddings.map(({ values }) => values);

    expect(asked).toHaveLength(768);
    expect(dot(asked, asked)).toBeCloseTo(1, 3);
    expect(dot(asked, alike)).toBeGreaterThan(0.4);
    expect(dot(asked, alike)).toBeGreaterThan(2 * dot(asked, other));
    const again = await model('gemini-embedding-001').embedContent(texts[0] ?? '');
    expect(again.embedding.values).toEqual(asked);
  });

  it('is told what is wrong with a key, a model or a request in the words of the API', async () => {
    await expect(model('gemini-x', 'bad-key').generateContent('Oi')).rejects.toMatchObject({
      status: 400,
      errorDetails: [expect.objectContaining({ reason: 'API_KEY_INVALID' })],
    });
    await expect(model('bard-1').generateContent('Oi')).rejects.toMatchObject({ status: 404 });
    await expect(model('gemini-x').generateContent({ contents: [] })).rejects.toMatchObject({ status: 400 });
  });

  it('may read about a model with a good key, and about none without', async () => {
    const read = async (name: string, key: string) => {
      const response = await fetch(`${gemini.url}/v1beta/models/${name}`, { headers: { 'x-goog-api-key': key } });
      return { status: response.status, body: await response.json() };
    };

    expect(await read('gemini-x', 'good-key')).toMatchObject({ status: 200, body: { name: 'models/gemini-x' } });
    expect(await read('gemini-x', 'bad-key')).toMatchObject({
      status: 400,
      body: { error: { details: [expect.objectContaining({ reason: 'API_KEY_INVALID' })] } },
    });
    expect(await read('bard-1', 'good-key')).toMatchObject({ status: 404, body: { error: { status: 'NOT_FOUND' } } });
  });

  it('meets a set fault as often as was said, also when it embeds', async () => {
    gemini.faults.set({ mode: '503', times: 2 });

    await expect(model('gemini-x').generateContent('Oi')).rejects.toMatchObject({ status: 503 });
    await expect(model('gemini-embedding-001').embedContent('Oi')).rejects.toMatchObject({ status: 503 });
    await expect(model('gemini-x').generateContent('Oi')).resolves.toBeDefined();
  });

  it('may be answered late', async () => {
    gemini.answers('Oi');
    gemini.faults.set({ mode: 'slow', delayMs: 50 });
    const startedAt = performance.now();

    await model('gemini-x').generateContent('Oi');

    expect(performance.now() - startedAt).toBeGreaterThan(45);
  });
});

function dot(left: readonly number[] = [], right: readonly number[] = []): number {
  return left.reduce((sum, value, at) => sum + value * (right[at] ?? 0), 0);
}
