import { createHmac, timingSafeEqual } from 'node:crypto';
import { HttpStandIn } from './http-stand-in.ts';
import type { GivenAnswer, ReceivedPost } from './http-stand-in.ts';
import { THROTTLED_SECONDS } from './mode.ts';

const TOLERANCE_SECONDS = 300;

/**
 * A tenant's own server that takes Standard Webhooks, and checks them by its own code from the specification: nothing of it
 * is shared with the sender. Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Verifying signatures".
 */
export class WebhookReceiver extends HttpStandIn {
  readonly secret: string;
  /** Each id once, as a receiver does that does not want to act twice. */
  readonly taken = new Map<string, unknown>();

  constructor(secret: string) {
    super();
    this.secret = secret;
  }

  static async start(secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(secret);
    await receiver.listen();
    return receiver;
  }

  protected answer(post: ReceivedPost): GivenAnswer {
    if (this.mode === 'gone') return { status: 410, body: '' };
    if (this.mode === 'refused') return { status: 404, body: 'nothing here yet' };
    if (this.mode === 'server-error') return { status: 500, body: 'Internal Server Error' };
    if (this.mode === 'throttled') {
      return { status: 429, body: '', headers: { 'Retry-After': String(THROTTLED_SECONDS) } };
    }
    const id = this.#verified(post);
    if (id === undefined) return { status: 401, body: 'signature' };
    this.taken.set(id, JSON.parse(post.body));
    return { status: 204, body: '' };
  }

  /** The id of what is authentic and not older than five minutes. */
  #verified({ headers, body }: ReceivedPost): string | undefined {
    const id = headers['webhook-id'];
    const timestamp = headers['webhook-timestamp'];
    const signatures = headers['webhook-signature'];
    if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return undefined;
    if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > TOLERANCE_SECONDS) return undefined;
    const key = Buffer.from(this.secret.slice('whsec_'.length), 'base64');
    const wanted = createHmac('sha256', key).update([id, timestamp, body].join('.')).digest();
    const isSigned = signatures.split(' ').some((entry) => {
      const [version, signature = ''] = entry.split(',');
      const given = Buffer.from(signature, 'base64');
      return version === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted);
    });
    return isSigned ? id : undefined;
  }
}
