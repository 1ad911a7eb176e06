import type { Worker } from 'bullmq';
import { createWorker } from '../src/platform/queue.ts';
import { JOBS } from '../src/vocabulary/jobs.ts';
import type { WorkerParts } from './take-turn.ts';

/** Documents are indexed a few at a time, so that an import does not take the database from the customers. */
const AT_ONCE = 2;

/** A document is new or has changed: cut it into passages. */
export function indexDocumentWorker({ work, connection, log }: WorkerParts): Worker {
  return createWorker(
    'index-document',
    {
      connection,
      concurrency: AT_ONCE,
      parse: (data) => JOBS['index-document'].parse(data),
      run: ({ documentId }) => work.indexDocument(documentId),
    },
    log,
  );
}
