import { sql } from 'kysely';
import { z } from 'zod';
import { Failure } from '../vocabulary/failures.ts';
import { ChannelId, ContactId, MessageId } from '../vocabulary/ids.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import { MESSAGE_KINDS } from '../vocabulary/message.ts';
import type { Tx } from '../vocabulary/schema.ts';
import type { RememberedMessage, Turn } from './conversation.ts';
import { unleasedTurn } from './unleased-turn.ts';

/** What is read back of the episode. More would not fit into the context. */
const MESSAGES_READ = 60;
/** Of what the customer said last without an answer. */
const ANSWERED_AT_ONCE = 10;

export interface Suggesting {
  /** What the customer said last, as a turn would see it. Under no lease: nothing can be committed with it. */
  readonly turn: Turn;
  /** What went before it, oldest first. */
  readonly past: readonly RememberedMessage[];
}

const Row = z.object({
  id: MessageId,
  author: z.enum(['customer', 'bot', 'human']),
  kind: z.enum(MESSAGE_KINDS),
  text: z.string().nullable(),
  quoted_text: z.string().nullable(),
  said_at: z.date(),
  received_at: z.date(),
});

/**
 * What the customer of a conversation that a person owns said last, since somebody last answered.
 *
 * @throws {Failure} NOT_FOUND; NO_PERSON_OWNS when the bot answers by itself; NOTHING_TO_ANSWER when nobody waits for words.
 */
export async function readForSuggestion(tx: Tx, tenantId: TenantId, id: ConversationId): Promise<Suggesting> {
  const row = await tx
    .selectFrom('conversation')
    .select(['channel_id', 'contact_id', 'owner', 'epoch', 'episode_started_at'])
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { conversationId: id });
  if (row.owner !== 'human') throw new Failure('NO_PERSON_OWNS', { conversationId: id });
  const said = await tx
    .selectFrom('message')
    .select(['id', 'author', 'kind', 'text', 'quoted_text', 'said_at', 'received_at'])
    .where('tenant_id', '=', tenantId)
    .where('conversation_id', '=', id)
    .where('received_at', '>=', row.episode_started_at)
    .where('deleted_at', 'is', null)
    .orderBy('seq', 'desc')
    .limit(MESSAGES_READ)
    .execute();
  const messages = said.reverse().map((it) => Row.parse(it));
  // The bot's sentence that a person was called is no answer: what was asked before it still waits.
  const from = messages.findLastIndex(({ author }) => author === 'human') + 1;
  const asked = messages
    .slice(from)
    .filter(({ author }) => author === 'customer')
    .slice(-ANSWERED_AT_ONCE);
  if (!asked.some(({ text }) => (text ?? '').trim() !== ''))
    throw new Failure('NOTHING_TO_ANSWER', { conversationId: id });
  const askedIds = new Set(asked.map((it) => it.id));
  return {
    turn: unleasedTurn({
      conversationId: id,
      tenantId,
      channelId: ChannelId.parse(row.channel_id),
      contactId: ContactId.parse(row.contact_id),
      owner: 'human',
      epoch: row.epoch,
      messages: asked.map((it) => ({
        id: it.id,
        kind: it.kind,
        text: it.text ?? undefined,
        quotedText: it.quoted_text ?? undefined,
        saidAt: it.said_at,
        receivedAt: it.received_at,
        requestId: undefined,
      })),
      episodeStartedAt: row.episode_started_at,
      now: row.now,
    }),
    past: messages
      .filter(({ id: messageId }) => !askedIds.has(messageId))
      .map(({ author, kind, text, said_at }) => ({ author, kind, text: text ?? undefined, saidAt: said_at })),
  };
}
