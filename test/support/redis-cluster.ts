import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer } from '../../local/local-redis.ts';
import { freePort } from '../../local/ports.ts';
import { until } from './until.ts';

export interface RedisCluster {
  readonly url: string;
  close(): Promise<void>;
}

/** A cluster of one node that has every slot: it refuses what a large one refuses, a script over several slots before all. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-cluster-'));
  const port = await freePort();
  const file = path.join(directory, 'redis.conf');
  // A node that has met no other does not know its own address, and its bus is ten thousand ports higher unless told.
  const settings = [`port ${port}`, `cluster-port ${await freePort()}`, 'cluster-enabled yes', 'save ""'];
  settings.push('cluster-announce-ip 127.0.0.1');
  await writeFile(file, ['bind 127.0.0.1', `dir "${directory}"`, ...settings].join('\n'));
  const server = spawn(findRedisServer() ?? '', [file], { stdio: 'ignore' });
  const asked = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
  asked.on('error', () => {
    // It is starting.
  });
  await asked.call('cluster', 'addslotsrange', '0', '16383');
  await until(async () => String(await asked.call('cluster', 'info')).includes('cluster_state:ok'));
  asked.disconnect();
  return {
    url: `redis+cluster://127.0.0.1:${port}`,
    close: async () => {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
