import { z } from 'zod';
import type { Ground } from './ground.ts';
import type { Program } from './program.ts';
import { cpuSeconds } from './processes.ts';
import { median, milliseconds } from './report.ts';
import type { Section } from './report.ts';
import { Street } from './street.ts';

const CONNECTIONS = 50;
const ROUNDS = 3;
const SECONDS = 4;
const WARM_UP_SECONDS = 2;
/** A channel may send 3,000 webhooks a second; a busy installation has more than one, and so has this. */
const CHANNELS = 4;
/** More than any server on this kind of machine takes in a second, so that a round never runs dry. */
const PREPARED_PER_SECOND = 12_000;

const RATIO_MIN = 0.4;
const P99_MAX_MS = 50;

const Drive = z.object({
  requests: z.int(),
  refused: z.int(),
  perSecond: z.number(),
  p50: z.number(),
  p99: z.number(),
});

interface Run extends z.infer<typeof Drive> {
  /** Of the server's own process, for one webhook. */
  readonly cpuMicroseconds: number;
}

interface Server {
  readonly program: Program;
  readonly url: string;
  readonly targets: readonly { url: string; secret: string }[];
}

/** How many signed webhooks a second become durable, beside a server that does nothing but check the signature. */
export async function measureIntake(ground: Ground): Promise<Section> {
  const street = await Street.open(ground, 'intake');
  const load = ground.start({ name: 'load-generator', file: 'bench/load-generator.ts', takesCommands: true });
  const bareServer = ground.start({ name: 'bare-server', file: 'bench/bare-server.ts', takesCommands: true });
  try {
    const bare = await startBare(bareServer);
    const product = await openChannels(street);
    const runs: { bare: Run[]; product: Run[] } = { bare: [], product: [] };
    const warmUps = [await drive(load, bare, WARM_UP_SECONDS), await drive(load, product, WARM_UP_SECONDS)];
    for (let round = 0; round < ROUNDS; round += 1) {
      runs.bare.push(await drive(load, bare, SECONDS));
      runs.product.push(await drive(load, product, SECONDS));
    }
    const sent = [warmUps[1], ...runs.product].reduce((sum, run) => sum + (run?.requests ?? 0), 0);
    return sectionOf(runs, await verify(street, { sent, runs: [...warmUps, ...runs.bare, ...runs.product] }));
  } finally {
    await load.stop();
    await bareServer.stop();
    await street.close();
  }
}

async function startBare(program: Program): Promise<Server> {
  const secret = 'a-secret-of-the-bench';
  const { url } = await program.ask('start', { secret }, z.object({ url: z.string() }));
  return { program, url, targets: [{ url, secret }] };
}

async function openChannels(street: Street): Promise<Server> {
  const tenantId = await street.tenant();
  const targets: { url: string; secret: string }[] = [];
  for (let index = 0; index < CHANNELS; index += 1) {
    const { url, secret } = await street.channel(tenantId, `canal-${index}`);
    targets.push({ url, secret });
  }
  return { program: street.service, url: targets[0]?.url ?? '', targets };
}

async function drive(load: Program, { program, url, targets }: Server, seconds: number): Promise<Run> {
  await load.ask('prepare', { targets, count: PREPARED_PER_SECOND * seconds }, z.unknown());
  const before = cpuSeconds(program.pid);
  const run = await load.ask('run', { url, connections: CONNECTIONS, seconds }, Drive);
  return { ...run, cpuMicroseconds: ((cpuSeconds(program.pid) - before) * 1_000_000) / run.requests };
}

async function verify(street: Street, done: { sent: number; runs: readonly Run[] }): Promise<string[]> {
  const { rows } = await street.db.query<{ events: string; messages: string; people: string }>(
    `select (select count(*) from inbound_event) as events, (select count(*) from message) as messages,
            (select count(distinct conversation_id) from message) as people`,
  );
  const stored = { events: Number(rows[0]?.events), messages: Number(rows[0]?.messages) };
  const refused = done.runs.reduce((sum, run) => sum + run.refused, 0);
  return [
    ...(refused === 0 ? [] : [`${refused} requests were not answered 2xx`]),
    ...(stored.events === done.sent && stored.messages === done.sent
      ? []
      : [`${done.sent} webhooks were sent, ${stored.events} events and ${stored.messages} messages are stored`]),
  ];
}

function sectionOf(runs: { bare: readonly Run[]; product: readonly Run[] }, problems: readonly string[]): Section {
  const [bare, product] = [summary(runs.bare), summary(runs.product)];
  const ratio = product.perSecond / bare.perSecond;
  const row = (name: string, it: Run, share: number): string[] => [
    name,
    it.perSecond.toFixed(0),
    share.toFixed(2),
    milliseconds(it.p50),
    milliseconds(it.p99),
    `${it.cpuMicroseconds.toFixed(0)} µs`,
    String(it.refused),
  ];
  return {
    title: `Intake, durable: ${CONNECTIONS} connections, medians of ${ROUNDS} interleaved rounds of ${SECONDS} s`,
    tables: [
      {
        head: ['server', 'webhooks/s', 'ratio', 'p50', 'p99', 'CPU each', 'not 2xx'],
        rows: [
          row('bare Express 5 + raw body + HMAC, nothing kept', bare, 1),
          row('the service: signature, shape, one commit on disk', product, ratio),
        ],
      },
    ],
    notes: [],
    findings: [
      {
        number: 'intake, durable, of the bare server',
        measured: `${ratio.toFixed(2)} (${product.perSecond.toFixed(0)}/s of ${bare.perSecond.toFixed(0)}/s)`,
        target: `≥ ${RATIO_MIN}`,
        isReached: ratio >= RATIO_MIN,
      },
      {
        number: `intake p99 at ${CONNECTIONS} connections`,
        measured: milliseconds(product.p99),
        target: `≤ ${P99_MAX_MS} ms`,
        isReached: product.p99 <= P99_MAX_MS,
      },
    ],
    problems,
  };
}

function summary(runs: readonly Run[]): Run {
  const middle = (of: (run: Run) => number): number => median(runs.map(of));
  return {
    requests: runs.reduce((sum, run) => sum + run.requests, 0),
    refused: runs.reduce((sum, run) => sum + run.refused, 0),
    perSecond: middle((run) => run.perSecond),
    p50: middle((run) => run.p50),
    p99: middle((run) => run.p99),
    cpuMicroseconds: middle((run) => run.cpuMicroseconds),
  };
}
