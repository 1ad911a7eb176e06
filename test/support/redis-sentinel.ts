import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer } from '../../local/local-redis.ts';
import { freePort } from '../../local/ports.ts';
import { until } from './until.ts';

/** After this the sentinel takes a master that does not answer for dead. */
const DOWN_AFTER_MS = 1_000;

/** A master, its replica, and a sentinel that makes the replica the master when the master has died. */
export interface RedisWithSentinel {
  /** As `REDIS_URL` names a master that a sentinel knows. */
  readonly url: string;
  /** Who is the master now, as the sentinel says. */
  master(): Promise<{ host: string; port: number }>;
  killMaster(): Promise<void>;
  close(): Promise<void>;
}

export async function startRedisWithSentinel(): Promise<RedisWithSentinel> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-sentinel-'));
  const [first, second, watch] = [await freePort(), await freePort(), await freePort()];
  const common = ['bind 127.0.0.1', `dir "${directory}"`];
  const start = async (name: string, ...settings: readonly string[]): Promise<ChildProcess> => {
    const file = path.join(directory, `${name}.conf`);
    await writeFile(file, [...common, ...settings].join('\n'));
    return spawn(findRedisServer() ?? '', [file, ...(name === 'sentinel' ? ['--sentinel'] : [])], { stdio: 'ignore' });
  };
  const master = await start('master', `port ${first}`, 'save ""', 'repl-diskless-sync-delay 0');
  const replica = await start('replica', `port ${second}`, 'save ""', `replicaof 127.0.0.1 ${first}`);
  // A sentinel looks at a replica every ten seconds, so at its first look the replica should be one.
  await until(() => isLinked(second));
  const sentinel = await start(
    'sentinel',
    `port ${watch}`,
    `sentinel monitor plantao 127.0.0.1 ${first} 1`,
    `sentinel down-after-milliseconds plantao ${DOWN_AFTER_MS}`,
  );
  const asked = new Redis(watch, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
  asked.on('error', () => {
    // It is starting, or has been stopped.
  });
  await until(async () => {
    const [replicaFields = []] = (await asked.call('sentinel', 'replicas', 'plantao')) as string[][];
    return replicaFields[replicaFields.indexOf('master-link-status') + 1] === 'ok';
  });
  return {
    url: `redis+sentinel://127.0.0.1:${watch}/plantao`,
    master: async () => {
      const [host = '', port = ''] = (await asked.call('sentinel', 'get-master-addr-by-name', 'plantao')) as string[];
      return { host, port: Number(port) };
    },
    killMaster: () => kill(master),
    close: async () => {
      asked.disconnect();
      await Promise.all([master, replica, sentinel].map(kill));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Whether the replica at this port has everything of its master. */
async function isLinked(port: number): Promise<boolean> {
  const replica = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 0, retryStrategy: () => null });
  replica.on('error', () => {
    // It is starting.
  });
  try {
    return (await replica.info('replication')).includes('master_link_status:up');
  } catch {
    return false;
  } finally {
    replica.disconnect();
  }
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill('SIGKILL');
  await gone;
}
