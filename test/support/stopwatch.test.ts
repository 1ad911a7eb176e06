import { spawnSync } from 'node:child_process';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { longestBlockMs } from './event-loop.ts';
import { computedMs, Stopwatch, timed, undisturbed } from './stopwatch.ts';

/** Of the server, of the stall, of the computation. A busy machine adds little to what a stopwatch shows of them. */
const LONG_MS = 400;
const SHORT_MS_MAX = LONG_MS / 2;
/** Of a server. A machine that is busy takes a part of it away, because this process then stands still while it waits. */
const SLOW_MS = 3 * LONG_MS;
const SLOW_MS_MIN = SLOW_MS / 2;

let server: http.Server;
let url: string;
let answersAfterMs: number;

beforeEach(async () => {
  answersAfterMs = 0;
  server = http.createServer((_req, res) => void setTimeout(() => res.end('done'), answersAfterMs));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

async function ask(): Promise<void> {
  await (await fetch(url)).text();
}

/** As a process does that gets no core: no JavaScript runs, and none computes. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LONG_MS);
}

function compute(): void {
  const until = computedMs() + LONG_MS;
  while (computedMs() < until);
}

describe('a stopwatch', () => {
  it('leaves out that its own process stood still while it waited', async () => {
    const startedAt = performance.now();
    const asked = timed(ask);
    standStill();
    const { tookMs } = await asked;

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(LONG_MS);
    expect(tookMs).toBeLessThan(SHORT_MS_MAX);
  });

  it('leaves out a program that the process waited for, whoever looks first afterwards', async () => {
    const watch = new Stopwatch();
    spawnSync(process.execPath, ['-e', `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${LONG_MS})`]);
    const before = watch.elapsedMs;
    await ask();

    expect(before).toBeLessThan(SHORT_MS_MAX);
    expect(watch.stop()).toBeLessThan(SHORT_MS_MAX);
  });

  it('does not leave out a server that is slow, also when the process stood still meanwhile', async () => {
    answersAfterMs = SLOW_MS;
    const asked = timed(ask);
    standStill();

    expect((await asked).tookMs).toBeGreaterThan(SLOW_MS_MIN);
    expect((await timed(ask)).tookMs).toBeGreaterThan(SLOW_MS_MIN);
  });

  it('does not leave out what JavaScript computes, because a caller waits for that', async () => {
    const asked = timed(ask);
    compute();

    expect((await asked).tookMs).toBeGreaterThan(LONG_MS * 0.9);
  });

  it('knows several times at once, and stands when it is stopped', async () => {
    const [first, second] = [new Stopwatch(), new Stopwatch()];
    const firstMs = first.stop();
    answersAfterMs = SLOW_MS;
    const startedAt = performance.now();
    await ask();
    standStill();

    expect(first.elapsedMs).toBe(firstMs);
    expect(first.stop()).toBe(firstMs);
    expect(second.stop()).toBeGreaterThan(SLOW_MS_MIN);
    expect(second.stoodStillMs).toBeGreaterThan(SHORT_MS_MAX);
    expect(second.elapsedMs).toBeLessThan(performance.now() - startedAt);
  });

  it('is stopped by a failure', async () => {
    await expect(timed(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});

describe('a fact that hangs on deadlines', () => {
  it('is shown again when the process stood still, and not for ever', async () => {
    let tries = 0;
    const shown = await undisturbed(async () => {
      tries += 1;
      if (tries === 1) standStill();
      await ask();
      return tries;
    });
    const always = await undisturbed(async () => {
      standStill();
      await ask();
      return 'shown';
    });

    expect(shown).toBe(2);
    expect(always).toBe('shown');
  });
});

describe('the longest block of the event loop', () => {
  it('is what computes in one go, and not a process that stood still', async () => {
    expect(
      await longestBlockMs(async () => {
        standStill();
        await ask();
      }),
    ).toBeLessThan(SHORT_MS_MAX);
    expect(
      await longestBlockMs(async () => {
        await ask();
        compute();
      }),
    ).toBeGreaterThan(LONG_MS * 0.9);
  });
});
