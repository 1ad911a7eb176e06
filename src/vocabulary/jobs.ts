import { z } from 'zod';
import { ConversationId, DocumentId } from './ids.ts';

/** Which request led to a job, and which span made it: only for those who want to know how it came about. */
const origin = { requestId: z.string().optional(), traceparent: z.string().optional() };

/**
 * Every queue, by the name of its job. A job carries ids and nothing else: what it is about is read from PostgreSQL
 * when it runs, so a job that is lost, late or doubled does no harm.
 */
export const JOBS = {
  /** Look at the conversation's mailbox. */
  'take-turn': z.object({ conversationId: ConversationId, ...origin }),
  /** Send what waits in the conversation's outbox. */
  'deliver-messages': z.object({ conversationId: ConversationId, ...origin }),
  /** Cut a document into passages. */
  'index-document': z.object({ documentId: DocumentId, ...origin }),
} as const;

export type JobName = keyof typeof JOBS;
export type JobData<Name extends JobName> = z.infer<(typeof JOBS)[Name]>;

export const JOB_NAMES = Object.keys(JOBS) as readonly JobName[];

/** What the queues of turns and deliveries carry besides: a heartbeat, known by when it was made. */
export const HEARTBEAT_JOB = 'heartbeat';
export const HeartbeatJob = z.object({ beatAt: z.iso.datetime() });
