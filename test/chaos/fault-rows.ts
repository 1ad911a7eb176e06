import { LASTS_MS } from './fault-schedule.ts';
import type { FaultKind } from './fault-schedule.ts';
import type { ViolationKind } from './violation.ts';

/** A row of the page of faults. */
export interface FaultRow {
  readonly fault: string;
  readonly invariant: string;
  /** What would be found if the invariant did not hold. */
  readonly threatens: readonly [ViolationKind, ...ViolationKind[]];
}

function lasts(kind: keyof typeof LASTS_MS): string {
  return `for ${LASTS_MS[kind] / 1_000} s`;
}

function modelRow(fault: string): FaultRow {
  return {
    fault,
    invariant: 'everybody gets an answer, a question back or a person',
    threatens: ['lost', 'forgotten', 'out-of-order'],
  };
}

export const FAULT_ROWS: Readonly<Record<FaultKind, FaultRow>> = {
  'worker-killed': {
    fault: '`kill -9` of a worker, every 2.5 s',
    invariant: 'nothing is lost, said twice or out of order',
    threatens: ['lost', 'forgotten', 'doubled', 'out-of-order'],
  },
  'worker-frozen': {
    fault: `a worker stopped while it decides, ${lasts('worker-frozen')} or until another one decides the same, then woken`,
    invariant: 'one decides at a time; what it held is answered once',
    threatens: ['decided-twice', 'doubled', 'out-of-order', 'said-after-takeover'],
  },
  'service-killed': {
    fault: '`kill -9` of the service, also between commit and 200',
    invariant: 'what was answered 200 is kept, and kept once',
    threatens: ['lost', 'doubled'],
  },
  'redis-flushed': {
    fault: '`FLUSHALL`',
    invariant: 'no message depends on Redis',
    threatens: ['lost', 'forgotten', 'doubled'],
  },
  'redis-killed': {
    fault: `\`kill -9\` of Redis, back after ${LASTS_MS['redis-killed'] / 1_000} s`,
    invariant: 'intake goes on, and no message depends on Redis',
    threatens: ['lost', 'forgotten', 'doubled'],
  },
  'redis-frozen': {
    fault: `Redis stopped ${lasts('redis-frozen')}`,
    invariant: 'nobody waits for Redis, and no message depends on it',
    threatens: ['lost', 'forgotten', 'doubled'],
  },
  'postgres-restarted': {
    fault: 'PostgreSQL restarted with `-m immediate`',
    invariant: 'no 200 without a row',
    threatens: ['lost', 'doubled', 'out-of-order'],
  },
  'postgres-frozen': {
    fault: `PostgreSQL stopped ${lasts('postgres-frozen')}, with all its processes`,
    invariant: 'no 200 without a row; a send that could not be recorded is not made again',
    threatens: ['lost', 'doubled', 'out-of-order'],
  },
  'gateway-drops-the-line': {
    fault: 'the gateway takes messages and drops the line; who got them writes on and wants a person',
    invariant:
      'settled by the echo or a look, else by the channel’s policy; never doubled where either tells; what waited is not said for the bot once a person is called',
    threatens: ['lost', 'doubled', 'out-of-order', 'said-after-takeover'],
  },
  'model-throttles': modelRow(`the model answers 429 ${lasts('model-throttles')}`),
  'model-overloaded': modelRow(`the model answers 503 ${lasts('model-overloaded')}`),
  'model-hangs': modelRow(`the model takes requests ${lasts('model-hangs')} and never answers them`),
};
