import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { z } from 'zod';
import { ConversationId, TenantId } from '../vocabulary/ids.ts';
import { NOTIFICATION_KINDS, TARGET_KINDS } from '../vocabulary/notification.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { QuietHours } from './notification-target.ts';
import { Payload } from './notification-text.ts';

/** Longer than any attempt lasts. A row whose worker died is due again after it. */
const CLAIM_MS = 60_000;
/** Of one target in one round, so that a target with a thousand rows leaves room to one with a single one. */
const PER_TARGET_MAX = 4;
/** Rows that are looked at to find those. */
const LOOKED_AT_MAX = 500;
const ALARMS_MAX = 100;
const PURGED_MAX = 1_000;
const KEPT_DAYS = 30;

const Claimed = z.object({
  id: z.string(),
  tenant_id: TenantId,
  target_id: z.string(),
  kind: z.enum(NOTIFICATION_KINDS),
  action: z.enum(['tell', 'resolve']),
  subject_id: z.string(),
  conversation_id: ConversationId.nullable(),
  handoff_id: z.string().nullable(),
  key: z.string(),
  payload: Payload,
  attempts: z.int(),
  waiting_since: z.date(),
  created_at: z.date(),
  now: z.date(),
  target_kind: z.enum(TARGET_KINDS),
  sealed_address: z.instanceof(Buffer),
  quiet_hours: QuietHours.nullable(),
  urgent_passes: z.boolean(),
  include_excerpt: z.boolean(),
  ticket_id: z.string().nullable(),
  is_moot: z.boolean(),
});
/** A row that is this process's to tell for a while, with what it takes to tell it. */
export type ClaimedNotification = z.infer<typeof Claimed> & { readonly claimId: string };

/** Whether a notification `n` is about a handoff `h` that nobody need be told of any more, or whose alarm may stop. */
const isOver = sql`coalesce(
  case when n.kind = 'handoff' or n.payload->>'clock' = 'first-response' then h.state <> 'waiting'
       else h.state in ('returned', 'closed') end, false)`;

/**
 * Takes rows that are due, the oldest first, for {@link CLAIM_MS}: nobody else takes them meanwhile. Each take counts as an
 * attempt before it is made, so that a row that kills its worker is given up one day.
 *
 * An alarm counts as ringing from its first attempt on: of an attempt without an answer nobody knows whether it does.
 */
export async function claimDue(db: Kysely<Schema>, max: number): Promise<readonly ClaimedNotification[]> {
  const claimId = randomUUID();
  const { rows } = await sql`
    with due as (
      select id, due_at, row_number() over (partition by target_id order by due_at, created_at) as place
        from (select id, target_id, due_at, created_at from notification
               where state = 'pending' and due_at <= clock_timestamp() order by due_at limit ${LOOKED_AT_MAX}) oldest
    ), free as (
      select n.id from notification n
       where n.id in (select id from due where place <= ${PER_TARGET_MAX} order by due_at limit ${max})
         and n.state = 'pending' and n.due_at <= clock_timestamp()
      for no key update skip locked
    ), claimed as (
      update notification n set claim_id = ${claimId}, attempts = n.attempts + 1, due_at = clock_timestamp() + ${ms(CLAIM_MS)},
             is_alarm_open = n.action = 'tell' and n.handoff_id is not null and t.kind = 'pagerduty'
        from free, notification_target t where n.id = free.id and t.id = n.target_id
      returning n.*, t.kind as target_kind, t.sealed_address, t.quiet_hours, t.urgent_passes, t.include_excerpt
    )
    select n.*, clock_timestamp() as now, c.gateway_ticket_id as ticket_id, n.action = 'tell' and ${isOver} as is_moot
      from claimed n
      left join handoff h on h.id = n.handoff_id and h.tenant_id = n.tenant_id
      left join conversation c on c.id = n.conversation_id and c.tenant_id = n.tenant_id
     order by n.created_at`.execute(db);
  return rows.map((row) => ({ ...Claimed.parse(row), claimId }));
}

/** Which attempt is settled. Whoever lost its claim settles nothing. */
export type Claim = Pick<ClaimedNotification, 'id' | 'claimId'>;

export async function markSent(db: Kysely<Schema>, claim: Claim): Promise<void> {
  await settle(db, claim, sql`state = 'sent', settled_at = clock_timestamp(), failure = null`);
}

/** Nobody need be told any more. */
export async function markMoot(db: Kysely<Schema>, claim: Claim): Promise<void> {
  await settle(db, claim, sql`state = 'moot', settled_at = clock_timestamp(), ${notTried}`);
}

/** It may not be said before then, and nothing was tried: nobody has waited in vain. */
export async function holdUntil(db: Kysely<Schema>, claim: Claim, until: Date): Promise<void> {
  await settle(db, claim, sql`due_at = ${until}, waiting_since = ${until}, ${notTried}`);
}

