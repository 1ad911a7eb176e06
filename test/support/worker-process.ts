import { NodeProcess } from './node-process.ts';

/** A worker as production runs it: `node workers/main.ts`, which may be frozen and killed at any moment. */
export type WorkerProcess = NodeProcess;

export const WorkerProcess = {
  /** @throws what it wrote, when it ends instead of starting. */
  start: async (environment: Readonly<Record<string, string>>): Promise<WorkerProcess> =>
    await NodeProcess.start({ file: 'workers/main.ts', startedEvent: 'worker.started', environment }),
};
