import { createHmac } from 'node:crypto';
import type { AxiosInstance } from 'axios';
import { systemClock } from '../../platform/time.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { failureFromStatus, postNotice } from '../notification-calls/post-notice.ts';
import type { AddressOf, Notice } from '../../vocabulary/notification.ts';

/** A receiver that throttles says when, or is left alone for so long. */
const THROTTLE_WINDOW_MS = 60_000;

/**
 * Posts a notice to an address of the tenant's own, signed as Standard Webhooks say: `webhook-id` is the same at every try,
 * `webhook-timestamp` is that of the try, and `webhook-signature` is `v1,` and the HMAC-SHA256 of `id.timestamp.body` in
 * base64. Any 2xx has taken it. 410 says that nobody is there any more; everything else may pass, and is tried again.
 * Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
 */
export async function postSigned(
  http: AxiosInstance,
  { address, notice }: { readonly address: AddressOf<'webhook'>; readonly notice: Notice },
  signal: AbortSignal,
): Promise<void> {
  const body = JSON.stringify(bodyOf(notice));
  const timestamp = String(Math.floor(systemClock.now().getTime() / 1_000));
  const headers = {
    'webhook-id': notice.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature(address.secret.reveal(), `${notice.id}.${timestamp}.${body}`)}`,
  };
  const answer = await postNotice(http, { url: address.url.reveal(), body, headers }, signal);
  if (answer.status >= 200 && answer.status < 300) return;
  if (answer.status === 410) throw new Failure('NOTIFICATION_REFUSED', { status: answer.status });
  if (answer.status === 429 || answer.retryAfterMs !== undefined) {
    const retryAfterMs = answer.retryAfterMs ?? THROTTLE_WINDOW_MS;
    throw new Failure('NOTIFICATION_THROTTLED', { status: answer.status, retryAfterMs });
  }
  // A receiver that is being deployed says 404 or 401 for a while; only 410 is meant for good.
  throw failureFromStatus({ ...answer, status: 500 }, `status ${answer.status}`);
}

function bodyOf({ kind, happenedAt, data, title, lines, link }: Notice) {
  return {
    type: `plantao.${kind}`,
    timestamp: happenedAt.toISOString(),
    data: { ...data, title, text: lines.join('\n'), ...(link === undefined ? {} : { link }) },
  };
}

/** What follows the prefix is the key, in base64. */
function signature(secret: string, signed: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return createHmac('sha256', key).update(signed).digest('base64');
}
