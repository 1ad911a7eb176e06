import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';

/*
 * The door of `handoff`: what happens when a person should answer.
 *
 * This domain owns the tables notification_target and notification, and sla_watch, sla_clock and sla_step. Its invariants:
 * whatever a tenant's people are to be told is noted in the transaction in which it came true, once for each target and key,
 * and stays noted until it is told, moot or given up with a dead letter; a step of a clock is taken once, in the transaction
 * that notes it.
 */

/**
 * Tells a tenant's people of a handoff that has just begun to wait: a statement, or a part of one that has a row of
 * `handoff` under the name `called`. Whoever makes a handoff says it in the same transaction, so that none is waited in
 * that nobody was told of.
 */
export const tellOfCalled: RawBuilder<unknown> = sql`
  insert into notification (id, tenant_id, target_id, kind, subject_id, conversation_id, handoff_id, key, payload)
  select gen_random_uuid(), t.tenant_id, t.id, 'handoff', called.id, called.conversation_id, called.id,
         'handoff:' || called.id, jsonb_build_object('reason', called.reason, 'priority', called.priority)
    from called join notification_target t on t.tenant_id = called.tenant_id
   where not t.is_paused and 'handoff' = any(t.wants)
  on conflict (target_id, key) do nothing`;

export { businessCalendarOf, isOpenAt, nextOpening, openMsBetween } from './business-calendar.ts';
export type { BusinessCalendar } from './business-calendar.ts';
export { isClosingThanks } from './closing-thanks.ts';
export { readCsatAnswer } from './csat-answer.ts';
export type { CsatAnswer } from './csat-answer.ts';

/** How long a customer's answer to the question about the service counts as one. */
export const CSAT_ANSWERED_WITHIN_HOURS = 24;
