import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { pause } from '../src/platform/time.ts';
import { freePort } from './ports.ts';
import { commandLineOf, isRunning, waitUntilGone } from './processes.ts';

export interface LocalRedis {
  readonly url: string;
  /** What serves it, for the person who reads the start-up table. */
  readonly description: string;
  readonly isReal: boolean;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 3_000;
const BINARIES = ['redis-server', 'valkey-server'];

/** A Redis server on PATH, or undefined. */
export function findRedisServer(): string | undefined {
  return BINARIES.find((binary) => spawnSync(binary, ['--version'], { stdio: 'ignore' }).status === 0);
}

/**
 * Starts a private Redis on loopback: a server from PATH with an append-only file, else the JavaScript one, which keeps
 * nothing over a restart. Nothing is lost with it: PostgreSQL has every message, and the workers look there.
 */
export async function startLocalRedis(directory: string, options: { port?: number } = {}): Promise<LocalRedis> {
  fs.mkdirSync(directory, { recursive: true });
  await stopLeftOver(directory);
  const port = options.port ?? (await freePort());
  const binary = findRedisServer();
  const started = binary === undefined ? startJavaScript(port) : startReal({ binary, port, directory });
  const { pid } = started.child;
  if (pid !== undefined) fs.writeFileSync(pidFile(directory), String(pid));
  await untilAnswering(started.url, started.child);
  return {
    url: started.url,
    description: binary ?? 'in JavaScript, in memory (no redis-server or valkey-server on PATH)',
    isReal: binary !== undefined,
    process: started.child,
    stop: async () => {
      await stop(started.child);
    },
  };
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
}

function startReal({ binary, port, directory }: { binary: string; port: number; directory: string }): Started {
  const password = randomBytes(24).toString('base64url');
  const settings = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir "${directory}"`,
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'daemonize no',
  ];
  const config = path.join(directory, 'redis.conf');
  fs.writeFileSync(config, settings.join('\n'), { mode: 0o600 });
  const child = spawn(binary, [config], { stdio: 'ignore', detached: true });
  return { child, url: `redis://:${password}@127.0.0.1:${port}` };
}

function startJavaScript(port: number): Started {
  const program = fileURLToPath(new URL('javascript-redis.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, String(port)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    detached: true,
  });
  return { child, url: `redis://127.0.0.1:${port}` };
}

async function untilAnswering(url: string, child: ChildProcess): Promise<void> {
  const giveUp = AbortSignal.timeout(START_TIMEOUT_MS);
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => 50, maxRetriesPerRequest: 0 });
  redis.on('error', () => {
    // It is starting; the loop below decides when that has taken too long.
  });
  try {
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('Redis ended while it was starting');
      if (giveUp.aborted) throw new Error('Redis did not become ready');
      if (
        await redis.ping().then(
          () => true,
          () => false,
        )
      )
        return;
      await pause(20);
    }
  } finally {
    redis.disconnect();
  }
}

function pidFile(directory: string): string {
  return path.join(directory, 'redis.pid');
}

/** A server that outlived a killed parent would hold the append-only file of the next one. */
async function stopLeftOver(directory: string): Promise<void> {
  const file = pidFile(directory);
  if (!fs.existsSync(file)) return;
  const pid = Number(fs.readFileSync(file, 'utf8'));
  if (isRunning(pid) && /redis|valkey/.test(commandLineOf(pid))) {
    process.kill(pid, 'SIGTERM');
    if (!(await waitUntilGone(pid, STOP_TIMEOUT_MS))) process.kill(pid, 'SIGKILL');
  }
  fs.rmSync(file, { force: true });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(late);
}
