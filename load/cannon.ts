import autocannon from 'autocannon';
import type { Stage } from '../k6/lib/profiles.ts';
import { phoneOf, webhookBody } from '../k6/lib/questions.ts';
import { webhookHeaders } from '../sandbox/whaticket/webhook-signing.ts';
import { pause, systemClock, monotonicMs } from '../src/platform/time.ts';

export interface Target {
  readonly url: string;
  readonly secret: string;
}

/** What became of the posts of a run so far. */
export interface Posts {
  readonly run: string;
  readonly customers: number;
  count: number;
  /** Those that were answered otherwise than with 2xx, or not at all. */
  readonly refused: Set<number>;
  /** How often each status came; 0 is an answer that did not come. */
  readonly statuses: Record<string, number>;
  readonly webhookMs: number[];
}

export function newPosts(run: string, customers: number): Posts {
  return { run, customers, count: 0, refused: new Set(), statuses: {}, webhookMs: [] };
}

/**
 * autocannon lets all connections of a run begin at once, and each of them go on a second after its last request began. A
 * tenth of them each tenth of a second makes of that a rate.
 */
const CANNONS_MAX = 10;
const TIMEOUT_SECONDS = 10;
const SECOND_MS = 1_000;

/**
 * Posts a stage as an open load: one connection for each message of a second, so that nobody waits for the answer to
 * somebody else's message before writing.
 */
export async function fire(target: Target, posts: Posts, { perSecond, seconds }: Stage): Promise<void> {
  const cannons = Math.min(CANNONS_MAX, perSecond);
  const startedAt = monotonicMs();
  const fired: Promise<void>[] = [];
  for (let index = 0; index < cannons; index += 1) {
    const waitMs = startedAt + (index * SECOND_MS) / cannons - monotonicMs();
    if (waitMs > 0) await pause(waitMs);
    const connections = Math.floor(perSecond / cannons) + (index < perSecond % cannons ? 1 : 0);
    fired.push(fireOne(target, posts, { connections, seconds }));
  }
  await Promise.all(fired);
  // The last messages were posted a second before the next ones are due.
  const restMs = startedAt + seconds * SECOND_MS - monotonicMs();
  if (restMs > 0) await pause(restMs);
}

async function fireOne(
  target: Target,
  posts: Posts,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<void> {
  const open = new Set<number>();
  await autocannon({
    url: target.url,
    connections,
    amount: connections * seconds,
    connectionRate: 1,
    timeout: TIMEOUT_SECONDS,
    requests: [
      {
        method: 'POST',
        setupRequest: (request, context) => {
          const number = posts.count;
          posts.count += 1;
          open.add(number);
          const postedAtMs = systemClock.now().getTime();
          Object.assign(context, { number, postedAt: monotonicMs() });
          const body = webhookBody({ run: posts.run, number, postedAtMs }, phoneOf(number, posts.customers));
          return { ...request, body, headers: webhookHeaders({ kind: 'hmac', secret: target.secret }, body) };
        },
        onResponse: (status, _body, context) => {
          const { number, postedAt } = context;
          if (typeof number !== 'number' || typeof postedAt !== 'number')
            throw new Error('An answer without a request');
          open.delete(number);
          posts.statuses[status] = (posts.statuses[status] ?? 0) + 1;
          if (status < 200 || status > 299) posts.refused.add(number);
          noteLatency(posts.webhookMs, monotonicMs() - postedAt);
        },
      },
    ],
  });
  for (const number of open) posts.refused.add(number);
  if (open.size > 0) posts.statuses[0] = (posts.statuses[0] ?? 0) + open.size;
}

/** A connection that waited for longer than a second posted its next message late; what that one would have waited counts. */
function noteLatency(latencies: number[], tookMs: number): void {
  for (let ms = tookMs; ms > 0; ms -= SECOND_MS) latencies.push(ms);
}
