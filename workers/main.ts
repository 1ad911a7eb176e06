import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { composeWork } from '../src/compose-work.ts';
import { loadConfigOrExit, WorkerEnvironment } from '../src/config.ts';
import { listen } from '../src/platform/http-server.ts';
import { collectProcessMetrics } from '../src/platform/metrics.ts';
import { startObservation } from '../src/platform/observation.ts';
import { runUntilSignal } from '../src/platform/process.ts';
import { closeWorkers } from '../src/platform/queue.ts';
import { createBlockingRedis } from '../src/platform/redis.ts';
import { JOB_NAMES } from '../src/vocabulary/jobs.ts';
import type { JobName } from '../src/vocabulary/jobs.ts';
import { deliverMessagesWorker } from './deliver-messages.ts';
import { indexDocumentWorker } from './index-document.ts';
import { takeTurnWorker } from './take-turn.ts';

/** A worker process: `npm run work [-- queue...]`; without names it serves every queue. */
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !JOB_NAMES.some((known) => known === name));
if (unknown.length > 0) {
  process.stderr.write(`There is no queue ${unknown.join(', ')}. The queues are: ${JOB_NAMES.join(', ')}\n`);
  process.exit(64);
}
const queues: readonly JobName[] = wanted.length === 0 ? JOB_NAMES : JOB_NAMES.filter((name) => wanted.includes(name));

const WORKERS = {
  'take-turn': takeTurnWorker,
  'deliver-messages': deliverMessagesWorker,
  'index-document': indexDocumentWorker,
};

/** One turn and its models: 67 MB of its own [measured], half of a worker. Of two flags of a kind the last one counts. */
const QUARANTINE_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=96'];
const startQuarantine = () =>
  fork(fileURLToPath(new URL('./quarantine.ts', import.meta.url)), [], {
    execArgv: [...process.execArgv, ...QUARANTINE_FLAGS],
  });

const config = loadConfigOrExit(WorkerEnvironment);
const { log, close: lastWords } = await startObservation(config.observation, 'worker');
collectProcessMetrics(config.observation.build);

await runUntilSignal(
  log,
  async () => {
    const work = await composeWork(config, log, startQuarantine);
    const { health, closing } = work;
    const connection = closing.keep('blocking redis', createBlockingRedis(config.redisUrl, log), (it) => {
      it.disconnect();
    });
    const workers = queues.map((name) => WORKERS[name]({ work, connection, concurrency: config.concurrency, log }));
    closing.keep('workers', workers, async (all) => {
      work.hurry();
      await closeWorkers(all, connection);
    });
    work.sweeper.start();
    work.watchdog.start();
    const app = express();
    app.disable('x-powered-by');
    app.use(health.routes());
    const server = await listen(app, { host: config.host, port: config.port });
    closing.keep('http server', server, (it) => it.close());
    health.started();
    log.info(
      { event: 'worker.started', port: server.port, queues },
      `The worker serves its health on port ${server.port}`,
    );
    return { health, closing };
  },
  lastWords,
);
