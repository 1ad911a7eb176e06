import type { Base } from './composition.ts';
import { createHttpClient } from './platform/http-client.ts';
import { Secret } from './platform/secret.ts';
import { SharedCooldown } from './platform/shared-cooldown.ts';
import { GeminiClient } from './vendors/gemini/gemini-client.ts';
import type { GeminiOptions } from './vendors/gemini/gemini-client.ts';
import { OpenAiCompatibleClient } from './vendors/openai-compatible/openai-compatible-client.ts';
import type { Model } from './vocabulary/model.ts';

const MODEL_RESPONSE_BYTES_MAX = 4 * 1_048_576;
/** A model of one's own often wants no key; the header is then sent empty. */
const NO_KEY = Secret.of('');

/** What every process that asks models reads from its environment. */
export interface ModelsConfig {
  readonly gemini: Omit<GeminiOptions, 'timeoutMs'> | undefined;
  readonly fallbackModel:
    { readonly apiKey: Secret | undefined; readonly baseUrl: string; readonly model: string } | undefined;
  readonly modelTimeoutMs: number;
  readonly outboundPrivateHosts: readonly string[];
}

/** The models in the order in which they are asked, each behind its breaker. */
export function openModels(
  config: ModelsConfig,
  { redis, redisHealth, closing, log }: Base,
  { callsMax }: { callsMax: number },
): readonly Model[] {
  const cooldown = new SharedCooldown({ memory: redis, health: redisHealth, log });
  const limits = { timeoutMs: config.modelTimeoutMs, callsMax };
  const models: (Model & { close(): void })[] = [];
  if (config.gemini !== undefined) models.push(new GeminiClient({ cooldown, log }, { ...config.gemini, ...limits }));
  if (config.fallbackModel !== undefined) {
    const { apiKey = NO_KEY, ...fallback } = config.fallbackModel;
    const http = createHttpClient({
      privateHosts: config.outboundPrivateHosts,
      timeoutMs: limits.timeoutMs,
      responseBytesMax: MODEL_RESPONSE_BYTES_MAX,
      connectionsMax: limits.callsMax,
    });
    models.push(new OpenAiCompatibleClient({ http, cooldown, log }, { ...fallback, apiKey, ...limits }));
  }
  for (const model of models) {
    closing.keep(model.name, model, (it) => {
      it.close();
    });
  }
  return models;
}
