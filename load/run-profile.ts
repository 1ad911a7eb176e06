import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Ground } from '../bench/ground.ts';
import { cpuSeconds, cpuSecondsOfMachine } from '../bench/processes.ts';
import { percentile } from '../bench/report.ts';
import { Street } from '../bench/street.ts';
import { messagesOf, secondsOf } from '../k6/lib/profiles.ts';
import type { Profile, Stage } from '../k6/lib/profiles.ts';
import { THRESHOLDS } from '../k6/lib/thresholds.ts';
import { problemsOf, verify } from '../k6/lib/verification.ts';
import type { Asked, Verdict } from '../k6/lib/verification.ts';
import { monotonicMs } from '../src/platform/time.ts';
import { fire, newPosts } from './cannon.ts';
import type { Posts, Target } from './cannon.ts';
import { Gauges, Peaks } from './gauges.ts';
import { Hearing } from './hearing.ts';

const Spread = z.object({ p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() });

/** Stages of a profile that were looked at together. */
export const Leg = z.object({
  perSecond: z.string(),
  seconds: z.number(),
  posted: z.int(),
  refused: z.int(),
  statuses: z.record(z.string(), z.int()),
  answered: z.int(),
  webhookMs: Spread,
  /** The share of webhooks that were refused or took longer than the objective. */
  intakeBadShare: z.number(),
  /** From the post to the reply on the phone. */
  replyMs: Spread,
  replyLateShare: z.number(),
  /** From the last post to the last reply; nothing when there was none in time. */
  drainMs: z.number().optional(),
  peaks: Peaks,
  /** Processor time by process, as a share of one core. */
  cores: z.record(z.string(), z.number()),
  /** The same for one message. */
  cpuMsEach: z.record(z.string(), z.number()),
  /** The thresholds that were missed: each is an alert that would light if this went on. */
  missed: z.array(z.string()),
  /** What was lost, doubled, mixed or said in another order. One is a failure of the product. */
  problems: z.array(z.string()),
});
export type Leg = z.infer<typeof Leg>;

export interface RunOptions {
  readonly workers: number;
  /** Loses or doubles one reply on its way into the account, to see that it is noticed. */
  readonly sabotage?: 'lose' | 'double' | undefined;
  readonly onLeg: (leg: Leg) => void;
}

/** Enough for V8 to have compiled what runs often. */
const WARM_UP: Stage = { perSecond: 40, seconds: 12 };
/** As long as the objective of replies gives, twice; what is not there then is lost as far as a customer can tell. */
const DRAIN_WITHIN_MS = 2 * THRESHOLDS.replyWithinSeconds * 1_000;

const Addresses = z.object({ sink: z.url() });

/** Puts a profile on the product in processes of its own, and verifies what reached the phones. */
export async function runProfile(ground: Ground, profile: Profile, options: RunOptions): Promise<readonly Leg[]> {
  const street = await Street.open(ground, `load_${profile.name.replaceAll('-', '_')}`, 'load/sink.ts');
  try {
    const pids: Record<string, number> = {};
    for (let index = 1; index <= options.workers; index += 1) {
      const worker = await street.startWorker(`worker-${index}`);
      pids[worker.name] = worker.pid;
    }
    const tenantId = await street.tenant();
    const target = await street.channel(tenantId, 'load');
    await street.learnArticles(tenantId);
    const { sink } = await street.standIns.ask('addresses', {}, Addresses);
    Object.assign(pids, {
      service: street.service.pid,
      postgres: ground.postgres.process.pid ?? 0,
      redis: ground.redis.process.pid ?? 0,
      'stand-ins': street.standIns.pid,
      generator: process.pid,
    });
    const gauges = new Gauges(street.metrics);
    try {
      await runLeg({ target, sink, gauges, pids, customers: profile.customers }, [WARM_UP]);
      await street.standIns.ask('thinkFor', { ms: profile.modelMs }, z.unknown());
      if (options.sabotage !== undefined) {
        const at = WARM_UP.perSecond * WARM_UP.seconds + Math.floor(messagesOf(profile.stages) / 2);
        await street.standIns.ask('sabotage', { at, how: options.sabotage }, z.unknown());
      }
      return await runLegs({ target, sink, gauges, pids, customers: profile.customers }, profile, options);
    } finally {
      await gauges.stop();
    }
  } finally {
    await street.close();
  }
}

interface Scene {
  readonly target: Target;
  readonly sink: string;
  readonly gauges: Gauges;
  readonly pids: Readonly<Record<string, number>>;
  readonly customers: number;
}

async function runLegs(scene: Scene, { stages, isRamp }: Profile, { onLeg }: RunOptions): Promise<readonly Leg[]> {
  const legs: Leg[] = [];
  for (const part of isRamp ? stages.map((stage) => [stage]) : [stages]) {
    const leg = await runLeg(scene, part);
    legs.push(leg);
    onLeg(leg);
    if (leg.missed.length > 0 || leg.problems.length > 0) break;
  }
  return legs;
}

