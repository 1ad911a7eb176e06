import { z } from 'zod';
import { embed } from './embeddings.ts';
import type { Fault } from './faults.ts';
import { ModelServer, json } from './model-server.ts';
import type { Dialect, ModelServerOptions, Prompt, Said, SeenRequest, WireAnswer } from './model-server.ts';

export interface GeminiStandInOptions extends ModelServerOptions {
  /** The one key it takes; any key unless told. */
  readonly apiKey?: string;
}

/**
 * Gemini on a port of this machine, on its real wire.
 *
 * Sources: ai.google.dev/api (generate-content, tokens, embeddings, models) and ai.google.dev/gemini-api/docs/troubleshooting
 * for the errors.
 */
export class GeminiStandIn extends ModelServer {
  readonly #keys: { accepted: string | undefined };

  private constructor(keys: { accepted: string | undefined }) {
    super(new GeminiDialect(keys));
    this.#keys = keys;
  }

  static async start(options: GeminiStandInOptions = {}): Promise<GeminiStandIn> {
    const standIn = new GeminiStandIn({ accepted: options.apiKey });
    await standIn.listen(options);
    return standIn;
  }

  /** From now on only this key is good. */
  acceptOnly(apiKey: string): void {
    this.#keys.accepted = apiKey;
  }
}

const Content = z.object({
  role: z.string().optional(),
  parts: z.array(z.object({ text: z.string().default('') })).default([]),
});
const GenerateRequest = z.object({
  contents: z.array(Content).min(1),
  systemInstruction: Content.optional(),
  generationConfig: z.object({ responseSchema: z.unknown().optional() }).optional(),
});
const CountRequest = z.object({
  contents: z.array(Content).optional(),
  generateContentRequest: GenerateRequest.optional(),
});
const EmbedRequest = z.object({ content: Content, outputDimensionality: z.int().min(1).max(3_072).optional() });
const BatchEmbedRequest = z.object({ requests: z.array(EmbedRequest).min(1).max(100) });

/** A model that is read, not asked: `models.get` has no task in its path, and no body. */
const DESCRIBE = 'get';
const FORMS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  [DESCRIBE, z.undefined()],
  ['generateContent', GenerateRequest],
  ['streamGenerateContent', GenerateRequest],
  ['countTokens', CountRequest],
  ['embedContent', EmbedRequest],
  ['batchEmbedContents', BatchEmbedRequest],
]);
const INTERNAL = 'An internal error has occurred. Please retry or report in the Gemini API troubleshooting guide.';
const OVERLOADED = 'The model is overloaded. Please try again later.';

class GeminiDialect implements Dialect {
  readonly #keys: { accepted: string | undefined };

  constructor(keys: { accepted: string | undefined }) {
    this.#keys = keys;
  }

  refuse(request: SeenRequest): WireAnswer | undefined {
    const { model, task } = addressOf(request);
    const key = request.headers['x-goog-api-key'] ?? new URL(request.path, 'http://gemini').searchParams.get('key');
    if (key === null || key === '') {
      return failure(403, 'PERMISSION_DENIED', "Method doesn't allow unregistered callers. Please use API Key.");
    }
    if (this.#keys.accepted !== undefined && key !== this.#keys.accepted) return invalidKey();
    if (!FORMS.has(task)) return { status: 404, body: '', headers: { 'content-type': 'text/html' } };
    if (!/^(gemini|text-embedding|embedding)-/.test(model)) {
      return failure(
        404,
        'NOT_FOUND',
        `models/${model} is not found for API version v1beta, or is not supported for ${task}.`,
      );
    }
    const form = FORMS.get(task)?.safeParse(request.body);
    return form?.error === undefined ? undefined : invalidArgument(form.error);
  }

  compute(request: SeenRequest): WireAnswer | undefined {
    switch (addressOf(request).task) {
      case 'countTokens': {
        const { contents = [], generateContentRequest } = CountRequest.parse(request.body);
        const counted = [...contents, ...(generateContentRequest?.contents ?? [])];
        return json(200, { totalTokens: tokens(counted.map(textOf).join(' ')) });
      }
      case 'embedContent':
        return json(200, { embedding: vectorOf(EmbedRequest.parse(request.body)) });
      case 'batchEmbedContents':
        return json(200, { embeddings: BatchEmbedRequest.parse(request.body).requests.map(vectorOf) });
      case DESCRIBE:
        return json(200, descriptionOf(request));
      default:
        return undefined;
    }
  }

  prompt(request: SeenRequest): Prompt {
    const { contents, systemInstruction, generationConfig } = GenerateRequest.parse(request.body);
    return {
      system: systemInstruction === undefined ? '' : textOf(systemInstruction),
      lastUserText: textOf(contents.findLast((content) => content.role !== 'model')),
      schema: generationConfig?.responseSchema,
    };
  }

  say(said: Said, request: SeenRequest): WireAnswer {
    const answer = { ...candidatesFor(said), usageMetadata: usageOf(said, request), ...versionOf(request) };
    if (addressOf(request).task !== 'streamGenerateContent') return json(200, answer);
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: `data: ${JSON.stringify(answer)}\r\n\r\n`,
    };
  }

