import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { Courtesies, CsatGiven, Decision, Turn } from './conversation.ts';

/*
 * What a turn's commit notes beside its words, as parts of its one statement: they happen with it or not at all.
 */

/**
 * Columns of the conversation, after others.
 *
 * An opt-out raises the epoch, so that no word that was decided before it leaves after it.
 */
export function courtesyColumns({ kind, courtesies = {} }: Decision): RawBuilder<unknown> {
  const introduced = courtesies.introduces === true ? sql`, introduced_at = now()` : sql``;
  const away = courtesies.saysAway === true ? sql`, away_said_at = now()` : sql``;
  const epoch =
    isOptOut(courtesies) && kind !== 'hand-over' && kind !== 'leave-to-human' ? sql`, epoch = epoch + 1` : sql``;
  return sql`${introduced}${away}${epoch}`;
}

/**
 * Whether the contact still wishes what the turn has read. It reads its mailbox while it waits for the lease, and an opt-out
 * on another channel may be committed in between.
 */
export function isConsentAsRead({ tenantId, contactId, courtesy }: Turn): RawBuilder<unknown> {
  return sql`${courtesy.isOptedOut} = coalesce((select e.kind = 'opt-out' from consent_event e
            where e.tenant_id = ${tenantId} and e.contact_id = ${contactId} order by e.seq desc limit 1), false)`;
}

/** Further steps, each of which does nothing unless the conversation was `held`. */
export function courtesySteps(turn: Turn, { courtesies = {} }: Decision): RawBuilder<unknown> {
  const { consent, csat } = courtesies;
  const agreed =
    consent === undefined
      ? sql``
      : sql`, agreed as (
        insert into consent_event (id, tenant_id, contact_id, kind, source, message_id)
        select gen_random_uuid(), held.tenant_id, ${turn.contactId}, ${consent.kind}, 'message', ${consent.messageId} from held
        on conflict (message_id) where message_id is not null do nothing
      )`;
  return sql`${agreed}${turn.owner === 'nobody' ? QUESTION_WITHDRAWN : sql``}${isOptOut(courtesies) ? silenceElsewhere(turn) : sql``}${csat === undefined ? sql`` : rated(csat)}`;
}

/** A question how the service was that has not left comes too late: the customer has written again. */
const QUESTION_WITHDRAWN = sql`, withdrawn as (
        update outbox o set state = 'dropped', failure = 'customer-wrote' from held, csat_survey s
         where s.tenant_id = held.tenant_id and s.conversation_id = held.id and o.message_id = s.question_id
           and o.state = 'pending' and not o.calls_person
      )`;

/**
 * The first step of a commit: who opts out locks all conversations of the contact, in one order, because two opt-outs on
 * two channels at once would wait for each other otherwise.
 */
export function contactLock({ tenantId, contactId }: Turn, { courtesies = {} }: Decision): RawBuilder<unknown> {
  if (!isOptOut(courtesies)) return sql``;
  return sql`locked as materialized (
      select id from conversation where tenant_id = ${tenantId} and contact_id = ${contactId} order by id for no key update
    ), `;
}

/** Whether the lock is held. Asked first, so that it is taken before the conversation itself. */
export function isContactLocked({ courtesies = {} }: Decision): RawBuilder<unknown> {
  return isOptOut(courtesies) ? sql` and (select count(*) from locked) > 0` : sql``;
}

/** The contact's other channels fall silent with this one: what was decided there is of an older epoch now. */
function silenceElsewhere(turn: Turn): RawBuilder<unknown> {
  return sql`, silenced as (
        update conversation other set epoch = other.epoch + 1 from held
         where other.tenant_id = held.tenant_id and other.contact_id = ${turn.contactId} and other.id <> held.id
           and other.owner <> 'human'
      )`;
}

function rated({ surveyId, score, messageId, hasComment }: CsatGiven): RawBuilder<unknown> {
  return sql`, rated as (
        update csat_survey set score = ${score}, answer_id = ${messageId}, has_comment = ${hasComment}, answered_at = now()
          from held where csat_survey.id = ${surveyId} and csat_survey.score is null
      )`;
}

function isOptOut({ consent }: Courtesies): boolean {
  return consent?.kind === 'opt-out';
}
