import type { Secret } from '../../platform/secret.ts';
import { deadlineSignal } from '../../platform/time.ts';

const TIMEOUT_MS = 5_000;

/** What Google says about a key and a model. */
export interface KeyCheck {
  readonly state: 'ok' | 'warning' | 'failed';
  readonly detail: string;
}

/**
 * Asks for the model's own description, which costs no tokens and needs a valid key.
 *
 * A key that is not valid is a 400 with `API_KEY_INVALID`, or a 401 or 403; a model that is shut down, or that the key may
 * not use, is a 404. Everything else says nothing about the key. The body is not read.
 *
 * Source: ai.google.dev/api/models#method:-models.get, ai.google.dev/gemini-api/docs/troubleshooting.
 */
export async function checkGeminiKey(
  { apiKey, baseUrl, model }: { readonly apiKey: Secret; readonly baseUrl: string; readonly model: string },
  signal: AbortSignal,
): Promise<KeyCheck> {
  const url = `${baseUrl.replace(/\/+$/, '')}/v1beta/models/${encodeURIComponent(model)}`;
  try {
    const { status, body } = await fetch(url, {
      headers: { 'x-goog-api-key': apiKey.reveal() },
      redirect: 'error',
      signal: deadlineSignal(TIMEOUT_MS, signal),
    });
    await body?.cancel();
    if (status === 200) return { state: 'ok', detail: `the key is good for ${model}` };
    if ([400, 401, 403].includes(status)) return { state: 'failed', detail: `the key is refused (${status})` };
    if (status === 404) return { state: 'failed', detail: `there is no ${model} for this key` };
    return { state: 'warning', detail: `Google answers ${status}` };
  } catch {
    return { state: 'warning', detail: 'Google could not be asked' };
  }
}
