import { z } from 'zod';
import type { Ground } from './ground.ts';
import { Account } from './ledger.ts';
import { cpuSeconds, cpuSecondsOfMachine, residentMegabytes } from './processes.ts';
import type { Program } from './program.ts';
import { milliseconds } from './report.ts';
import type { Finding, Section, Table } from './report.ts';
import { Street } from './street.ts';
import { problemsOf, readOutcome } from './verification.ts';

const CUSTOMERS = 2_000;
const CALM_PER_SECOND = 100;
const RATES_PER_SECOND = [200, 250, 300, 400];
const SECONDS = 10;
/** Long enough for V8 to have compiled what runs often: a process lives for weeks, not for its first seconds. */
const WARM_UP = { perSecond: 120, seconds: 25 };
/** A rate is sustained when everybody is answered this soon after the last message, and nearly everybody this soon at all. */
const SUSTAINED_WITHIN_MS = 2_000;
/** How long a stage that was not sustained may take to answer the rest. */
const DRAIN_MS = 20_000;

const TARGETS = { perSecond: 300, p50Ms: 15, p99Ms: 150, residentMb: 250 };

interface Stage {
  readonly perSecond: number;
  readonly seconds: number;
  readonly account: Account;
  readonly isSustained: boolean;
  /** Processor time by process, as a share of one core. */
  readonly cpu: Readonly<Record<string, number>>;
}

/** The way of a message from the gateway's webhook to the gateway's send, with one service and one worker. */
export async function measurePath(ground: Ground): Promise<Section> {
  const street = await Street.open(ground, 'path');
  try {
    const worker = await street.startWorker('path-worker');
    const tenantId = await street.tenant();
    await street.channel(tenantId, 'path');
    await street.learnArticles(tenantId);
    const processes = {
      service: street.service.pid,
      worker: worker.pid,
      'stand-ins': street.standIns.pid,
      postgres: ground.postgres.process.pid ?? 0,
      redis: ground.redis.process.pid ?? 0,
    };

    const stages = [await runStage(street.standIns, processes, WARM_UP)];
    const calm = await runStage(street.standIns, processes, { perSecond: CALM_PER_SECOND, seconds: SECONDS });
    stages.push(calm);
    for (const perSecond of RATES_PER_SECOND) {
      const stage = await runStage(street.standIns, processes, { perSecond, seconds: SECONDS });
      stages.push(stage);
      if (!stage.isSustained) break;
    }
    const resident = { service: residentMegabytes(street.service.pid), worker: residentMegabytes(worker.pid) };
    const steps = await readSteps(street, calm);
    const seen = {
      posted: sum(stages.map(({ account }) => account.posted)),
      accepted: sum(stages.map(({ account }) => account.accepted)),
      replies: sum(stages.map(({ account }) => account.replies)),
    };
    const problems = problemsOf(seen, await readOutcome(street.db));
    return sectionOf({ stages: stages.slice(1), calm, steps, resident, problems });
  } finally {
    await street.close();
  }
}

async function runStage(
  standIns: Program,
  processes: Readonly<Record<string, number>>,
  { perSecond, seconds }: { perSecond: number; seconds: number },
): Promise<Stage> {
  const before = cpuOf(processes);
  await standIns.ask(
    'traffic',
    { connection: 'path', area: 'path', customers: CUSTOMERS, perSecond, seconds },
    z.unknown(),
  );
  const account = await standIns.ask('account', { timeoutMs: DRAIN_MS }, Account);
  const after = cpuOf(processes);
  const tookSeconds = seconds + Math.max(0, account.drainMs) / 1_000;
  const cpu = Object.fromEntries(
    Object.entries(after).map(([name, used]) => [name, (used - (before[name] ?? 0)) / tookSeconds]),
  );
  const isSustained =
    account.accepted === account.posted &&
    account.unanswered === 0 &&
    account.drainMs <= SUSTAINED_WITHIN_MS &&
    account.reply.p99 < SUSTAINED_WITHIN_MS;
  return { perSecond, seconds, account, isSustained, cpu };
}

/** `others` is what the rest of the machine took meanwhile: figures taken beside a busy neighbour are not ours. */
function cpuOf(processes: Readonly<Record<string, number>>): Record<string, number> {
  const own = Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, cpuSeconds(pid)]));
  return { ...own, others: cpuSecondsOfMachine() - sum(Object.values(own)) };
}

interface Step {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
}

