import type { AxiosInstance } from 'axios';
import { failureFromStatus, postNotice } from '../notification-calls/post-notice.ts';
import type { AddressOf, Notice } from '../../vocabulary/notification.ts';

/** More than Slack shows without folding. Source: docs.slack.dev/messaging, "truncating content". */
const CHARACTERS_MAX = 3_000;

/**
 * Posts a notice to an incoming webhook of Slack. The same channel may see it twice: these webhooks know no key.
 *
 * Slack answers 200 `ok`, or one word in plain text: 400 `invalid_payload`, 403 `action_prohibited`, 404 `no_service`, 410
 * `channel_is_archived`, 429 with `Retry-After`. Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
 * "Handling errors"; docs.slack.dev/apis/web-api/rate-limits.
 */
export async function postToSlack(
  http: AxiosInstance,
  { address, notice }: { readonly address: AddressOf<'slack'>; readonly notice: Notice },
  signal: AbortSignal,
): Promise<void> {
  const body = JSON.stringify({ text: slackText(notice), unfurl_links: false, unfurl_media: false });
  const answer = await postNotice(http, { url: address.url.reveal(), body }, signal);
  if (answer.status === 200) return;
  throw failureFromStatus(answer, wordOf(answer.text));
}

/** The notice as Slack shows it: the title bold, a link that can be followed. */
export function slackText({ title, lines, link }: Notice): string {
  const text = [`*${escaped(title)}*`, ...lines.map(escaped)].join('\n').slice(0, CHARACTERS_MAX);
  return link === undefined ? text : `${text}\n<${linkTarget(link)}>`;
}

/**
 * Three characters make markup of Slack's, mentions of everybody included (`<!channel>`).
 * Source: docs.slack.dev/messaging/formatting-message-text, "Escaping text".
 */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Inside of a link a bar would begin the words that are shown for it. */
function linkTarget(link: string): string {
  return escaped(link).replaceAll('|', '%7C');
}

/** One of Slack's words, and nothing that some other server behind the address may have said. */
function wordOf(text: string): string | undefined {
  return /^[a-z_]{1,60}$/.exec(text.trim())?.[0];
}