async function runLeg(scene: Scene, stages: readonly Stage[]): Promise<Leg> {
  const { target, sink, gauges, pids, customers } = scene;
  const posts = newPosts(randomBytes(2).toString('hex'), customers);
  const hearing = new Hearing(sink, posts.run);
  await hearing.listen();
  gauges.take();
  const before = cpuOf(pids);
  const startedAt = monotonicMs();
  for (const stage of stages) await fire(target, posts, stage);
  const asked = askedOf(posts);
  const drainMs = await hearing.untilComplete(asked, DRAIN_WITHIN_MS);
  const tookSeconds = (monotonicMs() - startedAt) / 1_000;
  const after = cpuOf(pids);
  const used = Object.entries(after).map(([name, seconds]) => [name, seconds - (before[name] ?? 0)] as const);
  const cores = Object.fromEntries(used.map(([name, seconds]) => [name, round(seconds / tookSeconds, 2)]));
  const cpuMsEach = Object.fromEntries(
    used.map(([name, seconds]) => [name, round((1_000 * seconds) / posts.count, 1)]),
  );
  const verdict = verify(asked, ofRun(hearing, posts.run));
  return legOf({ stages, posts, drainMs, cores, cpuMsEach, verdict, peaks: gauges.take() });
}

function askedOf({ run, count, customers, refused }: Posts): Asked {
  return { run, count, customers, refused };
}

/** What earlier legs said late belongs to their own accounts. */
function ofRun({ heard }: Hearing, run: string): Hearing['heard'] {
  return heard.filter(({ text }) => text.includes(`q-${run}-`) || !text.includes('q-'));
}

interface Measured {
  readonly stages: readonly Stage[];
  readonly posts: Posts;
  readonly drainMs: number | undefined;
  readonly cores: Readonly<Record<string, number>>;
  readonly cpuMsEach: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
  readonly peaks: Peaks;
}

function legOf({ stages, posts, drainMs, cores, cpuMsEach, verdict, peaks }: Measured): Leg {
  const slow = posts.webhookMs.filter((ms) => ms > THRESHOLDS.intakeWithinSeconds * 1_000).length;
  const late = verdict.waitsMs.filter((ms) => ms > THRESHOLDS.replyWithinSeconds * 1_000).length;
  const leg = {
    perSecond: [...new Set(stages.map((stage) => stage.perSecond))].join('/'),
    seconds: secondsOf(stages),
    posted: posts.count,
    refused: posts.refused.size,
    statuses: posts.statuses,
    answered: verdict.answered,
    webhookMs: spreadOf(posts.webhookMs),
    intakeBadShare: (slow + posts.refused.size) / Math.max(1, posts.count),
    replyMs: spreadOf(verdict.waitsMs),
    replyLateShare: (late + verdict.lost.length) / Math.max(1, posts.count),
    ...(drainMs === undefined ? {} : { drainMs: Math.round(drainMs) }),
    peaks,
    cores,
    cpuMsEach,
    problems: [...problemsOf(verdict)],
  };
  return { ...leg, missed: missedOf(leg) };
}

/** The thresholds that a leg misses. Pure. */
export function missedOf(leg: Omit<Leg, 'missed'>): string[] {
  const failed = Object.entries(leg.statuses).filter(([status]) => status === '0' || status.startsWith('5'));
  const notAuthentic = Object.entries(leg.statuses).filter(([status]) => status === '401');
  const rejected = Object.entries(leg.statuses).filter(([status]) => status === '401' || status === '429');
  const count = (of: readonly (readonly [string, number])[]): number => of.reduce((sum, [, times]) => sum + times, 0);
  const bounds: readonly (readonly [string, number, number])[] = [
    ['IntakeBudgetBurn', leg.intakeBadShare, THRESHOLDS.intakeBadShare],
    ['ReplyBudgetBurn', leg.replyLateShare, THRESHOLDS.replyLateShare],
    ['HttpLatencyHigh', leg.webhookMs.p95 / 1_000, THRESHOLDS.requestP95Seconds],
    ['HttpErrorRateHigh', count(failed) / Math.max(1, leg.posted), THRESHOLDS.failedShare],
    ['WebhooksRejected', count(rejected), THRESHOLDS.rejectedMax],
    ['WebhooksRejected (no proof)', count(notAuthentic), THRESHOLDS.notAuthenticMax],
    ['QueueBacklog (inbox)', leg.peaks.inboxOldestSeconds, THRESHOLDS.inboxOldestSeconds],
    ['QueueBacklog (outbox)', leg.peaks.outboxOldestSeconds, THRESHOLDS.outboxOldestSeconds],
    ['EventLoopLag', Math.max(0, ...Object.values(leg.peaks.eventLoopLagSeconds)), THRESHOLDS.eventLoopLagSeconds],
  ];
  return bounds.filter(([, is, bound]) => is > bound).map(([name]) => name);
}

function cpuOf(pids: Readonly<Record<string, number>>): Record<string, number> {
  const own = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, ownCpuSeconds(name, pid)]));
  const sum = Object.values(own).reduce((total, seconds) => total + seconds, 0);
  return { ...own, others: cpuSecondsOfMachine() - sum };
}

/** All the others are children of the generator. */
function ownCpuSeconds(name: string, pid: number): number {
  if (name !== 'generator') return cpuSeconds(pid);
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}

function spreadOf(values: readonly number[]): z.infer<typeof Spread> {
  if (values.length === 0) return { p50: 0, p95: 0, p99: 0, max: 0 };
  const at = (share: number): number => Math.round(percentile(values, share));
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
