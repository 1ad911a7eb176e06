import { z } from 'zod';
import { OWNERS } from '../../conversation/ownership.ts';
import { RETURN_GOALS, TRANSFER_STATES } from '../../handoff/transfer.ts';
import { ChannelId, ContactId, ConversationId, MessageId, TurnId } from '../../vocabulary/ids.ts';
import { MESSAGE_KINDS } from '../../vocabulary/message.ts';
import { SLA_KINDS, SLA_STATES } from '../../vocabulary/sla.ts';
import { instant, NO_BODY, NOTHING, page, PageQuery, TenantParams } from './fields.ts';
import { operation, TENANT_AGENT, TENANT_VIEWER } from './operation.ts';

const ConversationParams = TenantParams.extend({ conversationId: ConversationId });

export const Conversation = z.object({
  id: ConversationId,
  channelId: ChannelId,
  contactId: ContactId,
  contactName: z.string().nullable(),
  contactTags: z.array(z.string()),
  owner: z.enum(OWNERS),
  ownerReason: z.string().nullable(),
  ownerSince: instant,
  epoch: z.int().describe('Grows with every change of owner; send it as `expectedEpoch`.'),
  handoff: z.enum(['waiting', 'taken']).nullable().describe('Whether a person is called, or is there.'),
  transfer: z
    .object({
      state: z.enum(TRANSFER_STATES),
      reason: z.string().nullable().describe('Why it is not there, e.g. `unknown-queue`, `no-login`, `not-moved`.'),
      attempts: z.int(),
      note: z
        .enum(['writing', 'written', 'not-possible', 'failed'])
        .nullable()
        .describe('What became of the note for the person; it is tried as often as the transfer.'),
    })
    .nullable()
    .describe("Of an open handoff: how far its ticket is on the way to people in the gateway's own panel."),
  ticketReturn: z
    .object({
      goal: z.enum(RETURN_GOALS),
      state: z.enum(TRANSFER_STATES),
      reason: z.string().nullable().describe('Why it is not there, e.g. `no-bot-queue`, `no-login`, `not-moved`.'),
      attempts: z.int(),
    })
    .nullable()
    .describe("Of a conversation that was given back or closed here: how far the gateway's ticket has followed."),
  sla: z
    .array(z.object({ kind: z.enum(SLA_KINDS), dueAt: instant.nullable(), state: z.enum(SLA_STATES) }))
    .describe('The clocks that run for the customer, the most urgent first; due at null: not in sight.'),
  waitingSince: instant.nullable().describe('Since when the customer waits for an answer or for a person.'),
  lastMessageAt: instant.nullable(),
  createdAt: instant,
});

export type Conversation = z.infer<typeof Conversation>;

export const ConversationQuery = PageQuery.extend({
  state: z
    .enum([...OWNERS, 'waiting'])
    .optional()
    .describe('Only those with this owner; `waiting`: those for which a person was called and none has come.'),
});

export type ConversationQuery = z.output<typeof ConversationQuery>;

const Settled = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('reply'), messageId: MessageId }),
  z.object({ kind: z.literal('human') }),
  z.object({ kind: z.literal('recorded'), reason: z.string() }),
]);

export const Message = z.object({
  id: MessageId,
  author: z.enum(['customer', 'bot', 'human']),
  kind: z.enum(MESSAGE_KINDS),
  text: z.string().nullable(),
  at: instant,
  delivery: z
    .enum(['pending', 'sending', 'unknown', 'sent', 'delivered', 'read', 'failed', 'dropped'])
    .optional()
    .describe('Of a message of the bot: how far it got.'),
  deliveryFailure: z.string().optional().describe('Why it got no further.'),
  settled: Settled.nullable().optional().describe('Of a message of the customer: what it ended in; null while open.'),
});
export type Message = z.infer<typeof Message>;

const Turn = z.object({
  id: TurnId,
  outcome: z.string(),
  ownerEpoch: z.int(),
  startedAt: instant,
  finishedAt: instant,
  trace: z
    .unknown()
    .describe(
      'What was read, found, asked, answered and guarded; milliseconds a step; in `draft.usage` the tokens and, where the price of the model is known, `costUsd`.',
    ),
});

const OwnerChange = z.strictObject({
  expectedEpoch: z.int32().nonnegative().optional().describe('The epoch that was seen. Absent: whatever it is now.'),
});

const OwnerChanged = z.object({ owner: z.enum(OWNERS), epoch: z.int(), ownerSince: instant });

export const listConversations = operation({
  id: 'listConversations',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/conversations',
  summary: 'The conversations of a tenant, newest first.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: ConversationQuery,
  body: NO_BODY,
  status: 200,
  answer: page(Conversation),
  failures: ['CURSOR_NOT_VALID'],
});

export const listMessages = operation({
  id: 'listMessages',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/messages',
  summary: 'What was said, oldest first.',
  access: TENANT_VIEWER,
  params: ConversationParams,
  query: PageQuery,
  body: NO_BODY,
  status: 200,
  answer: page(Message),
  failures: ['CURSOR_NOT_VALID'],
});

export const listTurns = operation({
  id: 'listTurns',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/turns',
  summary: 'How the bot decided, newest first.',
  access: TENANT_VIEWER,
  params: ConversationParams,
  query: PageQuery,
  body: NO_BODY,
  status: 200,
  answer: page(Turn),
  failures: ['CURSOR_NOT_VALID'],
});

export const takeOver = operation({
  id: 'takeOver',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/takeover',
  summary: 'A person answers from now on; the bot says nothing more.',
  description:
    'Waits up to five seconds for a message that is being sent. One that is still under way then is named as `stillSending`: it may yet reach the customer.',
  access: TENANT_AGENT,
  params: ConversationParams,
  query: NOTHING,
  body: OwnerChange,
  status: 200,
  answer: OwnerChanged.extend({ stillSending: MessageId.optional() }),
  failures: ['EPOCH_MOVED'],
});

export const returnToBot = operation({
  id: 'returnToBot',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/return',
  summary: 'The bot answers from now on.',
  description:
    "The gateway's ticket goes back to the bot's queue, a moment later; `ticketReturn` of the conversation says how far it is.",
  access: TENANT_AGENT,
  params: ConversationParams,
  query: NOTHING,
  body: OwnerChange,
  status: 200,
  answer: OwnerChanged,
  failures: ['EPOCH_MOVED'],
});

export const closeConversation = operation({
  id: 'closeConversation',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/close',
  summary: 'The matter is over; the next message of the customer begins a new episode.',
  description: "The gateway's ticket is closed, a moment later; `ticketReturn` of the conversation says how far it is.",
  access: TENANT_AGENT,
  params: ConversationParams,
  query: NOTHING,
  body: OwnerChange,
  status: 200,
  answer: OwnerChanged,
  failures: ['EPOCH_MOVED'],
});
