/*
 * The PromQL of the dashboards. Every range is `$__rate_interval`, which Grafana makes from the scrape interval and the
 * zoom, so that a graph of an hour and one of a month are both right; or `$__range`, the whole of what is shown.
 */

/** One line of a panel: what is asked, and what its series are called. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

type Range = '$__rate_interval' | '$__range';

/** How often a counter counts in a second, for all processes together. */
export function perSecond(counter: string, by = ''): string {
  return summed(`rate(${counter}[$__rate_interval])`, by);
}

/** How often a counter counts in a minute: for what happens too seldom to be read by the second. */
export function perMinute(counter: string, by = ''): string {
  return `60 * ${perSecond(counter, by)}`;
}

/** How often a counter has counted in the whole time that is shown. */
export function counted(counter: string, by = ''): string {
  return summed(growth(counter, '$__range'), by);
}

/** The same, and 0 where it has not happened yet and the counter has no series. */
export function countedOrNone(counter: string): string {
  return `(${counted(counter)} or vector(0))`;
}

/** How often a counter counted in each step of a graph: for what is so rare that every single time matters. */
export function events(counter: string, by = ''): string {
  return summed(growth(counter, '$__rate_interval'), by);
}

/** The part of a whole, 0 to 1. Nothing is shown while there is no whole: no traffic is not a perfect score. */
export function share(part: string, whole: string): string {
  return `(${perSecond(part)} or vector(0)) / (${perSecond(whole)} > 0)`;
}

/** The largest value of a gauge. Several processes measure the same databases, so a sum would count them twice. */
export function largest(gauge: string, by = ''): string {
  return by === '' ? `max(${gauge})` : `max by (${by}) (${gauge})`;
}

/** How long it takes for the half, for nearly all, and for the slowest hundredth. */
export function percentiles(histogram: string, labels = ''): readonly Query[] {
  return [50, 95, 99].map((percent) => ({ expr: quantile(histogram, { percent, labels }), legend: `p${percent}` }));
}

/** One percentile of a histogram, for each value of a label if one is given. */
export function quantile(
  histogram: string,
  { percent, labels = '', by = '' }: { percent: number; labels?: string; by?: string },
): string {
  const buckets = `rate(${histogram}_bucket${labels}[$__rate_interval])`;
  return `histogram_quantile(${percent / 100}, sum by (${by === '' ? 'le' : `le, ${by}`}) (${buckets}))`;
}

/** What the service promises to its gateways: 99.9 % of valid webhooks answered 2xx within a second. */
export const INTAKE_BUDGET = 0.001;

/** What the bot promises to customers: 99 % of replies sent within fifteen seconds. */
export const REPLY_BUDGET = 0.01;

/**
 * The share of valid webhooks that was not answered well: with a 5xx, or after more than a second. A 4xx is the sender's own
 * fault and counts on neither side.
 */
export function intakeFailing(range: Range): string {
  const requests = 'plantao_http_requests_total{handler="webhook"';
  const wrong = `(sum(increase(${requests},code="5xx"}[${range}])) or vector(0))`;
  const late = `(${later('plantao_webhook_duration_seconds', '1', range)} or vector(0))`;
  return `(${wrong} + ${late}) / (sum(increase(${requests},code=~"2xx|5xx"}[${range}])) > 0)`;
}

/** The share of replies that came too late. */
export function repliesFailing(range: Range): string {
  const late = later('plantao_message_e2e_seconds', '15', range);
  return `(${late}) / (sum(increase(plantao_message_e2e_seconds_count[${range}])) > 0)`;
}

/** Prometheus 3 writes a whole bound as `1.0`, Prometheus 2 as `1`. */
function later(histogram: string, seconds: string, range: Range): string {
  const inTime = `${histogram}_bucket{le=~"${seconds}(.0)?"}`;
  return `sum(increase(${histogram}_count[${range}])) - sum(increase(${inTime}[${range}]))`;
}

/** A counter with labels is there from its first event on, which `increase` does not see: hence the first half. */
function growth(counter: string, range: Range): string {
  return `(${counter} unless ${counter} offset ${range}) or increase(${counter}[${range}])`;
}

function summed(series: string, by: string): string {
  return by === '' ? `sum(${series})` : `sum by (${by}) (${series})`;
}
