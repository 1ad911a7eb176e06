import { GoogleGenerativeAI } from '@google/generative-ai';
import type { GenerateContentRequest, GenerationConfig, ResponseSchema } from '@google/generative-ai';
import type { Secret } from '../../platform/secret.ts';
import type { ComposeRequest, Draft, Model } from '../../vocabulary/model.ts';
import { OUTPUT_TOKENS_MAX, TEMPERATURE, parseDraftText } from '../model-calls/draft-text.ts';
import { ModelCalls, paidFor } from '../model-calls/model-call.ts';
import type { ModelLimits, ModelNeeds } from '../model-calls/model-call.ts';
import { boundFetch } from './bounded-fetch.ts';
import { parseGeminiAnswer, usageOf, writtenText } from './gemini-answer.ts';
import { failureFromGemini } from './gemini-failures.ts';

export interface GeminiOptions extends ModelLimits {
  /** Revealed at each call, so that a rotated key is taken up. */
  readonly apiKey: Secret;
  readonly model: string;
  /** Without the version; Google's own unless told. */
  readonly baseUrl?: string;
}

/**
 * The documented spelling of the types. The SDK's own enum writes them in lower case, which its types insist on.
 * Source: ai.google.dev/api/caching#Schema.
 */
const RESPONSE_SCHEMA = {
  type: 'OBJECT',
  properties: {
    reply: { type: 'STRING' },
    confidence: { type: 'NUMBER', description: '0 to 1' },
    wantsHuman: { type: 'BOOLEAN' },
  },
  required: ['reply', 'confidence', 'wantsHuman'],
} as unknown as ResponseSchema;

/** The smallest budget that every 2.5 model takes. Source: ai.google.dev/gemini-api/docs/thinking. */
const THINKING_BUDGET_TOKENS = 512;

/**
 * Gemini, through Google's SDK.
 *
 * The SDK is out of support since August 2025. Nothing but this folder knows it, and what it gets wrong is made good
 * here: no size limit (see {@link boundFetch}), and no ear for a signal that was aborted before the call.
 */
export class GeminiClient implements Model {
  readonly name: string;
  readonly #options: GeminiOptions;
  readonly #calls: ModelCalls;

  constructor(needs: ModelNeeds, options: GeminiOptions) {
    this.name = options.model;
    this.#options = options;
    this.#calls = new ModelCalls(options.model, needs, options);
    boundFetch();
  }

  async compose(request: ComposeRequest, signal: AbortSignal): Promise<Draft> {
    return await this.#calls.run(async (callSignal) => {
      const answer = parseGeminiAnswer(await this.#generate(request, callSignal));
      const usage = this.#calls.count(usageOf(answer, this.name));
      return { ...paidFor(usage, () => parseDraftText(writtenText(answer))), usage };
    }, signal);
  }

  close(): void {
    this.#calls.close();
  }

  async #generate(request: ComposeRequest, signal: AbortSignal): Promise<unknown> {
    const { apiKey, baseUrl, model } = this.#options;
    const gemini = new GoogleGenerativeAI(apiKey.reveal()).getGenerativeModel(
      { model },
      {
        customHeaders: { 'accept-encoding': 'identity' },
        ...(baseUrl === undefined ? {} : { baseUrl: baseUrl.replace(/\/+$/, '') }),
      },
    );
    try {
      const { response } = await gemini.generateContent(wireRequest(request, model), { signal });
      return response;
    } catch (error) {
      throw failureFromGemini(error);
    }
  }
}

function wireRequest({ system, messages }: ComposeRequest, model: string): GenerateContentRequest {
  return {
    systemInstruction: { role: 'system', parts: [{ text: system }] },
    contents: messages.map(({ role, text }) => ({
      role: role === 'customer' ? 'user' : 'model',
      parts: [{ text }],
    })),
    generationConfig: generationConfig(model),
  };
}

function generationConfig(model: string): GenerationConfig {
  return {
    temperature: TEMPERATURE,
    maxOutputTokens: OUTPUT_TOKENS_MAX,
    candidateCount: 1,
    responseMimeType: 'application/json',
    responseSchema: RESPONSE_SCHEMA,
    ...thinking(model),
  };
}

/**
 * As little thinking as each family allows: it is slow, and it is paid for out of the output tokens.
 *
 * The SDK's types end before thinking began; its code hands the field on as it is. Sending a level to a 2.5 model, or
 * both, is a 400. Source: ai.google.dev/gemini-api/docs/thinking.
 */
function thinking(model: string): { thinkingConfig?: object } {
  if (/^gemini-(1|2\.0)/.test(model)) return {};
  if (model.startsWith('gemini-2.5')) return { thinkingConfig: { thinkingBudget: THINKING_BUDGET_TOKENS } };
  return { thinkingConfig: { thinkingLevel: 'LOW' } };
}
