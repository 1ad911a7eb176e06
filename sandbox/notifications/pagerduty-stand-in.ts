import { z } from 'zod';
import { HttpStandIn } from './http-stand-in.ts';
import type { GivenAnswer, ReceivedPost } from './http-stand-in.ts';

/** Source: developer.pagerduty.com/docs/send-alert-event, "Parameters". */
const Event = z.discriminatedUnion('event_action', [
  z.object({
    event_action: z.literal('trigger'),
    routing_key: z.string().length(32),
    dedup_key: z.string().max(255).optional(),
    payload: z.object({
      summary: z.string().min(1).max(1_024),
      source: z.string().min(1),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.iso.datetime().optional(),
      custom_details: z.record(z.string(), z.unknown()).optional(),
    }),
    links: z.array(z.object({ href: z.url(), text: z.string().optional() })).optional(),
  }),
  z.object({
    event_action: z.enum(['acknowledge', 'resolve']),
    routing_key: z.string().length(32),
    dedup_key: z.string().min(1).max(255),
  }),
]);

export interface Incident {
  readonly dedupKey: string;
  readonly summary: string;
  readonly severity: string;
  state: 'triggered' | 'resolved';
}

/**
 * The Events API v2 of PagerDuty: events with one `dedup_key` are one incident.
 * Source: developer.pagerduty.com/docs/events-api-v2-overview, "Response codes & retry logic".
 */
export class PagerDutyStandIn extends HttpStandIn {
  readonly routingKey = 'R0UT1NGKEY0F4TEST0000000000000AB';
  readonly incidents: Incident[] = [];

  static async start(): Promise<PagerDutyStandIn> {
    const pagerDuty = new PagerDutyStandIn();
    await pagerDuty.listen();
    return pagerDuty;
  }

  protected answer({ path, body }: ReceivedPost): GivenAnswer {
    if (path !== '/v2/enqueue') return { status: 404, body: 'Not found' };
    if (this.mode === 'server-error') return { status: 503, body: 'Service unavailable' };
    if (this.mode === 'throttled') return { status: 429, body: '' };
    const event = Event.safeParse(parsed(body)).data;
    if (event?.routing_key !== this.routingKey || this.mode === 'refused' || this.mode === 'gone') {
      const errors = ["Length of 'routing_key' is incorrect (should be 32 characters)"];
      return json(400, { status: 'invalid event', message: 'Event object is invalid', errors });
    }
    const dedupKey = event.dedup_key ?? `made-up-${this.posts.length}`;
    const open = this.incidents.find((it) => it.dedupKey === dedupKey && it.state === 'triggered');
    if (event.event_action === 'resolve' && open !== undefined) open.state = 'resolved';
    if (event.event_action === 'trigger' && open === undefined) {
      const { summary, severity } = event.payload;
      this.incidents.push({ dedupKey, summary, severity, state: 'triggered' });
    }
    return json(202, { status: 'success', message: 'Event processed', dedup_key: dedupKey });
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function json(status: number, body: unknown): GivenAnswer {
  return { status, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
}
