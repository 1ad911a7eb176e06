import { z } from 'zod';
import { ConversationId, DeadLetterId } from '../../vocabulary/ids.ts';
import { instant, NO_BODY, NOTHING, page, PageQuery, TenantParams, text } from './fields.ts';
import { operation, TENANT_ADMIN, TENANT_AGENT, TENANT_VIEWER } from './operation.ts';

const DeadLetterParams = TenantParams.extend({ deadLetterId: DeadLetterId });
const Stage = z.enum(['intake', 'turn', 'delivery', 'knowledge', 'notification', 'handoff']);
const State = z.enum(['open', 'replayed', 'discarded', 'resolved']);
const Filter = { stage: Stage.optional(), reason: text(200).optional() };

export interface DeadLetterFilter {
  readonly stage?: z.infer<typeof Stage> | undefined;
  readonly state?: z.infer<typeof State> | undefined;
  readonly reason?: string | undefined;
}

export const DeadLetter = z.object({
  id: DeadLetterId,
  stage: Stage.describe('Where the work gave up.'),
  subjectId: z
    .uuid()
    .describe('The event, conversation, outgoing message, document or notification that it was about.'),
  conversationId: ConversationId.nullable(),
  reason: z.string(),
  state: State,
  history: z.unknown(),
  createdAt: instant,
  settledAt: instant.nullable(),
  settledBy: z.string().nullable(),
});

export type DeadLetter = z.infer<typeof DeadLetter>;

export const listDeadLetters = operation({
  id: 'listDeadLetters',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/dead-letters',
  summary: 'Work that gave up, newest first.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: PageQuery.extend({ ...Filter, state: State.optional() }),
  body: NO_BODY,
  status: 200,
  answer: page(DeadLetter),
  failures: ['CURSOR_NOT_VALID'],
});

export const replayDeadLetters = operation({
  id: 'replayDeadLetters',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/dead-letters/replay',
  summary: 'Try all open ones again that fit, oldest first.',
  description: 'At most 100 at a time. Call again while `hasMore` is true.',
  access: TENANT_AGENT,
  params: TenantParams,
  query: NOTHING,
  body: z.strictObject(Filter),
  status: 200,
  answer: z.object({ replayed: z.int(), hasMore: z.boolean() }),
  failures: [],
});

export const replayDeadLetter = operation({
  id: 'replayDeadLetter',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/dead-letters/{deadLetterId}/replay',
  summary: 'Try the work again.',
  access: TENANT_AGENT,
  params: DeadLetterParams,
  query: NOTHING,
  body: NOTHING,
  status: 200,
  answer: z.object({ id: DeadLetterId, state: z.literal('replayed') }),
  failures: ['ALREADY_SETTLED'],
});

export const discardDeadLetter = operation({
  id: 'discardDeadLetter',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/dead-letters/{deadLetterId}/discard',
  summary: 'Let the work be.',
  access: TENANT_ADMIN,
  params: DeadLetterParams,
  query: NOTHING,
  body: NOTHING,
  status: 200,
  answer: z.object({ id: DeadLetterId, state: z.literal('discarded') }),
  failures: ['ALREADY_SETTLED'],
});
