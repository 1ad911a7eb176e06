import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { Program } from '../../bench/program.ts';
import { monotonicMs, pause } from '../../src/platform/time.ts';
import { checkHistory } from './check-history.ts';
import type { Verdict } from './check-history.ts';
import type { Fault, FaultKind } from './fault-schedule.ts';
import type { Disturbance, History, Received, Takeover } from './history.ts';
import { injectAll } from './inject.ts';
import type { Injected } from './inject.ts';
import type { Load, PlannedTakeover } from './load.ts';
import { measure } from './measure.ts';
import type { Measured } from './measure.ts';
import { CHANNELS } from './pipeline.ts';
import type { Pipeline, PipelineParts } from './pipeline.ts';
import { Sender } from './sender.ts';
import type { Sent } from './sender.ts';
import { Servers } from './servers.ts';

/** How long the product may take to settle everything once nobody writes any more. */
export const QUIET_WITHIN_MS = 120_000;
/** What looks quiet may be a moment between two steps. */
const QUIET_FOR_MS = 2_000;
const LOOK_EVERY_MS = 250;
/** A wish for a person is never answered by the model; who waits for that waits no longer. */
const ANSWERING_WITHIN_MS = 4_000;

export const WORKERS = 3;

export interface Plan {
  readonly load: Load;
  readonly faults: readonly Fault[];
  readonly quietWithinMs: number;
}

export interface Run {
  readonly verdict: Verdict;
  readonly measured: Measured;
  readonly sent: Sent;
  readonly faults: readonly Injected[];
  readonly takeovers: number;
  readonly conversations: number;
  /** Whether everything came to rest, and how long that took after the last post. */
  readonly isQuiet: boolean;
  readonly quietAfterMs: number;
  /** Processes that died of nothing that was done to them. */
  readonly ownDeaths: readonly string[];
  /** Starts that came to nothing, because the database was away, and were repeated. */
  readonly failedStarts: number;
  /** How long the product's processes took to start, the first time and after each death. */
  readonly startsMs: readonly number[];
  /** Where the logs and the history are, when somebody has to look at them. */
  readonly folder: string | undefined;
}

const Drafts = z.array(
  z.object({
    worker: z.string(),
    questionIds: z.array(z.string()),
    beganAt: z.number(),
    endedAt: z.number().optional(),
  }),
);
const Heard = z.array(z.object({ channel: z.string(), phone: z.string(), text: z.string(), at: z.number() }));

/** Sends the load through a pipeline while the faults happen, and holds what came of it against the promise. */
export async function runPipeline(
  start: (parts: PipelineParts) => Promise<Pipeline>,
  plan: Plan,
  { keepsFolder = false, isExpectedToFail = false }: { keepsFolder?: boolean; isExpectedToFail?: boolean } = {},
): Promise<Run> {
  const servers = await Servers.start();
  const standIns = new Program({
    name: 'stand-ins',
    file: 'test/chaos/stand-ins.ts',
    logs: servers.folder,
    takesCommands: true,
  });
  let pipeline: Pipeline | undefined;
  let isClean = isExpectedToFail;
  const close = async (): Promise<void> => {
    await pipeline?.close();
    await standIns.stop();
    await servers.close({ keepsFolder: !isClean || keepsFolder });
  };
  const interrupted = (): void => {
    isClean = true;
    void close().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  try {
    pipeline = await start({ servers, standIns, workers: WORKERS });
    const run = await put({ servers, standIns, pipeline }, plan);
    isClean ||= run.verdict.violations.length === 0 && run.isQuiet && run.ownDeaths.length === 0;
    return { ...run, folder: isClean && !keepsFolder ? undefined : servers.folder };
  } finally {
    process.removeListener('SIGINT', interrupted);
    await close();
  }
}

interface Stage {
  readonly servers: Servers;
  readonly standIns: Program;
  readonly pipeline: Pipeline;
}

async function put(stage: Stage, { load, faults: planned, quietWithinMs }: Plan): Promise<Omit<Run, 'folder'>> {
  const { pipeline, standIns, servers } = stage;
  const sender = new Sender(load, pipeline.mailboxes, (questionId) =>
    standIns.ask('untilAnswering', { questionId, withinMs: ANSWERING_WITHIN_MS }, z.boolean()),
  );
  const onDropped = sender.writesOn.bind(sender);
  const [faults, takeovers] = await Promise.all([
    injectAll({ ...stage, onDropped }, planned),
    takeOverAll(pipeline, load.takeovers),
    sender.run(),
  ]);
  const sent = await sender.finish();
  const endedAt = monotonicMs();
  const isQuiet = await untilQuiet(pipeline, quietWithinMs);
  const quietAfterMs = Math.round(monotonicMs() - endedAt);
  const received: readonly Received[] = await standIns.ask('received', {}, Heard);
  const drafts = (await standIns.ask('drafts', {}, Drafts)).map(({ endedAt, ...draft }) => ({ ...draft, endedAt }));
  const { questions } = sent;
  const told = await pipeline.tell(received);
  const disturbances = disturbancesOf(faults, pipeline);
  const lives = pipeline.workers.flatMap((worker) => worker.lives());
  const history: History = { ...told, channels: CHANNELS, questions, received, takeovers, drafts, disturbances, lives };
  const processes = [pipeline.service, ...pipeline.workers];
  const account = { history, faults, sent };
  fs.writeFileSync(path.join(servers.folder, 'history.json'), JSON.stringify(account));
  return {
    verdict: checkHistory(history),
    measured: measure(history, faults),
    sent,
    faults,
    takeovers: takeovers.length,
    conversations: history.conversations.length,
    isQuiet,
    quietAfterMs,
    ownDeaths: processes.flatMap((it) => it.ownDeaths.map((death) => `${it.name}: ${death}`)),
    startsMs: processes.flatMap((it) => it.startsMs()),
    failedStarts: processes.reduce((total, it) => total + it.failedStarts, 0),
  };
}

/** What the faults did to whom. */
function disturbancesOf(faults: readonly Injected[], { workers }: Pipeline): readonly Disturbance[] {
  const during = (kinds: readonly FaultKind[], what: Disturbance['what']): readonly Disturbance[] =>
    faults
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ victim, beganAt, endedAt }) => ({
        what,
        worker: workers[victim ?? -1]?.name,
        from: beganAt,
        to: endedAt,
      }));
  return [
    ...during(['worker-killed'], 'worker-killed'),
    ...during(['worker-frozen'], 'worker-frozen'),
    ...during(['postgres-frozen', 'postgres-restarted'], 'database-away'),
  ];
}

async function takeOverAll(pipeline: Pipeline, planned: readonly PlannedTakeover[]): Promise<readonly Takeover[]> {
  const startedAt = monotonicMs();
  const taken = await Promise.all(
    planned.map(async ({ atMs, questionId }) => {
      await pause(startedAt + atMs - monotonicMs());
      return await pipeline.takeOver(questionId);
    }),
  );
  return taken.filter((takeover) => takeover !== undefined);
}

/** @returns false when it did not come to rest in time: what is open then is lost, and the check says so. */
async function untilQuiet(pipeline: Pipeline, withinMs: number): Promise<boolean> {
  const giveUpAt = monotonicMs() + withinMs;
  let quietSince: number | undefined;
  while (monotonicMs() < giveUpAt) {
    quietSince = (await pipeline.isQuiet()) ? (quietSince ?? monotonicMs()) : undefined;
    if (quietSince !== undefined && monotonicMs() - quietSince >= QUIET_FOR_MS) return true;
    await pause(LOOK_EVERY_MS);
  }
  return false;
}
