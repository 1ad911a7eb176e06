import { createHmac } from 'node:crypto';

/** How a webhook proves where it comes from. */
export interface WebhookAuth {
  readonly kind: 'hmac' | 'bearer' | 'url-secret';
  readonly secret: string;
  /** Another header than `X-Webhook-Signature` or `Authorization`. */
  readonly header?: string;
}

/** Where a connection's webhooks go, in which shape, and with what proof. */
export interface Webhook {
  readonly url: string;
  readonly shape: WebhookShape;
  readonly auth: WebhookAuth;
}

/**
 * The shapes of the family: W1 the bare Baileys message, W2 the same under `message`, W3 the envelope of the hosted
 * forks, W4 the envelope of the fork that signs.
 */
export type WebhookShape = 'W1' | 'W2' | 'W3' | 'W4';

/**
 * The signature of the one fork that signs: lower-case hex HMAC-SHA256 over the bytes of the body, without a prefix.
 *
 * Source: flaviokalleu/whaticket, backend/src/services/WebhookService/TriggerWebhooksService.ts. A secret that begins
 * with `whsec_` is base64 behind it, as in Standard Webhooks.
 */
export function signatureOf(secret: string, body: Buffer | string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
  return createHmac('sha256', key).update(body).digest('hex');
}

/** The headers of a webhook with this body. Names are in lower case. */
export function webhookHeaders(auth: WebhookAuth, body: Buffer | string): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  const named = auth.header?.toLowerCase();
  if (auth.kind === 'hmac') headers[named ?? 'x-webhook-signature'] = signatureOf(auth.secret, body);
  if (auth.kind === 'bearer')
    headers[named ?? 'authorization'] = named === undefined ? `Bearer ${auth.secret}` : auth.secret;
  return headers;
}

/** The address of a webhook, with the secret in it where that is the proof. */
export function webhookUrl({ url, auth }: Webhook): string {
  return auth.kind === 'url-secret' ? `${url.replace(/\/$/, '')}/${encodeURIComponent(auth.secret)}` : url;
}
