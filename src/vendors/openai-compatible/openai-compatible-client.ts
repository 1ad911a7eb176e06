import type { AxiosInstance, AxiosResponse } from 'axios';
import { z } from 'zod';
import type { Secret } from '../../platform/secret.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { ComposeRequest, Draft, Model, ModelUsage } from '../../vocabulary/model.ts';
import { OUTPUT_TOKENS_MAX, TEMPERATURE, parseDraftText, unusable } from '../model-calls/draft-text.ts';
import { ModelCalls, paidFor } from '../model-calls/model-call.ts';
import type { ModelLimits, ModelNeeds } from '../model-calls/model-call.ts';
import { failureFromStatus, failureFromTransport } from './openai-failures.ts';

export interface OpenAiCompatibleOptions extends ModelLimits {
  /** Up to and without `/chat/completions`, e.g. `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  /** Revealed at each call, so that a rotated key is taken up. */
  readonly apiKey: Secret;
  readonly model: string;
}

export interface OpenAiCompatibleNeeds extends ModelNeeds {
  readonly http: AxiosInstance;
}

/** An answer is a few kilobytes. */
const RESPONSE_BYTES_MAX = 1_048_576;

/** Source: platform.openai.com/docs/guides/structured-outputs; `strict` wants every field required and no others. */
const RESPONSE_FORMAT = {
  type: 'json_schema',
  json_schema: {
    name: 'draft',
    strict: true,
    schema: {
      type: 'object',
      properties: {
        reply: { type: 'string' },
        confidence: { type: 'number', description: '0 to 1' },
        wantsHuman: { type: 'boolean' },
      },
      required: ['reply', 'confidence', 'wantsHuman'],
      additionalProperties: false,
    },
  },
};

const Count = z.int().min(0).catch(0);
/** Source: platform.openai.com/docs/api-reference/chat/object. Compatible servers leave out much of it. */
const Completion = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: Count,
      completion_tokens: Count,
      prompt_tokens_details: z.object({ cached_tokens: Count }).nullish(),
      completion_tokens_details: z.object({ reasoning_tokens: Count }).nullish(),
    })
    .nullish(),
});
type Completion = z.infer<typeof Completion>;

/** A model behind any endpoint that speaks OpenAI's chat completions. */
export class OpenAiCompatibleClient implements Model {
  readonly name: string;
  readonly #needs: OpenAiCompatibleNeeds;
  readonly #options: OpenAiCompatibleOptions;
  readonly #calls: ModelCalls;

  constructor(needs: OpenAiCompatibleNeeds, options: OpenAiCompatibleOptions) {
    this.name = options.model;
    this.#needs = needs;
    this.#options = options;
    this.#calls = new ModelCalls(options.model, needs, options);
  }

  async compose(request: ComposeRequest, signal: AbortSignal): Promise<Draft> {
    return await this.#calls.run(async (callSignal) => {
      const response = await this.#post(request, callSignal);
      if (response.status !== 200) throw failureFromStatus(response.status, response.headers['retry-after']);
      const completion = Completion.safeParse(response.data);
      if (!completion.success) throw unusable('envelope', completion.error);
      const usage = this.#calls.count(usageOf(completion.data, this.name));
      return { ...paidFor(usage, () => parseDraftText(textOf(completion.data))), usage };
    }, signal);
  }

  close(): void {
    this.#calls.close();
  }

  async #post(request: ComposeRequest, signal: AbortSignal): Promise<AxiosResponse<unknown>> {
    const { baseUrl, apiKey, timeoutMs } = this.#options;
    const body = {
      model: this.name,
      temperature: TEMPERATURE,
      max_tokens: OUTPUT_TOKENS_MAX,
      response_format: RESPONSE_FORMAT,
      messages: [
        { role: 'system', content: request.system },
        ...request.messages.map(({ role, text }) => ({
          role: role === 'customer' ? 'user' : 'assistant',
          content: text,
        })),
      ],
    };
    try {
      return await this.#needs.http.post<unknown>(`${baseUrl.replace(/\/+$/, '')}/chat/completions`, body, {
        headers: { Authorization: `Bearer ${apiKey.reveal()}` },
        maxContentLength: RESPONSE_BYTES_MAX,
        maxRedirects: 0,
        timeout: timeoutMs,
        validateStatus: () => true,
        signal,
      });
    } catch (error) {
      throw failureFromTransport(error);
    }
  }
}

/** The text the model wrote, out of the fence that servers without `response_format` leave around it. */
function textOf(completion: Completion): string {
  const [choice] = completion.choices;
  if (choice === undefined) throw unusable('no-choice');
  const { finish_reason: finishReason, message } = choice;
  if (finishReason === 'content_filter' || typeof message.refusal === 'string') {
    throw new Failure('MODEL_REFUSED', { reason: finishReason ?? 'refusal' });
  }
  // Some servers leave it out; whether the text is whole then shows when it is parsed.
  if (typeof finishReason === 'string' && finishReason !== 'stop') throw unusable(`finish-${finishReason}`);
  const content = message.content ?? '';
  return /```(?:json)?\s*\n([\s\S]*?)\n\s*```/.exec(content)?.[1] ?? content;
}

/** Completion tokens include the reasoning here and not at Gemini; told apart, both mean the same. */
function usageOf({ usage }: Completion, model: string): ModelUsage {
  const thoughtTokens = usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  return {
    model,
    inputTokens: usage?.prompt_tokens ?? 0,
    outputTokens: Math.max(0, (usage?.completion_tokens ?? 0) - thoughtTokens),
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    thoughtTokens,
  };
}
