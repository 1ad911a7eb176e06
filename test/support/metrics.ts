import { registry } from '../../src/platform/metrics.ts';

/** The value of one series of a process, as its `/metrics` says; undefined when there is none. */
export async function metric(url: string, series: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Callers that wait for a connection of any pool, all pools together. */
export async function waitingForConnections(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const waiting = [...text.matchAll(/^plantao_db_pool_waiting\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return waiting.reduce((sum, count) => sum + count, 0);
}

/** The value of a series of this process, or the sum of those that have these labels; of a histogram the count. 0 without any. */
export async function metricOfThisProcess(
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const metric = await registry.getSingleMetric(name)?.get();
  if (metric === undefined) throw new Error(`There is no metric ${name}`);
  const values: readonly { metricName?: string; value: number; labels: object }[] = metric.values;
  return values
    .filter(({ metricName = name }) => metricName === name || metricName === `${name}_count`)
    .filter((it) =>
      Object.entries(labels).every(([label, value]) =>
        Object.entries(it.labels).some((has) => has[0] === label && has[1] === value),
      ),
    )
    .reduce((sum, { value }) => sum + value, 0);
}