/** Nothing was tried, because the other side is being left alone. */
export async function putOff(db: Kysely<Schema>, claim: Claim, waitMs: number): Promise<void> {
  await settle(db, claim, sql`due_at = clock_timestamp() + ${ms(waitMs)}, ${notTried}`);
}

/** It was tried, and will be again. */
export async function tryAgainIn(
  db: Kysely<Schema>,
  claim: Claim,
  { waitMs, failure }: { readonly waitMs: number; readonly failure: string },
): Promise<void> {
  await settle(db, claim, sql`due_at = clock_timestamp() + ${ms(waitMs)}, failure = ${failure}`);
}

/** The other side wants to be left alone: that holds for everything that is for it. */
export async function holdBackTarget(db: Kysely<Schema>, targetId: string, waitMs: number): Promise<void> {
  await sql`update notification set due_at = greatest(due_at, clock_timestamp() + ${ms(waitMs)})
     where target_id = ${targetId} and state = 'pending' and claim_id is null`.execute(db);
}

/** @returns false when the claim was lost: then somebody else decides. */
export async function markFailed(tx: Tx, claim: Claim, failure: string): Promise<boolean> {
  return await settle(tx, claim, sql`state = 'failed', settled_at = clock_timestamp(), failure = ${failure}`);
}

/** The take is not counted, and an alarm that it would have begun is not ringing. Reads the row as it was before. */
const notTried = sql`attempts = attempts - 1, is_alarm_open = is_alarm_open and attempts > 1`;

async function settle(db: Kysely<Schema> | Tx, claim: Claim, change: RawBuilder<unknown>): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update notification set claim_id = null, ${change}
     where id = ${claim.id} and claim_id = ${claim.claimId} and state = 'pending'`.execute(db);
  return numAffectedRows > 0n;
}

/**
 * Ends alarms whose handoff was taken, given back or closed, by whatever way: for each it queues the notice that ends it.
 * Only one that can ring no more is ended, so that the end never comes before the beginning.
 *
 * A target that somebody is deleting is passed over: its deletion locks the target first and its notifications then.
 *
 * Safe to repeat, and by several workers at once.
 *
 * @returns how many it ended.
 */
export async function endAlarms(db: Kysely<Schema>): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    with over as (
      select n.id from notification n join handoff h on h.id = n.handoff_id and h.tenant_id = n.tenant_id
        join notification_target t on t.id = n.target_id
       where n.is_alarm_open and n.state <> 'pending' and ${isOver}
       limit ${ALARMS_MAX} for no key update of n skip locked for key share of t skip locked
    ), ended as (
      update notification n set is_alarm_open = false from over where n.id = over.id returning n.*
    )
    insert into notification (id, tenant_id, target_id, kind, action, subject_id, conversation_id, handoff_id, key, payload)
    select gen_random_uuid(), tenant_id, target_id, kind, 'resolve', subject_id, conversation_id, handoff_id,
           'resolve:' || left(key, 190), payload || jsonb_build_object('alarm', key)
      from ended
    on conflict (target_id, key) do nothing`.execute(db);
  return Number(numAffectedRows);
}

/** Forgets what was told or has lost its meaning a month ago. What was given up stays as long as its dead letter is open. */
export async function purgeNotifications(db: Kysely<Schema>): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from notification where id in (
      select n.id from notification n
       where n.settled_at < now() - ${KEPT_DAYS} * interval '1 day' and not n.is_alarm_open
         and not (n.state = 'failed' and exists (select from dead_letter d where d.subject_id = n.id and d.state = 'open'))
       order by n.settled_at limit ${PURGED_MAX})`.execute(db);
  return Number(numAffectedRows);
}

/**
 * What was given up is to be told again: a person has decided so. One whose handoff is over by then ends as moot.
 *
 * @returns false when there is nothing left to tell.
 */
export async function reviveNotification(tx: Tx, notificationId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('notification')
    .set({
      state: 'pending',
      attempts: 0,
      claim_id: null,
      failure: null,
      settled_at: null,
      due_at: sql<Date>`clock_timestamp()`,
      waiting_since: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', notificationId)
    .where('state', '=', 'failed')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** How many could have been told by now, and for how long the oldest of them could have been. */
export async function measureWaiting(db: Kysely<Schema>): Promise<{ waiting: number; oldestSeconds: number }> {
  const { rows } = await sql<{ waiting: number; oldest: number | null }>`
    select count(*)::int as waiting, extract(epoch from clock_timestamp() - min(waiting_since))::float8 as oldest
      from notification where state = 'pending' and waiting_since <= clock_timestamp()`.execute(db);
  return { waiting: rows[0]?.waiting ?? 0, oldestSeconds: rows[0]?.oldest ?? 0 };
}

function ms(milliseconds: number): RawBuilder<unknown> {
  return sql`${milliseconds} * interval '1 millisecond'`;
}
