import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Schema } from '../vocabulary/schema.ts';
import type { Turn } from './conversation.ts';
import { MESSAGES_LOOKED_AT } from './loop-breaker.ts';
import type { SaidMessage } from './loop-breaker.ts';

const SaidRow = z.object({ author: z.enum(['customer', 'bot']), text: z.string(), at: z.date() });

/**
 * What was said since the bot has had the conversation, oldest first, with what waits for an answer now.
 *
 * It begins anew with each episode and each time that a person gives the conversation back: whoever was muted for a
 * machine's messages is not muted again for the same ones. Ours counts from when it was sent, so what has not left yet is
 * missing: nobody can have answered it.
 */
export async function readSaidLately(db: Kysely<Schema>, turn: Turn): Promise<readonly SaidMessage[]> {
  const { rows } = await sql`
    select * from (
      select m.author, coalesce(m.text, '') as text, m.seq,
             case m.author when 'bot' then o.sent_at else m.received_at end as at
        from conversation c
        join message m on m.tenant_id = c.tenant_id and m.conversation_id = c.id
        left join outbox o on o.message_id = m.id and m.author = 'bot'
       where c.id = ${turn.conversationId} and c.tenant_id = ${turn.tenantId} and m.deleted_at is null
         and m.received_at >= greatest(c.episode_started_at, c.owner_since)
         and (m.author = 'customer' or (m.author = 'bot' and o.sent_at is not null))
       order by m.seq desc limit ${MESSAGES_LOOKED_AT}) lately
     order by at, seq`.execute(db);
  return rows.map((row) => SaidRow.parse(row));
}
