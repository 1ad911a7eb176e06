import type { Kysely } from 'kysely';
import type { Schema } from '../../src/vocabulary/schema.ts';

/**
 * Something that we said in a conversation once more, as a row of the outbox that the pace of the channel holds back until
 * tomorrow.
 *
 * @param messageId which; the conversation's only one unless told.
 * @returns the id of the row.
 */
export async function heldBackOnceMore(
  db: Kysely<Schema>,
  conversationId: string,
  messageId?: string,
): Promise<string> {
  const said = await db
    .selectFrom('outbox')
    .select(['message_id', 'tenant_id', 'channel_id', 'conversation_id', 'text_hash', 'epoch'])
    .where('conversation_id', '=', conversationId)
    .$if(messageId !== undefined, (rows) => rows.where('message_id', '=', messageId ?? ''))
    .executeTakeFirstOrThrow();
  const id = crypto.randomUUID();
  const times = { due_at: new Date(Date.now() + 86_400_000), deadline_at: new Date(Date.now() + 90_000_000) };
  await db
    .insertInto('outbox')
    .values({ ...said, ...times, id, turn_id: id, part: 1 })
    .execute();
  return id;
}

export async function outboxState(db: Kysely<Schema>, id: string): Promise<string> {
  return (await db.selectFrom('outbox').select('state').where('id', '=', id).executeTakeFirstOrThrow()).state;
}
