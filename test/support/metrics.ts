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
