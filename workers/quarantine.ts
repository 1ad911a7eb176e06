import { composeQuarantine } from '../src/compose-quarantine.ts';
import { loadConfigOrExit, WorkerEnvironment } from '../src/config.ts';
import { GrowthTeller } from '../src/platform/forked-metrics.ts';
import { startObservation } from '../src/platform/observation.ts';
import { runUntilSignal } from '../src/platform/process.ts';
import { SuspectOrder } from '../src/recovery/suspect-process.ts';
import type { SuspectReport } from '../src/recovery/suspect-process.ts';

/**
 * Takes suspects for the worker that started it. If one of them kills it, nothing but other suspects was in it.
 *
 * It ends with that worker: a line that is cut makes it give back what it has.
 */
/** So much of what was counted may be lost with a process that dies. */
const TELL_MS = 1_000;

const growth = new GrowthTeller();
const config = loadConfigOrExit(WorkerEnvironment);
const { log, close: lastWords } = await startObservation(config.observation, 'quarantine');

await runUntilSignal(
  log,
  async () => {
    const { turns, health, closing } = await composeQuarantine(config, log);
    // The worker bounds how many there are.
    const underWay = new Set<Promise<void>>();
    const take = async ({ take: id, manner, company }: SuspectOrder): Promise<void> => {
      const outcome = await turns.takeAside(id, { manner, company });
      await tellGrowth();
      report({ taken: id, outcome });
    };
    const telling = setInterval(() => {
      if (underWay.size > 0) void tellGrowth();
    }, TELL_MS).unref();
    process.on('message', (message) => {
      const taking = take(SuspectOrder.parse(message)).finally(() => underWay.delete(taking));
      underWay.add(taking);
    });
    closing.keep('turn', turns, async () => {
      turns.hurry();
      await Promise.all(underWay);
      clearInterval(telling);
    });
    health.started();
    report({ isReady: true });
    return { health, closing };
  },
  lastWords,
);

/** Never rejects: a turn is more than its figures. */
async function tellGrowth(): Promise<void> {
  try {
    const grown = await growth.next();
    if (grown.length > 0) report({ grown });
  } catch (error) {
    log.warn({ err: error }, 'What suspects cost could not be told');
  }
}

function report(it: SuspectReport): void {
  // Who cannot be told has died, and the end of the line ends us as well.
  if (process.connected) process.send?.(it, undefined, undefined, () => undefined);
}
