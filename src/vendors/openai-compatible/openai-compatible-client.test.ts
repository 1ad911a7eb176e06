import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { describeModelContract } from '../../../sandbox/gemini/model-contract.ts';
import { OpenAiStandIn } from '../../../sandbox/gemini/openai-stand-in.ts';
import { createHttpClient } from '../../platform/http-client.ts';
import { Secret } from '../../platform/secret.ts';
import { OpenAiCompatibleClient } from './openai-compatible-client.ts';

const http = createHttpClient({
  privateHosts: ['127.0.0.1'],
  timeoutMs: 30_000,
  responseBytesMax: 50_000_000,
  connectionsMax: 50,
});

describeModelContract('an OpenAI-compatible endpoint', {
  model: 'gpt-small',
  unknownModel: 'no-such-model',
  start: (options) => OpenAiStandIn.start(options),
  client: (needs, options) => new OpenAiCompatibleClient({ ...needs, http }, options),
});

describe('on the wire of chat completions', () => {
  const signal = new AbortController().signal;
  let server: OpenAiStandIn;
  let model: OpenAiCompatibleClient;

  async function start(ignoresSchema: boolean): Promise<void> {
    server = await OpenAiStandIn.start({ ignoresSchema });
    const cooldown = { remainingMs: () => Promise.resolve(0), start: () => Promise.resolve() };
    model = new OpenAiCompatibleClient(
      { http, cooldown, log: pino({ level: 'silent' }) },
      { baseUrl: `${server.url}/v1/`, apiKey: Secret.of('key'), model: 'gpt-small', timeoutMs: 5_000 },
    );
  }

  beforeEach(async () => {
    await start(true);
  });

  afterEach(async () => {
    model.close();
    await server.close();
  });

  it('the JSON is found inside the fence of a server that ignores the schema', async () => {
    server.answers('', 0.9);
    server.nextAnswers([{ raw: '{"reply":"Abrimos às 8h.","confidence":0.7,"wantsHuman":false}' }]);

    const draft = await model.compose({ system: '', messages: [{ role: 'customer', text: 'Oi' }] }, signal);

    expect(draft).toMatchObject({ reply: 'Abrimos às 8h.', confidence: 0.7 });
  });

  it('the conversation has its roles, and the schema wants all three fields', async () => {
    server.nextAnswers([{ raw: '{"reply":"Sim","confidence":0.7,"wantsHuman":false}' }]);

    await model.compose(
      {
        system: 'Regras',
        messages: [
          { role: 'customer', text: 'Oi' },
          { role: 'assistant', text: 'Olá!' },
          { role: 'customer', text: 'Abrem hoje?' },
        ],
      },
      signal,
    );

    expect(server.requests[0]?.path).toBe('/v1/chat/completions');
    expect(server.requests[0]?.body).toMatchObject({
      model: 'gpt-small',
      temperature: 0.2,
      messages: [
        { role: 'system', content: 'Regras' },
        { role: 'user', content: 'Oi' },
        { role: 'assistant', content: 'Olá!' },
        { role: 'user', content: 'Abrem hoje?' },
      ],
      response_format: { json_schema: { schema: { required: ['reply', 'confidence', 'wantsHuman'] } } },
    });
  });
});
