import { z } from 'zod';
import { REHEARSED_WAYS } from '../../conversation/rehearse-turn.ts';
import { ConversationId, DocumentId, MessageId } from '../../vocabulary/ids.ts';
import { NOTHING, TenantParams, text } from './fields.ts';
import { operation, TENANT_AGENT } from './operation.ts';

/** As long as a text of WhatsApp may be. */
const TEXT_CHARACTERS_MAX = 65_536;
const HISTORY_MAX = 60;

const Found = z.array(z.object({ documentId: DocumentId, title: z.string(), score: z.number() }));

const Rehearsal = z.strictObject({
  text: text(TEXT_CHARACTERS_MAX),
  history: z
    .array(z.strictObject({ author: z.enum(['customer', 'bot', 'human']), text: text(TEXT_CHARACTERS_MAX) }))
    .max(HISTORY_MAX)
    .default([])
    .describe('What was said before, oldest first.'),
  channel: z
    .enum(REHEARSED_WAYS)
    .default('text')
    .describe('By which way the words reach the bot: typed, or as a part of something else.'),
});

export const dryRun = operation({
  id: 'dryRun',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/assistant/dry-run',
  summary: 'What a turn would do about these words. Nothing is sent, nothing is stored.',
  description:
    'The same rules, knowledge, prompt and models as a turn of a customer who has been greeted already. Takes as long as the models do, 15 s at most; with none the answer is what would be said without one.',
  access: TENANT_AGENT,
  params: TenantParams,
  query: NOTHING,
  body: Rehearsal,
  status: 200,
  answer: z.object({
    found: Found,
    draft: z
      .object({ reply: z.string(), confidence: z.number(), wantsHuman: z.boolean(), model: z.string() })
      .nullable()
      .describe('What the model proposed; null where none was asked or none answered.'),
    reply: z.string().nullable().describe('What would be said, bubbles apart by an empty line; null: nothing.'),
    claims: z
      .array(z.object({ type: z.string(), text: z.string(), supported: z.boolean() }))
      .describe('Always empty: replies are not yet checked claim by claim.'),
    verdict: z.enum(['reply', 'ask', 'hand-over']),
    wantsHuman: z.boolean().describe('A wish for a person or a threat, by rule or by the model.'),
    injection: z.boolean().describe('Always false: attempts to instruct the bot are fenced off, not yet recognised.'),
    reasons: z
      .array(z.string())
      .describe(
        'Why it is not an ordinary reply, the deciding one first: a reason of a handoff, `unsure`, `unreadable`.',
      ),
    rule: z.string().nullable().describe('Of the tenant’s `handoffRules` the one that fits.'),
    destination: z.string().nullable().describe('Where the handoff would go, by the tenant’s name for it.'),
    priority: z.string().nullable(),
  }),
  failures: [],
});

export const suggestReply = operation({
  id: 'suggestReply',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/conversations/{conversationId}/suggestions',
  summary: 'A draft for the person who has this conversation. It is never sent by us.',
  description:
    'Answers what the customer has said since a person last answered. `confidence` and `model` are null where no model answered in time: then it is what the bot would quote or ask without one.',
  access: TENANT_AGENT,
  params: TenantParams.extend({ conversationId: ConversationId }),
  query: NOTHING,
  body: NOTHING,
  status: 200,
  answer: z.object({
    kind: z.literal('suggestion'),
    text: z.string(),
    confidence: z.number().nullable(),
    model: z.string().nullable(),
    answers: z.array(MessageId).describe('The messages of the customer that it answers.'),
    found: Found,
  }),
  failures: ['NO_PERSON_OWNS', 'NOTHING_TO_ANSWER'],
});
