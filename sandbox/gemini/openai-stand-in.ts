import { z } from 'zod';
import type { Fault } from './faults.ts';
import { ModelServer, json } from './model-server.ts';
import type { Dialect, ModelServerOptions, Prompt, Said, SeenRequest, WireAnswer } from './model-server.ts';

export interface OpenAiStandInOptions extends ModelServerOptions {
  /** The one key it takes; any key unless told. */
  readonly apiKey?: string;
  /** Whether it honours `response_format`; many compatible servers do not, and put their JSON in a fence. */
  readonly ignoresSchema?: boolean;
}

/**
 * An OpenAI-compatible endpoint on a port of this machine: `POST {url}/chat/completions`.
 *
 * Source: platform.openai.com/docs/api-reference/chat and /docs/guides/error-codes.
 */
export class OpenAiStandIn extends ModelServer {
  readonly #keys: { accepted: string | undefined };

  private constructor(keys: { accepted: string | undefined }, ignoresSchema: boolean) {
    super(new OpenAiDialect(keys, ignoresSchema));
    this.#keys = keys;
  }

  static async start(options: OpenAiStandInOptions = {}): Promise<OpenAiStandIn> {
    const standIn = new OpenAiStandIn({ accepted: options.apiKey }, options.ignoresSchema ?? false);
    await standIn.listen(options);
    return standIn;
  }

  /** From now on only this key is good. */
  acceptOnly(apiKey: string): void {
    this.#keys.accepted = apiKey;
  }
}

const ChatRequest = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
  response_format: z.object({ json_schema: z.object({ schema: z.unknown() }).optional() }).optional(),
});

class OpenAiDialect implements Dialect {
  readonly #keys: { accepted: string | undefined };
  readonly #ignoresSchema: boolean;

  constructor(keys: { accepted: string | undefined }, ignoresSchema: boolean) {
    this.#keys = keys;
    this.#ignoresSchema = ignoresSchema;
  }

  refuse(request: SeenRequest): WireAnswer | undefined {
    if (!request.path.endsWith('/chat/completions')) return failure(404, 'unknown_url', 'Unknown request URL.');
    const key = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (key === undefined || (this.#keys.accepted ?? key) !== key) {
      return failure(401, 'invalid_api_key', 'Incorrect API key provided.');
    }
    const read = ChatRequest.safeParse(request.body);
    if (!read.success) return failure(400, 'invalid_request_error', z.prettifyError(read.error));
    if (read.data.model.startsWith('no-such-')) return failure(404, 'model_not_found', 'The model does not exist.');
    return undefined;
  }

  compute(): undefined {
    return undefined;
  }

  prompt(request: SeenRequest): Prompt {
    const { messages, response_format: format } = ChatRequest.parse(request.body);
    return {
      system: messages.find((message) => message.role === 'system')?.content ?? '',
      lastUserText: messages.findLast((message) => message.role === 'user')?.content ?? '',
      schema: format?.json_schema?.schema,
    };
  }

  say(said: Said, request: SeenRequest): WireAnswer {
    const prompt_tokens = Math.ceil(request.bytes / 4);
    const completion_tokens = 'text' in said ? Math.ceil(said.text.length / 4) : 0;
    return json(200, {
      id: 'chatcmpl-sandbox',
      object: 'chat.completion',
      choices: [{ index: 0, ...this.#choiceFor(said) }],
      usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    });
  }

  failure(status: 429 | 500 | 503, fault: Fault): WireAnswer {
    if (status !== 429) return failure(status, 'server_error', 'The server had an error. Please retry your request.');
    const seconds = fault.mode === '429-per-day' ? '3600' : (fault.retryDelay ?? '37s').replace(/s$/, '');
    const answer = failure(429, 'rate_limit_exceeded', 'Rate limit reached for requests.');
    return seconds === '' ? answer : { ...answer, headers: { 'retry-after': seconds } };
  }

  #choiceFor(said: Said): object {
    if ('text' in said) {
      const content = this.#ignoresSchema ? `Claro!\n\`\`\`json\n${said.text}\n\`\`\`` : said.text;
      return { finish_reason: 'stop', message: { role: 'assistant', content } };
    }
    switch (said.stopped) {
      case 'blocked':
        return { finish_reason: 'stop', message: { role: 'assistant', content: null, refusal: 'I cannot help.' } };
      case 'safety':
        return { finish_reason: 'content_filter', message: { role: 'assistant', content: null } };
      case 'max-tokens':
        return { finish_reason: 'length', message: { role: 'assistant', content: '{"reply": "Ol' } };
      case 'empty':
        return { finish_reason: 'stop', message: { role: 'assistant', content: '' } };
    }
  }
}

function failure(status: number, code: string, message: string): WireAnswer {
  return json(status, { error: { message, type: code, param: null, code } });
}
