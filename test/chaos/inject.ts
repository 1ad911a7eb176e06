import { z } from 'zod';
import type { Program } from '../../bench/program.ts';
import { monotonicMs, pause, systemClock } from '../../src/platform/time.ts';
import type { Fault, FaultKind } from './fault-schedule.ts';
import type { KeptProcess } from './kept-process.ts';
import type { Pipeline } from './pipeline.ts';
import type { Servers } from './servers.ts';

/** What a fault may touch: only what the run itself has started. */
export interface Targets {
  readonly servers: Servers;
  readonly pipeline: Pick<Pipeline, 'service' | 'workers'>;
  readonly standIns: Program;
  /** The answers to what these people were sent got lost. */
  readonly onDropped: (people: readonly Person[]) => void;
}

const People = z.array(z.object({ channel: z.string(), phone: z.string() }));
export type Person = z.infer<typeof People>[number];

/** A fault that happened. Times since 1970. */
export interface Injected {
  readonly kind: FaultKind;
  readonly victim: number | undefined;
  readonly beganAt: number;
  readonly endedAt: number;
}

/** Lines that the gateway drops after taking the message, of each tenant's gateway. */
const DROPPED_LINES = 6;

/** Does everything on the schedule at its time, and tells when each began and ended. */
export async function injectAll(targets: Targets, faults: readonly Fault[]): Promise<readonly Injected[]> {
  const startedAt = monotonicMs();
  return await Promise.all(
    faults.map(async (fault) => {
      await pause(startedAt + fault.atMs - monotonicMs());
      const beganAt = systemClock.now().getTime();
      await inject(targets, fault);
      return { kind: fault.kind, victim: fault.victim, beganAt, endedAt: systemClock.now().getTime() };
    }),
  );
}

async function inject(targets: Targets, { kind, victim, forMs, endsWhenReplaced }: Fault): Promise<void> {
  const { servers, pipeline, standIns } = targets;
  const worker = pipeline.workers[victim ?? -1];
  const breakModel = (mode: string): Promise<unknown> => standIns.ask('breakModel', { mode }, z.unknown());
  switch (kind) {
    case 'worker-killed':
      worker?.kill();
      return;
    case 'worker-frozen':
      if (worker !== undefined) await freeze(standIns, worker, { forMs, endsWhenReplaced });
      return;
    case 'service-killed':
      pipeline.service.kill();
      return;
    case 'redis-flushed':
      await servers.flushRedis();
      return;
    case 'redis-killed':
      await servers.killRedis();
      await pause(forMs);
      servers.startRedis();
      return;
    case 'redis-frozen':
      servers.freezeRedis();
      await pause(forMs);
      servers.thawRedis();
      return;
    case 'postgres-restarted':
      await servers.restartPostgres();
      return;
    case 'postgres-frozen':
      servers.freezePostgres();
      await pause(forMs);
      servers.thawPostgres();
      return;
    case 'gateway-drops-the-line':
      await standIns.ask('breakGateways', { times: DROPPED_LINES }, z.unknown());
      await pause(forMs);
      targets.onDropped(await standIns.ask('breakGateways', { times: 0 }, People));
      return;
    case 'model-throttles':
      await breakModel('429');
      await pause(forMs);
      await breakModel('none');
      return;
    case 'model-overloaded':
      await breakModel('503');
      await pause(forMs);
      await breakModel('none');
      return;
    case 'model-hangs':
      await breakModel('hang');
      await pause(forMs);
      await breakModel('none');
      return;
  }
}

/** Who decides nothing for so long is frozen while it does nothing. */
const DECIDES_WITHIN_MS = 3_000;

/** Freezes a worker while it decides something, until the fault is over or another worker decides the same. */
async function freeze(
  standIns: Program,
  worker: KeptProcess,
  { forMs, endsWhenReplaced }: Pick<Fault, 'forMs' | 'endsWhenReplaced'>,
): Promise<void> {
  const endsAt = monotonicMs() + forMs;
  const wait = { worker: worker.name, withinMs: DECIDES_WITHIN_MS };
  await standIns.ask('untilAsked', wait, z.boolean());
  worker.freeze();
  const withinMs = endsAt - monotonicMs();
  if (endsWhenReplaced) await standIns.ask('untilReplaced', { ...wait, withinMs }, z.boolean());
  else await pause(withinMs);
  worker.thaw();
}
