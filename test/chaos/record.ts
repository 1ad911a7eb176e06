import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { z } from 'zod';
import { systemClock } from '../../src/platform/time.ts';
import { SETTLERS } from './check-sends.ts';
import { FAULT_KINDS } from './fault-schedule.ts';
import type { FaultKind } from './fault-schedule.ts';
import { spreadOf } from './measure.ts';
import type { Run } from './run.ts';
import { VIOLATION_KINDS } from './violation.ts';
import type { Violation, ViolationKind } from './violation.ts';

/** The longest that 99 of 100 customers may wait, from the 2xx to the first word, faults and all. Milliseconds. */
export const ANSWER_P99_MS_MAX = 10_000;

/** A kind is absent from the record of a run that did not look for it. */
export const Counts = z.partialRecord(z.enum(VIOLATION_KINDS), z.int());
const Spread = z.object({ p50: z.number(), p99: z.number(), max: z.number() });

/** What a run leaves behind, to be kept with the code that it ran. */
export const ChaosRecord = z.object({
  /** `+` when the product's own files were not as committed. */
  commit: z.string(),
  at: z.iso.datetime(),
  machine: z.object({ processor: z.string(), cores: z.int(), node: z.string() }),
  seed: z.int(),
  messages: z.int(),
  perSecond: z.number(),
  conversations: z.int(),
  takeovers: z.int(),
  faults: z.partialRecord(z.enum(FAULT_KINDS), z.int()),
  violations: Counts,
  unsettled: z.object({
    resent: z.int(),
    secondCopies: z.int(),
    handedOver: z.int(),
    handedOverYetReceived: z.int(),
  }),
  /** What settled the sends of which nothing was known for a while, in every channel. */
  settledBy: z.partialRecord(z.enum(SETTLERS), z.int()).optional(),
  ends: z.object({ reply: z.int(), human: z.int(), recorded: z.int() }),
  answerMs: Spread,
  webhookMs: Spread,
  afterWorkerKillsMs: Spread,
  /** From each kill of a worker until somebody took up again what it had in hand, and how often there was something. */
  resumedAfterKillsMs: Spread.extend({ count: z.int() }).optional(),
  afterRedisCameBackMs: Spread,
  quietAfterMs: z.number(),
  /** Of the naive pipeline under the same load and the same faults; absent when it did not run. */
  naive: Counts.optional(),
});
export type ChaosRecord = z.infer<typeof ChaosRecord>;

export interface RecordOptions {
  readonly commit: string;
  readonly seed: number;
  readonly messages: number;
  readonly perSecond: number;
}

export function recordOf(options: RecordOptions, run: Run, naive: Run | undefined): ChaosRecord {
  const { measured, verdict, sent } = run;
  return {
    at: systemClock.now().toISOString(),
    machine: {
      processor: os.cpus()[0]?.model.trim() ?? 'unknown',
      cores: os.availableParallelism(),
      node: process.versions.node,
    },
    ...options,
    conversations: run.conversations,
    takeovers: run.takeovers,
    faults: countFaults(run),
    violations: countViolations(verdict.violations),
    unsettled: verdict.unsettled,
    settledBy: verdict.settledBy,
    ends: verdict.ends,
    answerMs: { p50: measured.answer.p50, p99: measured.answer.p99, max: measured.answer.max },
    webhookMs: spreadOf(sent.webhookMs),
    afterWorkerKillsMs: spreadOf(measured.afterWorkerKills),
    resumedAfterKillsMs: { ...spreadOf(measured.resumedAfterKills), count: measured.resumedAfterKills.length },
    afterRedisCameBackMs: spreadOf(measured.afterRedisCameBack),
    quietAfterMs: run.quietAfterMs,
    ...(naive === undefined ? {} : { naive: countViolations(naive.verdict.violations) }),
  };
}

export function countViolations(violations: readonly Violation[]): Record<ViolationKind, number> {
  const counts = VIOLATION_KINDS.map((kind) => [kind, violations.filter((it) => it.kind === kind).length] as const);
  return Object.fromEntries(counts) as Record<ViolationKind, number>;
}

export function countFaults({ faults }: Pick<Run, 'faults'>): Partial<Record<FaultKind, number>> {
  return Object.fromEntries([...Map.groupBy(faults, ({ kind }) => kind)].map(([kind, all]) => [kind, all.length]));
}

/** Read before a run: somebody may commit while it lasts. */
export function readCommit(): string {
  const git = (...asked: readonly string[]): string =>
    execFileSync('git', ['--no-optional-locks', ...asked], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const isChanged = git('status', '--porcelain', '--', 'src', 'workers', 'migrations') !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${isChanged ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}
