import type { RequestHandler } from 'express';
import { Counter, Histogram } from 'prom-client';
import { LATENCY_BUCKETS_SECONDS, registry } from './metrics.ts';
import { monotonicMs } from './time.ts';

/** Who a request is for. A closed set: it is also a metric label. */
const HANDLERS = ['webhook', 'api', 'health'] as const;
type Handler = (typeof HANDLERS)[number];

/** The first digit of a status, as a closed set: it is also a metric label. */
const CODES = ['2xx', '3xx', '4xx', '5xx'] as const;
type Code = (typeof CODES)[number];

const requests = new Counter({
  name: 'plantao_http_requests_total',
  help: 'Requests by who they were for and by the class of their answer. 5xx are also those that were left without one.',
  labelNames: ['handler', 'code'],
  registers: [registry],
});
const requestSeconds = new Histogram({
  name: 'plantao_http_request_duration_seconds',
  help: 'From the head of a request to the end of its answer; probes are not among them.',
  labelNames: ['handler'],
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});

/** All series, made at the start: one that begins with its first error has no rate before its second one. */
const COUNT = Object.fromEntries(
  HANDLERS.map((handler) => [handler, Object.fromEntries(CODES.map((code) => [code, countOf(handler, code)]))]),
) as Record<Handler, Record<Code, { inc(): void }>>;
const SECONDS = { webhook: requestSeconds.labels('webhook'), api: requestSeconds.labels('api') };

function countOf(handler: Handler, code: Code): { inc(): void } {
  requests.inc({ handler, code }, 0);
  return requests.labels(handler, code);
}

/** Counts and times every request. Stands before all routes. */
export function requestMetrics(): RequestHandler {
  return (req, res, next) => {
    const startedAt = monotonicMs();
    const handler = handlerOf(req.path);
    res.on('close', () => {
      // Who left before all was said has not been left without an answer: there was no question yet.
      const unanswered = req.complete ? '5xx' : '4xx';
      COUNT[handler][res.writableFinished ? codeOf(res.statusCode) : unanswered].inc();
      if (handler !== 'health') SECONDS[handler].observe((monotonicMs() - startedAt) / 1_000);
    });
    next();
  };
}

const PROBES = new Set(['/livez', '/readyz', '/startupz', '/metrics']);

/** What has no address is the API's: people and their programs mistype, gateways and platforms do not. */
function handlerOf(path: string): Handler {
  if (path.startsWith('/webhooks/')) return 'webhook';
  return PROBES.has(path) ? 'health' : 'api';
}

function codeOf(status: number): Code {
  if (status < 300) return '2xx';
  if (status < 400) return '3xx';
  return status < 500 ? '4xx' : '5xx';
}