  failure(status: 429 | 500 | 503, fault: Fault): WireAnswer {
    if (status === 429) return throttled(fault);
    return status === 500 ? failure(500, 'INTERNAL', INTERNAL) : failure(503, 'UNAVAILABLE', OVERLOADED);
  }
}

function addressOf(request: SeenRequest): { model: string; task: string } {
  const [, model = '', task = request.method === 'GET' ? DESCRIBE : ''] =
    /\/models\/([^/:?]+)(?::(\w+))?/.exec(request.path) ?? [];
  return { model, task: model === '' ? '' : task };
}

function descriptionOf(request: SeenRequest): object {
  const { model } = addressOf(request);
  return {
    name: `models/${model}`,
    displayName: model,
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  };
}

function textOf(content: z.infer<typeof Content> | undefined): string {
  return (content?.parts ?? []).map((part) => part.text).join('\n');
}

function vectorOf({ content, outputDimensionality }: z.infer<typeof EmbedRequest>): { values: readonly number[] } {
  return { values: embed(textOf(content), outputDimensionality) };
}

/** About four characters a token. Source: ai.google.dev/gemini-api/docs/tokens. */
function tokens(text: string): number {
  return Math.ceil(text.length / 4);
}

function candidatesFor(said: Said): object {
  if ('text' in said) {
    return {
      candidates: [{ index: 0, finishReason: 'STOP', content: { role: 'model', parts: [{ text: said.text }] } }],
    };
  }
  switch (said.stopped) {
    case 'blocked':
      return { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } };
    case 'safety':
      return { candidates: [{ index: 0, finishReason: 'SAFETY' }] };
    case 'max-tokens':
      return { candidates: [{ index: 0, finishReason: 'MAX_TOKENS', content: { role: 'model' } }] };
    case 'empty':
      return { candidates: [{ index: 0, finishReason: 'STOP', content: { role: 'model', parts: [{ text: '' }] } }] };
  }
}

function usageOf(said: Said, request: SeenRequest): object {
  const promptTokenCount = Math.ceil(request.bytes / 4);
  const candidatesTokenCount = 'text' in said ? tokens(said.text) : 0;
  return { promptTokenCount, candidatesTokenCount, totalTokenCount: promptTokenCount + candidatesTokenCount };
}

function versionOf(request: SeenRequest): object {
  return { modelVersion: addressOf(request).model, responseId: 'sandbox' };
}

function throttled(fault: Fault): WireAnswer {
  const quotaId = `GenerateRequestsPer${fault.mode === '429-per-day' ? 'Day' : 'Minute'}PerProjectPerModel-FreeTier`;
  const retryDelay = fault.retryDelay ?? '37s';
  const details = [
    { '@type': 'type.googleapis.com/google.rpc.Help', links: [] },
    {
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [{ quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests', quotaId }],
    },
    ...(retryDelay === '' ? [] : [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay }]),
  ];
  return failure(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', details);
}

function invalidKey(): WireAnswer {
  return failure(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' },
  ]);
}

function invalidArgument(error: z.ZodError): WireAnswer {
  return failure(400, 'INVALID_ARGUMENT', `Invalid JSON payload received. ${z.prettifyError(error)}`);
}

// eslint-disable-next-line max-params -- the four parts of google.rpc.Status, in its order
function failure(code: number, status: string, message: string, details?: readonly unknown[]): WireAnswer {
  return json(code, { error: { code, message, status, ...(details === undefined ? {} : { details }) } });
}
