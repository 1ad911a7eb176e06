import { z } from 'zod';
import { ConversationId, MessageId } from '../../vocabulary/ids.ts';
import { givenInstant, instant, NO_BODY, NOTHING, TenantParams } from './fields.ts';
import { operation, TENANT_VIEWER } from './operation.ts';

const Span = z
  .strictObject({
    from: givenInstant.optional().describe('Asked then or later.'),
    to: givenInstant.optional().describe('Asked before then.'),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from < to, {
    path: ['to'],
    error: 'must be after from',
  });

export const getCsat = operation({
  id: 'getCsat',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/csat',
  summary: 'How customers have rated the service.',
  description:
    'One question is asked when a conversation is closed, where the setting `csat` wants it. Scores are from 1 to 5; `count` of them were given, to `asked` questions.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: Span,
  body: NO_BODY,
  status: 200,
  answer: z.object({
    asked: z.int(),
    count: z.int(),
    mean: z.number().nullable().describe('Null while nobody has answered.'),
    distribution: z.array(z.object({ score: z.int(), count: z.int() })),
  }),
  failures: [],
});

export const getConsent = operation({
  id: 'getConsent',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/consent',
  summary: 'Whether the contact wants to hear from the bot, and since when.',
  description:
    'Holds for the contact on every channel of the tenant. `events` are the newest hundred, newest first, and are never changed.',
  access: TENANT_VIEWER,
  params: TenantParams.extend({ conversationId: ConversationId }),
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: z.object({
    optedOut: z.boolean().describe('The bot is silent; people may write.'),
    events: z.array(
      z.object({
        kind: z.enum(['opt-out', 'opt-in']),
        source: z.enum(['message', 'person']),
        messageId: MessageId.nullable(),
        at: instant,
      }),
    ),
  }),
  failures: [],
});
