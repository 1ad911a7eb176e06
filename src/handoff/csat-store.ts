import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { SEND_WITHIN_MS } from '../delivery/delivery.ts';
import { sha256 } from '../platform/crypto.ts';
import type { Logger } from '../platform/logger.ts';
import { filledIn } from '../tenants/tenants.ts';
import type { Tenant } from '../tenants/tenants.ts';
import { csatAsked } from '../vocabulary/events.ts';
import { ConversationId, MessageId, newId, OutboxId, TenantId } from '../vocabulary/ids.ts';
import { normalisedText } from '../vocabulary/message.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';

/** What asking needs from the rest of the system, and nothing more. */
export interface CsatNeeds {
  readonly db: Kysely<Schema>;
  readonly tenantOf: (id: TenantId) => Promise<Tenant>;
  /** Rings the delivery of this conversation. Never throws and never waits. */
  readonly ringDelivery: (id: ConversationId) => void;
  readonly log: Logger;
}

/** What was closed longer ago is not asked about any more: by then the customer thinks of something else. */
const ASKED_WITHIN_MINUTES = 15;
/** Who has not written for so long may not be written to. Source: WhatsApp Business, customer service window. */
const HEARD_WITHIN_HOURS = 24;
const QUESTIONS_PER_STEP = 50;
/** Who has just been asked is not asked again, however often the matter is closed. */
const ASKED_AGAIN_AFTER_HOURS = 24;

/**
 * Asks customers whose conversations have just been closed how the service was, where their tenant wants it. Looks for
 * closings instead of being told of them, so that it does not matter who closed, nor who died meanwhile.
 *
 * Safe to run again and by several processes at once: one question for each closing, by its key, at most one a day, and none
 * once the customer has written again. The question is of the epoch of the closing, so that it is not sent after somebody took over.
 *
 * @returns how many it has asked.
 */
export async function askForScores(needs: CsatNeeds): Promise<number> {
  const closed = await findClosed(needs.db);
  let asked = 0;
  for (const place of closed) {
    if (!(await askAt(needs, place))) continue;
    asked += 1;
    csatAsked(needs.log, { conversationId: place.id });
    needs.ringDelivery(place.id);
  }
  return asked;
}

/** What goes wrong with one customer keeps no other from being asked. */
async function askAt(needs: CsatNeeds, place: ClosedPlace): Promise<boolean> {
  try {
    const tenant = await needs.tenantOf(place.tenantId);
    return tenant.settings.csat.enabled && (await ask(needs.db, place, questionOf(tenant)));
  } catch (error) {
    needs.log.error({ err: error, conversationId: place.id }, 'A customer could not be asked how the service was');
    return false;
  }
}

/** The question in the tenant's words, or in ours. */
export function questionOf({ settings, name, locale }: Pick<Tenant, 'settings' | 'name' | 'locale'>): string {
  const own = settings.csat.question;
  if (own !== null) return filledIn(own, { company: name });
  return locale.toLowerCase().startsWith('en')
    ? `How was the service of ${name}? Answer with a number from 1 to 5, where 5 is great.`
    : `Como foi o atendimento de ${name}? Responda com uma nota de 1 a 5, em que 5 é ótimo.`;
}

const ClosedPlace = z.object({ id: ConversationId, tenantId: TenantId, epoch: z.int() });
type ClosedPlace = z.infer<typeof ClosedPlace>;

/** Closed a moment ago, heard from lately, nothing written since, not asked yet, and welcome to be written to. */
async function findClosed(db: Kysely<Schema>): Promise<readonly ClosedPlace[]> {
  const { rows } = await sql`
    select c.id, c.tenant_id as "tenantId", c.epoch from conversation c join tenant t on t.id = c.tenant_id
     where c.owner = 'nobody' and c.owner_since > now() - ${ASKED_WITHIN_MINUTES} * interval '1 minute'
       and t.settings -> 'csat' ->> 'enabled' = 'true'
       and ${isUntouched}
       and exists (select from message m where m.tenant_id = c.tenant_id and m.conversation_id = c.id and m.author = 'customer'
                      and m.said_at > now() - ${HEARD_WITHIN_HOURS} * interval '1 hour')
       and coalesce((select e.kind from consent_event e where e.tenant_id = c.tenant_id and e.contact_id = c.contact_id
                      order by e.seq desc limit 1), 'opt-in') = 'opt-in'
     order by c.owner_since limit ${QUESTIONS_PER_STEP}`.execute(db);
  return z.array(ClosedPlace).parse(rows);
}

