import { openBase } from './composition.ts';
import { openTurns } from './compose-turns.ts';
import type { Turns } from './compose-turns.ts';
import type { WorkerConfig } from './config.ts';
import type { Health } from './platform/health.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';

/** For a few turns at a time, which mostly wait for the model. */
const QUARANTINE_POOL = { name: 'quarantine', connectionsMax: 3, queryTimeoutMs: 4_000, acquireTimeoutMs: 3_000 };

export interface QuarantineWork {
  readonly turns: Turns;
  readonly health: Health;
  readonly closing: Lifecycle;
}

/** A process that takes suspects: all that a turn needs, and nothing that would be in the way of its death. */
export async function composeQuarantine(config: WorkerConfig, log: Logger): Promise<QuarantineWork> {
  const opening = { config, closing: new Lifecycle(log), log };
  const base = await openBase(opening, QUARANTINE_POOL);
  // What is said is delivered by the worker that started us, as soon as it hears of it.
  const turns = openTurns(config, { opening, base, ringDelivery: () => undefined });
  return { turns, health: base.health, closing: opening.closing };
}
