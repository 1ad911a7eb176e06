import { flushCompileCache } from 'node:module';
import { constants } from 'node:os';
import type { Health } from './health.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';

/** What a process that has started hands to the one who will end it. */
export interface Running {
  readonly health: Health;
  readonly closing: Lifecycle;
  /** Serves on while others learn that this process leaves. Never rejects. */
  readonly drain?: (ms: number) => Promise<void>;
}

/** How long a load balancer may take to notice: two looks at `/readyz` that are two seconds apart. */
const DRAIN_MS = 4_000;

/** After this the process ends even if something does not close: the platform would kill it anyway. */
const END_WITHIN_MS = 25_000;
/** What was observed of a failure may take this long to get out of a process that can do nothing else any more. */
const LAST_WORDS_MS = 1_500;

/**
 * Starts a process and ends it in order on SIGTERM or SIGINT: first it asks to be left out, then it finishes, then it
 * closes. A start that fails, and a bug that nobody caught, end it with code 1 and a line that says why.
 *
 * @param lastWords sends what was observed of this process, for so many milliseconds at most, when all else has closed.
 */
export async function runUntilSignal(
  log: Logger,
  start: () => Promise<Running>,
  lastWords?: (withinMs: number) => Promise<void>,
): Promise<void> {
  let hasFailed = false;
  const fail = (error: unknown): void => {
    if (hasFailed) return;
    hasFailed = true;
    log.fatal({ err: error }, 'The process cannot go on');
    if (lastWords === undefined) process.exit(1);
    void lastWords(LAST_WORDS_MS).finally(() => process.exit(1));
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  // Started by a supervisor that has died: nobody would ever end us.
  process.on('disconnect', () => process.kill(process.pid, 'SIGINT'));

  const { health, closing, drain } = await start().catch((error: unknown) => {
    fail(error);
    return new Promise<never>(() => undefined);
  });
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) return;
    isEnding = true;
    log.info({ event: 'process.ending', signal }, 'The process ends');
    health.draining();
    setTimeout(() => process.exit(128 + constants.signals[signal]), END_WITHIN_MS).unref();
    // SIGTERM is a platform that routes to us; SIGINT is somebody at a terminal, who would only wait.
    const drained = signal === 'SIGTERM' ? drain?.(DRAIN_MS) : undefined;
    void Promise.resolve(drained)
      .then(() => closing.close())
      .then(() => lastWords?.(LAST_WORDS_MS))
      .then(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  // Otherwise it is written at an orderly end only, and those that are killed again and again would compile again and again.
  flushCompileCache();
}
