import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer, startLocalRedis } from '../../local/local-redis.ts';
import { itWhere, whyNoRedisServer } from './it-where.ts';
import { until } from './until.ts';

/** A Redis that one test may wipe, freeze and kill, because nobody else uses it. */
export interface PrivateRedis {
  readonly url: string;
  /** `kill -9`. From now on nobody answers, and nobody listens. */
  kill(): Promise<void>;
  /** The server again, at the same address and with what it had written down. Needs a real one. */
  restart(): Promise<void>;
  /** From now on connections stand and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** As an operator does with `redis-cli`. */
  command(name: string, ...given: readonly string[]): Promise<unknown>;
  /** Safe to repeat. */
  close(): Promise<void>;
}

export interface PrivateRedisOptions {
  /** Where it writes; a directory of its own, removed at the end, unless told. */
  readonly directory?: string;
}

export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const directory = options.directory ?? (await mkdtemp(path.join(os.tmpdir(), 'plantao-redis-')));
  const redis = await startLocalRedis(directory);
  let server: ChildProcess = redis.process;
  const end = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  };
  return {
    url: redis.url,
    kill: end,
    restart: async () => {
      server = spawn(findRedisServer() ?? '', [path.join(directory, 'redis.conf')], { stdio: 'ignore' });
      await until(() => answers(redis.url));
    },
    freeze: () => {
      server.kill('SIGSTOP');
    },
    thaw: () => {
      server.kill('SIGCONT');
    },
    command: (name, ...given) => ask(redis.url, name, given),
    close: async () => {
      await end();
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function ask(url: string, name: string, given: readonly string[]): Promise<unknown> {
  const connection = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  connection.on('error', () => {
    // The command fails with it.
  });
  try {
    return await connection.call(name, ...given);
  } finally {
    connection.disconnect();
  }
}

async function answers(url: string): Promise<boolean> {
  return await ask(url, 'ping', []).then(
    () => true,
    () => false,
  );
}

/** A fact that only a Redis server shows. */
export function itWithRedisServer(title: string, fact: () => Promise<void>): void {
  itWhere(whyNoRedisServer(), title, fact);
}
