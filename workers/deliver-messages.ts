import type { Worker } from 'bullmq';
import { createWorker } from '../src/platform/queue.ts';
import { HEARTBEAT_JOB, HeartbeatJob, JOBS } from '../src/vocabulary/jobs.ts';
import type { WorkerParts } from './take-turn.ts';

/** A conversation has something to send, or an echo to settle. */
export function deliverMessagesWorker({ work, connection, concurrency, log }: WorkerParts): Worker {
  return createWorker(
    'deliver-messages',
    {
      connection,
      concurrency,
      parse: (data) => JOBS['deliver-messages'].parse(data),
      run: ({ conversationId }) => work.deliver(conversationId),
      besides: { [HEARTBEAT_JOB]: (data) => work.heartbeat.passDelivery(HeartbeatJob.parse(data).beatAt) },
    },
    log,
  );
}
