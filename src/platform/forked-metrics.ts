import { AggregatorRegistry } from 'prom-client';
import { z } from 'zod';
import { CappedLabel, OTHER_TENANTS, TENANTS_SHOWN } from './capped-label.ts';
import { registry } from './metrics.ts';

/*
 * A process that another one has forked is scraped by nobody. It tells over its line how much its counters and histograms
 * have grown, and the other one shows them with its own: what was told stays counted, however that process ends, and no
 * counter goes down.
 */

const Metric = z.object({
  name: z.string(),
  help: z.string(),
  type: z.enum(['counter', 'histogram']),
  values: z.array(
    z.object({
      metricName: z.string().optional(),
      labels: z.record(z.string(), z.union([z.string(), z.number()])),
      value: z.number().nonnegative(),
    }),
  ),
});
type Value = z.infer<typeof Metric>['values'][number];

/** How much counters and histograms have grown, in the words of prom-client. */
export const Growth = z.array(Metric);
export type Growth = z.infer<typeof Growth>;

/** Tells of the counters and histograms of this process what it has not told before. */
export class GrowthTeller {
  readonly #told = new Map<string, number>();

  async next(): Promise<Growth> {
    const growth: Growth = [];
    for (const { name } of registry.getMetricsAsArray()) {
      // What a gauge shows is true for the process that is scraped.
      const { success, data } = Metric.safeParse(await registry.getSingleMetric(name)?.get());
      if (!success) continue;
      const values = data.values.map((it) => ({ ...it, value: this.#untold(name, it) }));
      // A histogram with some of its bounds would mislead: all of them are told, or none.
      if (values.some(({ value }) => value > 0)) growth.push({ ...data, values });
    }
    return growth;
  }

  #untold(name: string, { value, ...series }: Value): number {
    const key = keyOf(name, series);
    const told = this.#told.get(key) ?? 0;
    this.#told.set(key, Math.max(told, value));
    return Math.max(0, value - told);
  }
}

interface Counted extends Omit<Growth[number], 'values'> {
  readonly values: Map<string, Value>;
}

const counted = new Map<string, Counted>();
/** One process after the other has fifty tenants of its own; here there is room for so many. All other labels are closed sets. */
const tenantLabel = new CappedLabel(TENANTS_SHOWN, OTHER_TENANTS);

/** Counts what a forked process has told. */
export function addGrowth(growth: Growth): void {
  for (const { name, help, type, values } of growth) {
    const metric = counted.get(name) ?? { name, help, type, values: new Map<string, Value>() };
    counted.set(name, metric);
    for (const told of values) {
      const it = { ...told, labels: withTenantCapped(told.labels) };
      const key = keyOf(name, it);
      metric.values.set(key, { ...it, value: (metric.values.get(key)?.value ?? 0) + it.value });
    }
  }
}

/** All metrics of this process and of those that it has forked, as Prometheus reads them. */
export async function metricsOfAll(): Promise<string> {
  if (counted.size === 0) return await registry.metrics();
  const here = await registry.getMetricsAsJSON();
  const there = Array.from(counted.values(), (metric) => ({ ...metric, values: [...metric.values.values()] }));
  // prom-client would leave out of a sum what belongs to one process; only counters and histograms are there twice.
  return await AggregatorRegistry.aggregate(
    [here, there].map((metrics) => metrics.map((metric) => ({ ...metric, aggregator: 'sum' }))),
  ).metrics();
}

function withTenantCapped(labels: Value['labels']): Value['labels'] {
  return labels.tenant === undefined ? labels : { ...labels, tenant: tenantLabel.of(String(labels.tenant)) };
}

function keyOf(name: string, { metricName = name, labels }: Omit<Value, 'value'>): string {
  return JSON.stringify([metricName, Object.entries(labels).toSorted()]);
}
