import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { equalInConstantTime, sha256 } from '../platform/crypto.ts';
import type { Secret } from '../platform/secret.ts';
import type { WebhookAuthentication } from '../tenants/tenants.ts';

export interface SignedRequest {
  readonly headers: IncomingHttpHeaders;
  /** The bytes as they came. JSON that was parsed and printed again has another signature. */
  readonly rawBody: Buffer;
  /** The last part of a `/webhooks/whaticket/:channelId/:secret` address. */
  readonly urlSecret: string | undefined;
  readonly receivedAt: Date;
}

const DEFAULT_SIGNATURE_HEADER = 'x-webhook-signature';
const HEX_SIGNATURE = /^(?:sha256=)?([0-9a-f]{64})$/;

/** Both ways. Source: Standard Webhooks 1.0; its reference libraries allow five minutes. */
const TIMESTAMP_WINDOW_MS = 300_000;
/** The whole of the header, not its beginning: a parser that stops at the first letter accepts `1700000000junk`. */
const UNIX_SECONDS = /^\d{1,12}$/;
/** A full stop would let one signed text be read as two different ids and times. */
const WEBHOOK_ID = /^[^.\s]{1,256}$/;
/** A rotation needs two signatures; a list of hundreds only costs us time. */
const SIGNATURES_MAX = 8;

/**
 * Whether the request proves that it comes from the channel's gateway.
 *
 * Every active secret is tried, and all of them always, so that the time taken does not tell which one fitted.
 */
export function isAuthentic(authentication: WebhookAuthentication, request: SignedRequest): boolean {
  switch (authentication.kind) {
    case 'hmac':
      return request.headers['webhook-signature'] === undefined
        ? hasBodySignature(authentication, request)
        : hasStandardSignature(authentication.secrets, request);
    case 'bearer':
      return isOneOf(authentication.secrets, bearerToken(authentication.header, request.headers));
    case 'url-secret':
      return isOneOf(authentication.secrets, request.urlSecret);
  }
}

/** The sender's id of this delivery, to be trusted only once the request has proved authentic. */
export function standardWebhookId(headers: IncomingHttpHeaders): string | undefined {
  return single(headers['webhook-id']);
}

function hasBodySignature(authentication: WebhookAuthentication, request: SignedRequest): boolean {
  const header = single(request.headers[authentication.header ?? DEFAULT_SIGNATURE_HEADER]);
  const hex = header === undefined ? undefined : HEX_SIGNATURE.exec(header)?.[1];
  if (hex === undefined) return false;
  const given = Buffer.from(hex, 'hex');
  return anyOf(authentication.secrets, (secret) => equalInConstantTime(hmac(secret, [request.rawBody]), given));
}

function hasStandardSignature(secrets: readonly Secret[], request: SignedRequest): boolean {
  const id = single(request.headers['webhook-id']);
  const timestamp = single(request.headers['webhook-timestamp']);
  const list = single(request.headers['webhook-signature'])?.split(' ') ?? [];
  if (id === undefined || !WEBHOOK_ID.test(id)) return false;
  if (timestamp === undefined || !UNIX_SECONDS.test(timestamp)) return false;
  if (list.length > SIGNATURES_MAX) return false;
  if (Math.abs(request.receivedAt.getTime() - Number(timestamp) * 1_000) > TIMESTAMP_WINDOW_MS) return false;
  const given = list.filter((entry) => entry.startsWith('v1,')).map((entry) => Buffer.from(entry.slice(3), 'base64'));
  return anyOf(secrets, (secret) => {
    const expected = hmac(secret, [`${id}.${timestamp}.`, request.rawBody]);
    return anyOf(given, (signature) => equalInConstantTime(expected, signature));
  });
}

function bearerToken(header: string | undefined, headers: IncomingHttpHeaders): string | undefined {
  if (header !== undefined && header !== 'authorization') return single(headers[header]);
  return /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
}

function isOneOf(secrets: readonly Secret[], given: string | undefined): boolean {
  if (given === undefined) return false;
  const digest = sha256(given);
  return anyOf(secrets, (secret) => equalInConstantTime(sha256(secret.reveal()), digest));
}

/** Bytes are signed, never text: turned into text, two bodies that differ in invalid UTF-8 would share a signature. */
function hmac(secret: Secret, parts: readonly (string | Buffer)[]): Buffer {
  const digest = createHmac('sha256', secretBytes(secret.reveal()));
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** A string is taken as its UTF-8 bytes, and several times faster than the same bytes in a buffer. */
function secretBytes(secret: string): Buffer | string {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
}

/** Like `some`, but looks at all of them. */
function anyOf<Item>(items: readonly Item[], fits: (item: Item) => boolean): boolean {
  return items.filter(fits).length > 0;
}

/** A header that was sent twice proves nothing: two parsers may read two different ones. */
function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}
