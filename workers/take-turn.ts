import type { Worker } from 'bullmq';
import type { Work } from '../src/compose-work.ts';
import type { Logger } from '../src/platform/logger.ts';
import { createWorker } from '../src/platform/queue.ts';
import type { RedisConnection } from '../src/platform/redis.ts';
import { HEARTBEAT_JOB, HeartbeatJob, JOBS } from '../src/vocabulary/jobs.ts';

/** What every worker file gets. */
export interface WorkerParts {
  readonly work: Work;
  readonly connection: RedisConnection;
  readonly concurrency: number;
  readonly log: Logger;
}

/** A conversation was rung: look at its mailbox. */
export function takeTurnWorker({ work, connection, concurrency, log }: WorkerParts): Worker {
  return createWorker(
    'take-turn',
    {
      connection,
      concurrency,
      parse: (data) => JOBS['take-turn'].parse(data),
      run: ({ conversationId }) => work.takeTurn(conversationId),
      besides: { [HEARTBEAT_JOB]: (data) => work.heartbeat.passTurn(HeartbeatJob.parse(data).beatAt) },
    },
    log,
  );
}
