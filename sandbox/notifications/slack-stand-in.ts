import { HttpStandIn } from './http-stand-in.ts';
import type { GivenAnswer, ReceivedPost } from './http-stand-in.ts';
import { THROTTLED_SECONDS } from './mode.ts';

const PATH = '/services/T0000/B0000/segredo-do-canal';

/**
 * An incoming webhook of Slack: plain words for answers, `ok` for yes.
 * Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "Handling errors".
 */
export class SlackStandIn extends HttpStandIn {
  /** What the channel shows. */
  readonly shown: string[] = [];

  static async start(): Promise<SlackStandIn> {
    const slack = new SlackStandIn();
    await slack.listen();
    return slack;
  }

  get webhookUrl(): string {
    return `${this.url}${PATH}`;
  }

  protected answer({ path, body }: ReceivedPost): GivenAnswer {
    if (path !== PATH || this.mode === 'refused') return { status: 404, body: 'no_service' };
    if (this.mode === 'gone') return { status: 410, body: 'channel_is_archived' };
    if (this.mode === 'server-error') return { status: 500, body: 'rollup_error' };
    if (this.mode === 'throttled') {
      return { status: 429, body: 'rate_limited', headers: { 'Retry-After': String(THROTTLED_SECONDS) } };
    }
    const text = textIn(body);
    if (text === undefined) return { status: 400, body: 'invalid_payload' };
    if (text === '') return { status: 400, body: 'no_text' };
    this.shown.push(text);
    return { status: 200, body: 'ok' };
  }
}

function textIn(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && 'text' in parsed && typeof parsed.text === 'string'
      ? parsed.text
      : '';
  } catch {
    return undefined;
  }
}
