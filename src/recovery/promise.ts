import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { z } from 'zod';
import { ConversationId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';

/**
 * How long nobody may look after a customer. Whoever was rung comes at once, the sweeper within three seconds, and what a
 * dead process held is free after five: what still lies there after this is stranded.
 */
export const STRANDED_AFTER_MS = 30_000;
/** One round looks at no more than this, the longest wait first. */
const FOUND_MAX = 100;

/** What the ordinary way may take. */
export interface OrdinaryWay {
  /** The age of the oldest unanswered bubble at which nobody waits for the rest of a burst any longer. */
  readonly coalesceMaxMs: number;
  /** From then to the end of the last lease that the ordinary way needs. */
  readonly answeredWithinMs: number;
}

/** A customer for whom the ordinary way has not done what it promises. */
export interface Violation {
  readonly conversationId: ConversationId;
  /** The decision about what the customer wrote, or the way of our answer to the customer. */
  readonly stuck: 'turn' | 'delivery';
  /** Since it was the bot's turn to do something. */
  readonly waitedMs: number;
  /** Since nobody has looked after it; undefined while somebody holds it, who may do it yet. */
  readonly strandedMs: number | undefined;
  readonly isPersons: boolean;
}

/**
 * The promise, asked of the database: who waits for the bot longer than its ordinary way can explain.
 *
 * A customer whose lease somebody holds is in good hands until `answeredWithinMs`. One whose turn was put off on purpose is
 * no violation before that is over. Both parts read indexes that hold only what is open.
 */
export async function findViolations(db: Kysely<Schema>, ordinary: OrdinaryWay): Promise<readonly Violation[]> {
  const { rows } = await violations(ordinary).execute(db);
  return rows.map((row) => ViolationRow.parse(row));
}

/** The question by itself, so that its plan can be looked at. */
export function violations({ coalesceMaxMs, answeredWithinMs }: OrdinaryWay): RawBuilder<unknown> {
  return sql`
    (select 'turn' as stuck, c.id as "conversationId", false as "isPersons",
            ${millisecondsSince(sql`greatest(w.since, c.owner_since)`)} as "waitedMs",
            case when c.lease_until > clock_timestamp() then null
                 else ${millisecondsSince(sql`greatest(w.since, c.owner_since, c.lease_until)`)} end as "strandedMs"
       from (select conversation_id, ${sinceDue(coalesceMaxMs)} as since from message
              where author = 'customer' and settled_at is null group by conversation_id) w
       join conversation c on c.id = w.conversation_id
      where c.owner <> 'human'
        and case when c.lease_until > clock_timestamp()
                 then c.lease_owner is not null and greatest(w.since, c.owner_since) <= ${ago(answeredWithinMs)}
                 else greatest(w.since, c.owner_since, c.lease_until) <= ${ago(STRANDED_AFTER_MS)} end
      order by w.since limit ${FOUND_MAX})
    union all
    (select 'delivery', c.id, c.owner = 'human', ${millisecondsSince(sql`o.due_at`)}, ${millisecondsSince(sql`o.due_at`)}
       from outbox o join conversation c on c.id = o.conversation_id
      where o.state in ('pending', 'sending', 'unknown') and o.due_at <= ${ago(STRANDED_AFTER_MS)} and o.calls_person
        and not exists (select from outbox e where e.conversation_id = o.conversation_id and e.calls_person
                           and e.state in ('pending', 'sending', 'unknown') and e.seq < o.seq)
      order by o.due_at limit ${FOUND_MAX})`;
}

const ViolationRow = z.object({
  conversationId: ConversationId,
  stuck: z.enum(['turn', 'delivery']),
  waitedMs: z.number(),
  strandedMs: z
    .number()
    .nullable()
    .transform((ms) => ms ?? undefined),
  isPersons: z.boolean(),
});

/** When a burst was over. What a person has brought back was said long ago, and counts from then on. */
function sinceDue(coalesceMaxMs: number): RawBuilder<unknown> {
  return sql`greatest(min(answer_after), least(max(answer_after), min(received_at) + ${coalesceMaxMs} * interval '1 millisecond'))`;
}

function millisecondsSince(time: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(extract(epoch from clock_timestamp() - ${time}) * 1000)::float8`;
}

function ago(ms: number): RawBuilder<unknown> {
  return sql`clock_timestamp() - ${ms} * interval '1 millisecond'`;
}