/** Where the time of the calm stage went, by the product's own record of it. */
async function readSteps(street: Street, calm: Stage): Promise<readonly Step[]> {
  const { rows } = await street.db.query<Step>(
    `with calm as (
       select m.received_at, t.started_at, o.created_at, o.sending_since, o.sent_at
         from message m join turn t on t.id = m.settled_turn_id join outbox o on o.turn_id = t.id
        where m.author = 'customer' order by m.seq offset $1 limit $2
     ), step as (
       select 'stored → turn opened' as name, 1 as place, started_at - received_at as took from calm
       union all select 'turn opened → reply committed (search, model)', 2, created_at - started_at from calm
       union all select 'reply committed → send begun', 3, sending_since - created_at from calm
       union all select 'send begun → sent recorded (gateway)', 4, sent_at - sending_since from calm
     )
     select name, (1000 * percentile_cont(0.5) within group (order by extract(epoch from took)))::float8 as p50,
            (1000 * percentile_cont(0.99) within group (order by extract(epoch from took)))::float8 as p99
       from step group by name, place order by place`,
    [WARM_UP.perSecond * WARM_UP.seconds, calm.account.posted],
  );
  return rows;
}

interface Measured {
  readonly stages: readonly Stage[];
  readonly calm: Stage;
  readonly steps: readonly Step[];
  readonly resident: Readonly<Record<string, number | undefined>>;
  readonly problems: readonly string[];
}

function sectionOf({ stages, calm, steps, resident, problems }: Measured): Section {
  return {
    title: `Whole path: one service, one worker, ${CUSTOMERS} customers, 30 articles, ${SECONDS} s at each rate`,
    tables: [ratesTable(stages), processorTable(stages), stepsTable(calm, steps)],
    notes: [
      `Every figure contains the model's and the gateway's stand-ins, which share the machine's cores.`,
      `Memory after all of it: ${Object.entries(resident)
        .map(([name, megabytes]) => `${name} ${megabytes?.toFixed(0) ?? 'unknown'} MB`)
        .join(', ')}`,
    ],
    findings: findingsOf(stages, calm, resident),
    problems,
  };
}

function ratesTable(stages: readonly Stage[]): Table {
  return {
    head: [
      'messages/s',
      'sent',
      'replies',
      'p50',
      'p99',
      'longest',
      'webhook p50',
      'webhook p99',
      'posted late p99',
      'last reply after',
      'sustained',
    ],
    rows: stages.map(({ perSecond, account, isSustained }) => [
      String(perSecond),
      String(account.posted),
      String(account.replies),
      milliseconds(account.reply.p50),
      milliseconds(account.reply.p99),
      milliseconds(account.reply.max),
      milliseconds(account.webhook.p50),
      milliseconds(account.webhook.p99),
      milliseconds(account.lateness.p99),
      milliseconds(Math.max(0, account.drainMs)),
      isSustained ? 'yes' : 'no',
    ]),
  };
}

function processorTable(stages: readonly Stage[]): Table {
  const names = Object.keys(stages[0]?.cpu ?? {});
  return {
    head: ['cores used at', ...names],
    rows: stages.map(({ perSecond, cpu }) => [`${perSecond}/s`, ...names.map((name) => (cpu[name] ?? 0).toFixed(2))]),
  };
}

function stepsTable(calm: Stage, steps: readonly Step[]): Table {
  return {
    head: [`where the time goes at ${calm.perSecond}/s`, 'p50', 'p99'],
    rows: [
      ['webhook posted → answered 200', milliseconds(calm.account.webhook.p50), milliseconds(calm.account.webhook.p99)],
      ...steps.map(({ name, p50, p99 }) => [name, milliseconds(p50), milliseconds(p99)]),
    ],
  };
}

function findingsOf(stages: readonly Stage[], calm: Stage, resident: Measured['resident']): readonly Finding[] {
  const highest = Math.max(0, ...stages.filter((stage) => stage.isSustained).map((stage) => stage.perSecond));
  const { p50, p99 } = calm.account.reply;
  const largest = Math.max(...Object.values(resident).map((megabytes) => megabytes ?? 0));
  return [
    {
      number: 'whole path, sustained',
      measured: `${highest} messages/s`,
      target: `≥ ${TARGETS.perSecond} messages/s`,
      isReached: highest >= TARGETS.perSecond,
    },
    {
      number: `added latency p50 at ${calm.perSecond}/s`,
      measured: milliseconds(p50),
      target: `≤ ${TARGETS.p50Ms} ms`,
      isReached: p50 <= TARGETS.p50Ms,
    },
    {
      number: `added latency p99 at ${calm.perSecond}/s`,
      measured: milliseconds(p99),
      target: `≤ ${TARGETS.p99Ms} ms`,
      isReached: p99 <= TARGETS.p99Ms,
    },
    {
      number: 'resident memory, largest process',
      measured: `${largest.toFixed(0)} MB`,
      target: `≤ ${TARGETS.residentMb} MB`,
      isReached: largest > 0 && largest <= TARGETS.residentMb,
    },
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
