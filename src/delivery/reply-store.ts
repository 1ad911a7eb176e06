import { sql } from 'kysely';
import type { Tx } from '../vocabulary/schema.ts';
import { SEND_WITHIN_MS } from './delivery.ts';
import { historyEntry } from './outbox-history.ts';

/** What the customer's messages end in whose reply was ended: a person, or whoever has answered or will. */
type SettleAs = 'human' | 'by-owner';

/**
 * Ends a reply of which a part cannot be said: this part and those after it are not sent, and unless the customer has
 * already had a part of it, the messages that it answered are not answered any more.
 *
 * `by-owner` is for when nobody was called: they are a person's if one has the conversation now, and else end in the recorded
 * reason. A person who is not there owns nothing.
 *
 * @returns false when the part was settled before; nothing is changed then.
 */
export async function endReply(
  tx: Tx,
  row: { id: string; turnId: string },
  end: { state: 'failed' | 'dropped'; failure: string; settleAs: SettleAs },
): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update outbox set state = ${end.state}, failure = ${end.failure}, ${historyEntry(end.state, end.failure)}
     where id = ${row.id} and state in ('pending', 'sending', 'unknown')`.execute(tx);
  if (numAffectedRows === 0n) return false;
  await sql`update outbox set state = 'dropped', failure = 'earlier-part-failed'
     where turn_id = ${row.turnId} and state = 'pending'`.execute(tx);
  const isHuman = end.settleAs === 'human' ? sql`true` : sql`c.owner = 'human'`;
  await sql`
    update message m set settled_kind = case when ${isHuman} then 'human' else 'recorded' end,
           settled_reason = ${end.failure}, settled_by_message_id = null
      from conversation c
     where m.settled_kind = 'reply' and m.settled_turn_id = ${row.turnId} and c.id = m.conversation_id
       and c.id = (select conversation_id from outbox where id = ${row.id})
       and not exists (select from outbox where turn_id = ${row.turnId} and state in ('sent', 'delivered', 'read', 'unknown', 'sending'))`.execute(
    tx,
  );
  return true;
}

/**
 * A dead part goes out again, with the parts that ended with it, in the conversation's present epoch: a person has decided
 * that it is still worth saying.
 *
 * Its attempts are counted on: whoever made one before and wakes up late must not take this one for it.
 *
 * @returns false when there is no such dead part.
 */
export async function reviveReply(tx: Tx, outboxId: string): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    with dead as (select turn_id, part from outbox where id = ${outboxId} and state in ('failed', 'dropped'))
    update outbox o set state = 'pending', resends = 0, paced_at = null, due_at = clock_timestamp(), epoch = c.epoch,
           deadline_at = clock_timestamp() + ${SEND_WITHIN_MS} * interval '1 millisecond', failure = null,
           ${historyEntry('replayed', 'by a person')}
      from dead, conversation c
     where c.id = o.conversation_id and o.turn_id = dead.turn_id and o.part >= dead.part
       and (o.id = ${outboxId} or o.failure = 'earlier-part-failed')`.execute(tx);
  return numAffectedRows > 0n;
}
