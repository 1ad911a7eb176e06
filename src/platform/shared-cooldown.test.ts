import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { SharedCooldown } from './shared-cooldown.ts';
import type { CooldownMemory } from './shared-cooldown.ts';
import { monotonicMs, pause } from './time.ts';

const log = pino({ level: 'silent' });

/** Redis as far as a cool-down knows it, for machines without a Redis server. */
class RememberedKeys implements CooldownMemory {
  readonly #until = new Map<string, number>();

  pttl(key: string): Promise<number> {
    const left = Math.ceil((this.#until.get(key) ?? 0) - monotonicMs());
    return Promise.resolve(left > 0 ? left : -2);
  }

  set(...[key, , , ms]: Parameters<CooldownMemory['set']>): Promise<unknown> {
    this.#until.set(key, monotonicMs() + ms);
    return Promise.resolve('OK');
  }
}

let server: ChildProcess | undefined;
let redis: Redis | undefined;
let memory: CooldownMemory = new RememberedKeys();
let reads = 0;
let name = '';
let names = 0;

beforeAll(async () => {
  if (spawnSync('redis-server', ['--version']).status !== 0) return;
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', tmpdir()];
  server = spawn('redis-server', args, { stdio: 'ignore' });
  redis = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20 });
  redis.on('error', () => undefined);
  await redis.ping();
  memory = redis;
});

afterAll(async () => {
  redis?.disconnect();
  if (server === undefined) return;
  server.kill();
  await once(server, 'exit');
});

beforeEach(() => {
  reads = 0;
  names += 1;
  name = `gemini-${names}`;
});

/** One process's view. Reads are counted. */
function newProcess(isUp = true): SharedCooldown {
  const counted: CooldownMemory = {
    pttl: (key) => {
      reads += 1;
      return memory.pttl(key);
    },
    set: (...args) => memory.set(...args),
  };
  return new SharedCooldown({ memory: counted, health: { isUp }, log });
}

describe('a cool-down', () => {
  it('holds in the process that started it and in every other', async () => {
    await newProcess().start(name, 60_000);

    const elsewhere = await newProcess().remainingMs(name);

    expect(elsewhere).toBeGreaterThan(59_000);
    expect(elsewhere).toBeLessThanOrEqual(60_000);
  });

  it('is over when its time is over', async () => {
    const here = newProcess();
    await here.start(name, 30);

    const isOver = async (): Promise<boolean> => (await here.remainingMs(name)) === 0;
    while (!(await isOver())) await pause(5);
    while ((await memory.pttl(`cooldown:${name}`)) > 0) await pause(1);

    expect(await newProcess().remainingMs(name)).toBe(0);
  });

  it('concerns nobody else', async () => {
    const here = newProcess();
    await here.start(name, 60_000);

    expect(await here.remainingMs(`${name}-other`)).toBe(0);
  });

  it('is never made shorter', async () => {
    const here = newProcess();
    await here.start(name, 60_000);
    await newProcess().start(name, 10);

    expect(await here.remainingMs(name)).toBeGreaterThan(59_000);
    expect(await newProcess().remainingMs(name)).toBeGreaterThan(59_000);
  });

  it('never lasts longer than an hour', async () => {
    const here = newProcess();
    await here.start(name, 86_400_000);

    expect(await here.remainingMs(name)).toBeLessThanOrEqual(3_600_000);
    expect(await memory.pttl(`cooldown:${name}`)).toBeLessThanOrEqual(3_600_000);
  });

  it.each([0, -1, Number.NaN])('of %p ms is none', async (ms) => {
    const here = newProcess();
    await here.start(name, ms);

    expect(await here.remainingMs(name)).toBe(0);
  });
});

describe('asking for a cool-down', () => {
  it('costs one read for callers that come together, and none while one runs here', async () => {
    const here = newProcess();

    await Promise.all(Array.from({ length: 50 }, () => here.remainingMs(name)));
    await here.remainingMs(name);
    expect(reads).toBe(1);

    await here.start(name, 60_000);
    reads = 0;
    await here.remainingMs(name);
    expect(reads).toBe(0);
  });

  it('finds within a moment what another process has started', async () => {
    const here = newProcess();
    expect(await here.remainingMs(name)).toBe(0);

    await newProcess().start(name, 60_000);
    while ((await here.remainingMs(name)) === 0) await pause(10);

    expect(reads).toBeLessThanOrEqual(4);
  });
});

describe('without Redis', () => {
  it('a cool-down holds in its own process, and nothing is asked', async () => {
    const here = newProcess(false);
    await here.start(name, 60_000);

    expect(await here.remainingMs(name)).toBeGreaterThan(59_000);
    expect(await here.remainingMs(`${name}-other`)).toBe(0);
    expect(reads).toBe(0);
  });

  it('a failing command is no failure of the caller', async () => {
    const broken = (): Promise<never> => Promise.reject(new Error('Connection is closed.'));
    const here = new SharedCooldown({ memory: { pttl: broken, set: broken }, health: { isUp: true }, log });

    expect(await here.remainingMs(name)).toBe(0);
    await here.start(name, 60_000);
    expect(await here.remainingMs(name)).toBeGreaterThan(59_000);
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
