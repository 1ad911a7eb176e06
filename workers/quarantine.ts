import { composeQuarantine } from '../src/compose-quarantine.ts';
import { loadConfigOrExit, WorkerEnvironment } from '../src/config.ts';
import { startObservation } from '../src/platform/observation.ts';
import { runUntilSignal } from '../src/platform/process.ts';
import { SuspectOrder } from '../src/recovery/suspect-process.ts';
import type { SuspectReport } from '../src/recovery/suspect-process.ts';

/**
 * Takes suspects for the worker that started it. If one of them kills it, nothing but other suspects was in it.
 *
 * It ends with that worker: a line that is cut makes it give back what it has.
 */
const config = loadConfigOrExit(WorkerEnvironment);
const { log, close: lastWords } = await startObservation(config.observation, 'quarantine');

await runUntilSignal(
  log,
  async () => {
    const { turns, health, closing } = await composeQuarantine(config, log);
    // The worker bounds how many there are.
    const underWay = new Set<Promise<void>>();
    const take = async ({ take: id, manner, company }: SuspectOrder): Promise<void> => {
      report({ taken: id, outcome: await turns.takeAside(id, { manner, company }) });
    };
    process.on('message', (message) => {
      const taking = take(SuspectOrder.parse(message)).finally(() => underWay.delete(taking));
      underWay.add(taking);
    });
    closing.keep('turn', turns, async () => {
      turns.hurry();
      await Promise.all(underWay);
    });
    health.started();
    report({ isReady: true });
    return { health, closing };
  },
  lastWords,
);

function report(it: SuspectReport): void {
  // Who cannot be told has died, and the end of the line ends us as well.
  if (process.connected) process.send?.(it, undefined, undefined, () => undefined);
}
