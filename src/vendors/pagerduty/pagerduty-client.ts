import type { AxiosInstance } from 'axios';
import { Failure } from '../../vocabulary/failures.ts';
import { failureFromStatus, postNotice } from '../notification-calls/post-notice.ts';
import type { AddressOf, Notice } from '../../vocabulary/notification.ts';

/** Source: developer.pagerduty.com/docs/send-alert-event, the fields of the payload. */
const SUMMARY_CHARACTERS_MAX = 1_024;

/** A 429 says no time: events are counted by the minute. Source: developer.pagerduty.com/docs/send-alert-event, "Response codes". */
const THROTTLE_WINDOW_MS = 60_000;

/**
 * Sends an event to PagerDuty: an alarm begins, or ends. Saying it twice changes nothing, because `dedup_key` is the same.
 *
 * PagerDuty answers 202 with JSON, 400 for an event or a key that it does not know, 429 for too many, and a 5xx for
 * what may be tried again. Source: developer.pagerduty.com/docs/events-api-v2-overview and /docs/send-alert-event.
 */
export async function sendToPagerDuty(
  { http, baseUrl }: { readonly http: AxiosInstance; readonly baseUrl: string },
  { address, notice }: { readonly address: AddressOf<'pagerduty'>; readonly notice: Notice },
  signal: AbortSignal,
): Promise<void> {
  const event = eventOf(notice, address.routingKey.reveal());
  const post = { url: `${baseUrl}/v2/enqueue`, body: JSON.stringify(event) };
  const answer = await postNotice(http, post, signal);
  if (answer.status === 202) return;
  if (answer.status === 429) {
    const retryAfterMs = answer.retryAfterMs ?? THROTTLE_WINDOW_MS;
    throw new Failure('NOTIFICATION_THROTTLED', { status: answer.status, retryAfterMs });
  }
  // Whatever is no 202 has not been taken, a 200 of something else at this address too.
  throw failureFromStatus(answer.status < 400 ? { ...answer, status: 502 } : answer);
}

function eventOf(notice: Notice, routingKey: string) {
  const end = { routing_key: routingKey, dedup_key: notice.alarmKey };
  if (notice.action === 'resolve') return { ...end, event_action: 'resolve' };
  return {
    ...end,
    event_action: 'trigger',
    payload: {
      summary: notice.title.slice(0, SUMMARY_CHARACTERS_MAX),
      source: 'plantao',
      severity: notice.severity,
      timestamp: notice.happenedAt.toISOString(),
      class: notice.kind,
      custom_details: { ...notice.data, id: notice.id, text: notice.lines.join('\n') },
    },
    ...(notice.link === undefined ? {} : { links: [{ href: notice.link, text: 'Plantão' }] }),
  };
}