/** Nothing was written since the closing, and the customer `c` was not asked lately. */
const isUntouched = sql`not exists (select from message m where m.tenant_id = c.tenant_id and m.conversation_id = c.id
                      and m.author = 'customer' and (m.settled_at is null or m.received_at > c.owner_since))
       and not exists (select from csat_survey s where s.tenant_id = c.tenant_id and s.conversation_id = c.id
                          and s.asked_at > now() - ${ASKED_AGAIN_AFTER_HOURS} * interval '1 hour')`;

/**
 * One statement, that does nothing once the conversation has moved, the customer has written or somebody else has asked.
 * What is written while it runs it cannot see; such a question is taken back by the turn's commit or by the delivery.
 */
async function ask(db: Kysely<Schema>, place: ClosedPlace, text: string): Promise<boolean> {
  const [messageId, outboxId] = [newId(MessageId), newId(OutboxId)];
  const { rows } = await sql`
    with held as (
      select id, tenant_id, channel_id, epoch from conversation c
       where id = ${place.id} and epoch = ${place.epoch} and owner = 'nobody'
         and ${isUntouched}
         for no key update skip locked
    ), survey as (
      insert into csat_survey (id, tenant_id, conversation_id, epoch, question_id)
      select gen_random_uuid(), tenant_id, id, epoch, ${messageId} from held
      on conflict (conversation_id, epoch) do nothing
      returning id
    ), said as (
      insert into message (id, tenant_id, conversation_id, author, kind, text, said_at)
      select ${messageId}, held.tenant_id, held.id, 'bot', 'text', ${text}, clock_timestamp() from held, survey
    ), queued as (
      insert into outbox (id, tenant_id, channel_id, conversation_id, message_id, turn_id, part, text_hash, epoch, deadline_at,
                          calls_person)
      select ${outboxId}, held.tenant_id, held.channel_id, held.id, ${messageId}, survey.id, 1, ${sha256(normalisedText(text))},
             held.epoch, now() + ${SEND_WITHIN_MS} * interval '1 millisecond', false
        from held, survey
    )
    select id from survey`.execute(db);
  return rows.length > 0;
}

/** How the service was rated in a span of time. */
export interface CsatSummary {
  readonly asked: number;
  readonly count: number;
  /** Undefined while nobody has answered. */
  readonly mean: number | undefined;
  /** How many gave each score, from 1 to 5. */
  readonly distribution: readonly { readonly score: number; readonly count: number }[];
}

const SummaryRow = z.object({ asked: z.int(), counts: z.array(z.int()).length(5) });

/** Of the questions that were asked from `from` until before `to`. */
export async function csatSummary(
  tx: Tx,
  tenantId: TenantId,
  { from, to }: { from?: Date | undefined; to?: Date | undefined },
): Promise<CsatSummary> {
  const { rows } = await sql`
    select count(*)::int as asked,
           array[${sql.join([1, 2, 3, 4, 5].map((score) => sql`(count(*) filter (where score = ${score}))::int`))}] as counts
      from csat_survey
     where tenant_id = ${tenantId} and asked_at >= ${from ?? null}::timestamptz is not false
       and asked_at < ${to ?? null}::timestamptz is not false`.execute(tx);
  const { asked, counts } = SummaryRow.parse(rows[0]);
  const distribution = counts.map((count, index) => ({ score: index + 1, count }));
  const count = counts.reduce((sum, it) => sum + it, 0);
  const points = distribution.reduce((sum, it) => sum + it.score * it.count, 0);
  return { asked, count, mean: count === 0 ? undefined : Math.round((points / count) * 100) / 100, distribution };
}
