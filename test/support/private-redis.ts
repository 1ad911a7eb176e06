import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { it } from '@jest/globals';
import { findRedisServer, startLocalRedis } from '../../local/local-redis.ts';

/** A Redis that one test may wipe, freeze and kill, because nobody else uses it. */
export interface PrivateRedis {
  readonly url: string;
  /** From now on nobody answers, and nobody listens. */
  kill(): Promise<void>;
  /** From now on connections stand and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Safe to repeat. */
  close(): Promise<void>;
}

export async function startPrivateRedis(): Promise<PrivateRedis> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-redis-'));
  const redis = await startLocalRedis(directory);
  return {
    url: redis.url,
    kill: async () => {
      await redis.stop();
    },
    freeze: () => {
      redis.process.kill('SIGSTOP');
    },
    thaw: () => {
      redis.process.kill('SIGCONT');
    },
    close: async () => {
      redis.process.kill('SIGCONT');
      await redis.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A fact that only a Redis server shows; the JavaScript one cannot be frozen without freezing what speaks for it. */
export function itWithRedisServer(title: string, fact: () => Promise<void>): void {
  if (findRedisServer() === undefined) it.skip(`${title} (skipped: no redis-server or valkey-server on PATH)`, fact);
  else it(title, fact);
}
