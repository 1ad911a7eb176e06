import { AsyncLocalStorage } from 'node:async_hooks';

/** What every log line written on behalf of one request, job or turn carries without being handed it. */
export interface WorkContext {
  readonly requestId?: string;
  readonly jobId?: string;
  readonly tenantId?: string;
  readonly channelId?: string;
  readonly conversationId?: string;
  /** The span in force, as the W3C writes it. A log line shows the trace's id of it. */
  readonly traceparent?: string;
}

const storage = new AsyncLocalStorage<WorkContext>();

/** Runs `work` with these fields added to the ones already in force. */
export function withContext<T>(fields: WorkContext, work: () => T): T {
  return storage.run({ ...storage.getStore(), ...fields }, work);
}

export function currentContext(): WorkContext {
  return storage.getStore() ?? {};
}
