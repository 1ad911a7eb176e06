import { afterEach, describe, expect, it } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { setImmediate as everythingThatIsDue } from 'node:timers/promises';
import { pino } from 'pino';
import { Breaker, BreakerOpenError, BreakerTimeoutError } from './breaker.ts';
import type { BreakerOptions, BreakerState } from './breaker.ts';
import { registry } from './metrics.ts';
import { pause } from './time.ts';

class Throttled extends Error {}
class BadRequest extends Error {}

const TIMEOUT_MS = 40;
const nobodyCancels = new AbortController().signal;
const open: Breaker[] = [];

afterEach(() => {
  for (const breaker of open.splice(0)) breaker.close();
});

function breakerWith(options: Partial<BreakerOptions> = {}): Breaker {
  const breaker = new Breaker(
    'gemini',
    {
      timeoutMs: TIMEOUT_MS,
      capacity: 100,
      volumeThreshold: 4,
      resetTimeoutMs: 60,
      classify: (error) =>
        error instanceof Throttled ? 'throttled' : error instanceof BadRequest ? 'caller-bug' : 'failure',
      ...options,
    },
    pino({ level: 'silent' }),
  );
  open.push(breaker);
  return breaker;
}

const answers = (): Promise<string> => Promise.resolve('olá');
const breaks = (): Promise<never> => Promise.reject(new Error('503'));
const throttles = (): Promise<never> => Promise.reject(new Throttled());
const isAsked = (): Promise<never> => Promise.reject(new BadRequest());
const hangs = (): Promise<never> => new Promise(() => undefined);

async function fails(breaker: Breaker, action: () => Promise<unknown>, times = 1): Promise<void> {
  for (let i = 0; i < times; i += 1) await expect(breaker.run(action, nobodyCancels)).rejects.toThrow();
}

async function reaches(breaker: Breaker, state: BreakerState): Promise<void> {
  while (breaker.state !== state) await pause(2);
}

async function metric(name: string, labels: Record<string, string> = {}): Promise<number> {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  const wanted = Object.entries({ name: 'gemini', ...labels });
  return values.find((value) => wanted.every(([label, text]) => value.labels[label] === text))?.value ?? 0;
}

describe('a call that takes too long', () => {
  it('is cut off alone: its siblings go on, and so do later calls', async () => {
    const breaker = breakerWith({ volumeThreshold: 10 });
    const late = Promise.withResolvers<string>();
    const siblings: AbortSignal[] = [];

    const stuck = breaker.run(hangs, nobodyCancels);
    await pause(TIMEOUT_MS / 2);
    const sibling = breaker.run((signal) => {
      siblings.push(signal);
      return late.promise;
    }, nobodyCancels);

    await expect(stuck).rejects.toBeInstanceOf(BreakerTimeoutError);
    expect(siblings.map((signal) => signal.aborted)).toEqual([false]);
    late.resolve('olá');
    await expect(sibling).resolves.toBe('olá');
    await expect(breaker.run((signal) => Promise.resolve(signal.aborted), nobodyCancels)).resolves.toBe(false);
  });

  it('aborts the signal that its action was given', async () => {
    const breaker = breakerWith();
    const seen: AbortSignal[] = [];
    const action = (signal: AbortSignal): Promise<never> => {
      seen.push(signal);
      return hangs();
    };

    await expect(breaker.run(action, nobodyCancels)).rejects.toBeInstanceOf(BreakerTimeoutError);

    expect(seen[0]?.reason).toBeInstanceOf(BreakerTimeoutError);
  });

  it('opens the breaker also when such calls come one after another', async () => {
    const breaker = breakerWith();

    await fails(breaker, hangs, 4);

    expect(breaker.state).toBe('open');
  });

  it('ends the probe of a half-open breaker, which opens again', async () => {
    const breaker = breakerWith();
    await fails(breaker, breaks, 4);
    await reaches(breaker, 'half-open');

    await expect(breaker.run(hangs, nobodyCancels)).rejects.toBeInstanceOf(BreakerTimeoutError);

    expect(breaker.state).toBe('open');
  });
});

describe('an open breaker', () => {
  it('refuses at once, and knows since when it is open, not since when it exists', async () => {
    const breaker = breakerWith();
    const made = Date.now();
    while (Date.now() === made) await pause(1);
    expect(breaker.openedAt).toBeUndefined();

    await fails(breaker, breaks, 4);

    expect(breaker.openedAt?.getTime()).toBeGreaterThan(made);
    await expect(breaker.run(answers, nobodyCancels)).rejects.toMatchObject({
      name: 'BreakerOpenError',
      reason: 'open',
    });
  });

  it('lets one probe through after a while and closes when that went well', async () => {
    const breaker = breakerWith();
    await fails(breaker, breaks, 4);
    await reaches(breaker, 'half-open');

    const answer = Promise.withResolvers<string>();
    const probe = breaker.run(() => answer.promise, nobodyCancels);
    await expect(breaker.run(answers, nobodyCancels)).rejects.toBeInstanceOf(BreakerOpenError);
    answer.resolve('olá');
    await probe;

    await reaches(breaker, 'closed');
    expect(breaker.openedAt).toBeUndefined();
  });

  it('is told by its metrics', async () => {
    const before = {
      opened: await metric('plantao_breaker_transitions_total', { to: 'open' }),
      rejected: await metric('plantao_breaker_rejections_total'),
    };
    const breaker = breakerWith();

    await fails(breaker, breaks, 4);
    await fails(breaker, answers);

    expect(await metric('plantao_breaker_state')).toBe(2);
    expect(await metric('plantao_breaker_transitions_total', { to: 'open' })).toBe(before.opened + 1);
    expect(await metric('plantao_breaker_rejections_total')).toBe(before.rejected + 1);
  });
});

