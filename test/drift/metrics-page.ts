import path from 'node:path';
import { z } from 'zod';
import { registry } from '../../src/platform/metrics.ts';
// Opening nothing: what is imported here defines every metric of both kinds of process.
import '../../src/compose-service.ts';
import '../../src/compose-work.ts';
import '../../src/platform/observation.ts';

export const METRICS_PAGE = path.join(import.meta.dirname, '..', '..', 'docs', 'metrics.md');

/** What prom-client knows of a metric and does not tell in its types. */
const Defined = z.object({
  name: z.string(),
  help: z.string(),
  type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
  labelNames: z.array(z.string()),
});

const HEAD = `# Metrics

Every process serves them at \`/metrics\` in the format of Prometheus; a quarantine (a process for suspects, as the [words](ARCHITECTURE.md#words) say) has none of its own, and the worker that started it adds what it has counted to its own (its gauges are not shown). Names begin with \`plantao_\`, units are base units, counters end in \`_total\`. Labels are closed sets or names of our own: no phone number, no name of a person, no id and no word of a customer ever stands in one. \`tenant\` is a tenant's slug, of at most 50 tenants and \`other\` for the rest.

What counts in a process is summed over processes (\`sum(rate(…))\`). What is read from the database or from Redis is the same in each of them (\`max(…)\`).

Beside those below every process serves what prom-client knows of any Node.js process, under the same prefix: \`plantao_nodejs_eventloop_lag_p99_seconds\`, \`plantao_nodejs_heap_size_used_bytes\`, \`plantao_nodejs_gc_duration_seconds\`, \`plantao_process_resident_memory_bytes\`, \`plantao_process_cpu_seconds_total\` and others.

This page is written by \`npm run metrics\`, and a test compares it with the code.

| Name | Kind | Labels | Meaning |
| --- | --- | --- | --- |
`;

/** What prom-client measures of a process by itself; it differs by operating system. */
const OF_PROM_CLIENT = /^plantao_(nodejs|process)_(?!memory_limit_)/;

/** The page of all metrics that are ours. */
export function metricsPage(): string {
  const rows = z
    .array(Defined)
    .parse(registry.getMetricsAsArray())
    .filter(({ name }) => !OF_PROM_CLIENT.test(name))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => `| \`${name}\` | ${type} | ${labelNames.join(', ')} | ${help} |`);
  return `${HEAD}${rows.join('\n')}\n`;
}

/** The names on a page of metrics. */
export function namesOn(page: string): readonly string[] {
  return [...page.matchAll(/^\| `(plantao_\w+)` \|/gm)].map(([, name = '']) => name);
}
