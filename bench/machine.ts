import os from 'node:os';

/** Numbers without their machine mean nothing. */
export function describeMachine(versions: { postgres: string; redis: string }): string {
  const [processor] = os.cpus();
  const gigabytes = (os.totalmem() / 1_024 ** 3).toFixed(0);
  return [
    `${processor?.model.trim() ?? 'unknown processor'}, ${os.availableParallelism()} cores, ${gigabytes} GB`,
    `${os.type()} ${os.release()}, Node ${process.versions.node}, PostgreSQL ${versions.postgres} (fsync on), Redis: ${versions.redis}`,
    `load average at the start: ${os.loadavg()[0]?.toFixed(2) ?? 'unknown'}`,
  ].join('\n');
}