describe('a throttled call', () => {
  it('does not open a closed breaker', async () => {
    const breaker = breakerWith();

    await fails(breaker, throttles, 20);

    expect(breaker.state).toBe('closed');
  });

  it('does not close a half-open one', async () => {
    const breaker = breakerWith();
    await fails(breaker, breaks, 4);
    await reaches(breaker, 'half-open');

    await fails(breaker, throttles);

    await reaches(breaker, 'open');
  });
});

describe('a request that was wrong', () => {
  it('is no failure of the dependency', async () => {
    const breaker = breakerWith();

    await fails(breaker, isAsked, 20);

    expect(breaker.state).toBe('closed');
  });

  it('shows a half-open breaker that the dependency answers again', async () => {
    const breaker = breakerWith();
    await fails(breaker, breaks, 4);
    await reaches(breaker, 'half-open');

    await fails(breaker, isAsked);

    await reaches(breaker, 'closed');
  });
});

describe('a call from before the breaker opened', () => {
  it('reaches its caller and does not close the half-open breaker', async () => {
    const breaker = breakerWith({ timeoutMs: 5_000 });
    const slow = Promise.withResolvers<string>();
    const early = breaker.run(() => slow.promise, nobodyCancels);
    await fails(breaker, breaks, 4);
    await reaches(breaker, 'half-open');

    slow.resolve('olá');

    await expect(early).resolves.toBe('olá');
    await everythingThatIsDue();
    expect(breaker.state).toBe('half-open');
  });

  it('does not reopen the half-open breaker when it fails late', async () => {
    const breaker = breakerWith({ timeoutMs: 5_000 });
    const slow = Promise.withResolvers<string>();
    const early = breaker.run(() => slow.promise, nobodyCancels);
    await fails(breaker, breaks, 4);
    await reaches(breaker, 'half-open');

    slow.reject(new Error('503'));

    await expect(early).rejects.toThrow('503');
    await everythingThatIsDue();
    expect(breaker.state).toBe('half-open');
  });
});

describe('many calls at once', () => {
  it('are refused above the capacity, and the refusals are not held against the dependency', async () => {
    const breaker = breakerWith({ capacity: 3, timeoutMs: 5_000 });
    const answer = Promise.withResolvers<string>();
    const held = Array.from({ length: 3 }, () => breaker.run(() => answer.promise, nobodyCancels));

    for (let i = 0; i < 20; i += 1) {
      await expect(breaker.run(answers, nobodyCancels)).rejects.toMatchObject({ reason: 'full' });
    }

    expect(breaker.state).toBe('closed');
    answer.resolve('olá');
    await expect(Promise.all(held)).resolves.toHaveLength(3);
    await expect(breaker.run(answers, nobodyCancels)).resolves.toBe('olá');
  });

  it('open the breaker while most of them are still under way', async () => {
    const breaker = breakerWith({ timeoutMs: 5_000 });
    const answer = Promise.withResolvers<string>();
    const held = Array.from({ length: 55 }, () => breaker.run(() => answer.promise, nobodyCancels));

    await Promise.allSettled(Array.from({ length: 45 }, () => breaker.run(breaks, nobodyCancels)));

    expect(breaker.state).toBe('open');
    answer.resolve('olá');
    await Promise.all(held);
  });
});

describe('a caller that gives up', () => {
  it('is let go at once with its own reason, and the dependency is not blamed', async () => {
    const breaker = breakerWith({ timeoutMs: 5_000 });

    for (let i = 0; i < 20; i += 1) {
      const caller = new AbortController();
      const call = breaker.run(hangs, caller.signal);
      caller.abort(new Error('The turn is over'));
      await expect(call).rejects.toThrow('The turn is over');
    }

    expect(breaker.state).toBe('closed');
  });

  it('makes no call when it had given up before', async () => {
    const breaker = breakerWith();
    let calls = 0;
    const action = (): Promise<number> => Promise.resolve((calls += 1));

    await expect(breaker.run(action, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');

    expect(calls).toBe(0);
  });

  it('leaves nothing behind on a signal that lives long', async () => {
    const breaker = breakerWith();
    const caller = new AbortController();

    await breaker.run(answers, caller.signal);

    expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
  });
});
