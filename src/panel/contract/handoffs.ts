import { z } from 'zod';
import { Packet } from '../../handoff/packet.ts';
import { HANDOFF_PRIORITIES } from '../../vocabulary/events.ts';
import { ContactId, ConversationId } from '../../vocabulary/ids.ts';
import { Conversation } from './conversations.ts';
import { instant, NO_BODY, NOTHING, TenantParams, text } from './fields.ts';
import { operation, TENANT_AGENT, TENANT_VIEWER } from './operation.ts';

const TAGS_MAX = 20;

export const Handoff = z.object({
  id: z.uuid(),
  conversationId: ConversationId,
  state: z.enum(['waiting', 'taken']),
  reason: z.string(),
  rule: z.string().nullable().describe('Of the tenant’s `handoffRules` the one that fitted.'),
  destination: z.string().nullable().describe('Where the tenant wants it, by its own name for that.'),
  priority: z.enum(HANDOFF_PRIORITIES),
  requestedAt: instant,
  takenAt: instant.nullable(),
  sla: Conversation.shape.sla,
  packet: Packet.describe('What the person should know. Every sentence names the messages that it rests on.'),
  packetText: z.string().describe('The packet as plain text of at most 1,500 characters.'),
});

export type Handoff = z.infer<typeof Handoff>;

export const getHandoff = operation({
  id: 'getHandoff',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/handoff',
  summary: 'The open handoff of a conversation, with what the person should know.',
  description: 'The packet is written by rule at once, and by a model when one is up and nobody has come yet.',
  access: TENANT_VIEWER,
  params: TenantParams.extend({ conversationId: ConversationId }),
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: Handoff,
  failures: [],
});

const Contact = z.object({ id: ContactId, tags: z.array(z.string()) });

export const changeContact = operation({
  id: 'changeContact',
  method: 'patch',
  path: '/api/v1/tenants/{tenantId}/contacts/{contactId}',
  summary: 'Put tags on a contact; they replace the ones before.',
  description: 'A contact with one of the tenant’s `vipTags` is a VIP from its next message on.',
  access: TENANT_AGENT,
  params: TenantParams.extend({ contactId: ContactId }),
  query: NOTHING,
  body: z.strictObject({ tags: z.array(text(40)).max(TAGS_MAX) }),
  status: 200,
  answer: Contact,
  failures: [],
});
