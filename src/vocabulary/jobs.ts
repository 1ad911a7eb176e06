import { z } from 'zod';
import { ConversationId, DocumentId } from './ids.ts';

/**
 * Every queue, by the name of its job. A job carries ids and nothing else: what it is about is read from PostgreSQL
 * when it runs, so a job that is lost, late or doubled does no harm.
 */
export const JOBS = {
  /** Look at the conversation's mailbox. */
  'take-turn': z.object({ conversationId: ConversationId, requestId: z.string().optional() }),
  /** Send what waits in the conversation's outbox. */
  'deliver-messages': z.object({ conversationId: ConversationId, requestId: z.string().optional() }),
  /** Cut a document into passages. */
  'index-document': z.object({ documentId: DocumentId, requestId: z.string().optional() }),
} as const;

export type JobName = keyof typeof JOBS;
export type JobData<Name extends JobName> = z.infer<(typeof JOBS)[Name]>;

export const JOB_NAMES = Object.keys(JOBS) as readonly JobName[];
