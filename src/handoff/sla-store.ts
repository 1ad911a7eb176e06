import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Tenant } from '../tenants/tenants.ts';
import { HANDOFF_PRIORITIES } from '../vocabulary/events.ts';
import type { SlaStepTaken } from '../vocabulary/events.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { SLA_KINDS, SLA_STATES } from '../vocabulary/sla.ts';
import type { SlaKind, SlaState } from '../vocabulary/sla.ts';
import { businessCalendarOf } from './business-calendar.ts';
import type { BusinessCalendar } from './business-calendar.ts';
import { isClosingThanks } from './closing-thanks.ts';
import type { NewNotification } from './notification-store.ts';
import { BREACH, clocksOf, dueSteps, isPaused, policyOf, stateOf, stepsOf, WARNING } from './sla.ts';
import type { ClockStory, SaidInHandoff, SlaPolicy, SlaStep } from './sla.ts';

/** A handoff whose clocks may have to be set, stopped or acted on. */
export interface SlaWork {
  readonly handoffId: string;
  readonly tenantId: string;
}

/** What keeping the clocks of a handoff needs. */
export interface SlaNeeds {
  readonly db: Kysely<Schema>;
  /** Notes in the transaction what a tenant's people are to be told. */
  readonly tell: (tx: Tx, told: NewNotification) => Promise<void>;
}

/** A handoff that began longer ago is not taken up any more: whoever switches promises on has not broken old ones. */
const TAKEN_UP_WITHIN_HOURS = 24;
/** Longer than any transaction of ours lasts: after it no message can still appear that has an older number. */
const MESSAGES_APPEAR_WITHIN_MS = 10_000;
/** The newest messages of a handoff tell its clocks. */
const MESSAGES_READ_MAX = 500;
/** Thanks are short; of anything longer it is enough to know that it is not thanks. */
const CHARACTERS_READ_MAX = 200;

/**
 * Handoffs with something new since their clocks were looked at: begun, said, ended, or a step whose time has come. Of each
 * kind those that have waited longest.
 */
export async function findSlaWork(
  db: Kysely<Schema>,
  { max, without }: { readonly max: number; readonly without: readonly string[] },
): Promise<readonly SlaWork[]> {
  const leftOut = sql`${[...without]}::uuid[]`;
  const { rows } = await sql<{ handoff_id: string; tenant_id: string }>`
    (select handoff_id, tenant_id from sla_clock
      where next_step_at <= clock_timestamp() and handoff_id <> all(${leftOut}) order by next_step_at limit ${max})
    union
    (select handoff_id, tenant_id from sla_watch
      where look_again_at <= clock_timestamp() and handoff_id <> all(${leftOut}) order by look_again_at limit ${max})
    union
    (select w.handoff_id, w.tenant_id from sla_watch w join handoff h on h.id = w.handoff_id
      where w.ended_at is null and h.state in ('returned', 'closed') and h.id <> all(${leftOut})
      order by h.requested_at limit ${max})
    union
    (select h.id, h.tenant_id
       from handoff h join tenant t on t.id = h.tenant_id left join sla_watch w on w.handoff_id = h.id
      where h.state in ('waiting', 'taken') and t.settings->'sla'->>'enabled' = 'true' and h.id <> all(${leftOut})
        and (w.handoff_id is null and h.requested_at > clock_timestamp() - ${TAKEN_UP_WITHIN_HOURS} * interval '1 hour'
             or w.handoff_id is not null and exists (
               select from message m where m.conversation_id = h.conversation_id and m.seq > w.seen_seq and m.author <> 'bot'))
      order by h.requested_at limit ${max})`.execute(db);
  return rows.map((row) => ({ handoffId: row.handoff_id, tenantId: row.tenant_id }));
}

/**
 * Brings the clocks of a handoff up to what has happened, and takes the steps whose time has come, all in one transaction:
 * what is told and that it was told are committed together or not at all.
 *
 * Safe to run twice, anywhere, at once: one process has the handoff at a time, and the key of a step is the only judge of
 * whether it was taken. The time is the database's; if that jumps, steps are late or early, and still taken once, in order.
 *
 * @returns the steps that this call has taken; undefined when there was nothing to keep, or another process has the handoff.
 */
export async function keepSlaClocks(
  needs: SlaNeeds,
  handoffId: string,
  tenant: Tenant,
): Promise<readonly SlaStepTaken[] | undefined> {
  return await needs.db.transaction().execute(async (tx) => {
    const watched = await lockWatch(tx, handoffId, tenant);
    if (watched === undefined) return undefined;
    if (!tenant.settings.sla.enabled) {
      await stopWatching(tx, watched);
      return undefined;
    }
    const newest = await readNewest(tx, watched);
    const clocks = clocksOf({ ...watched, messages: await readMessages(tx, watched) }, watched.policy);
    const calendar = businessCalendarOf(tenant.settings.businessCalendar, tenant.timeZone);
    const taken: SlaStepTaken[] = [];
    for (const clock of await changedClocks(tx, watched, clocks)) {
      taken.push(...(await keepClock(needs, tx, { watched, calendar, clock })));
    }
    await tx
      .updateTable('sla_watch')
      .set({ ...newest, ended_at: watched.endedAt ?? null })
      .where('handoff_id', '=', handoffId)
      .execute();
    return taken;
  });
}

/** A clock that has not been stopped. */
export interface OpenClock {
  readonly conversationId: string;
  readonly kind: SlaKind;
  readonly dueAt: Date | undefined;
  readonly state: SlaState;
}

const ClockRow = z.object({ kind: z.enum(SLA_KINDS), state: z.enum(SLA_STATES) });

/** The clocks of these conversations that have not been stopped, the most urgent first. */
export async function openClocks(tx: Tx, conversationIds: readonly string[]): Promise<readonly OpenClock[]> {
  if (conversationIds.length === 0) return [];
  const rows = await tx
    .selectFrom('sla_clock')
    .select(['conversation_id', 'kind', 'due_at', 'state'])
    .where('conversation_id', 'in', conversationIds)
    .where('stopped_at', 'is', null)
    .orderBy('due_at')
    .orderBy('kind')
    .execute();
  return rows.map((row) => ({
    ...ClockRow.parse(row),
    conversationId: row.conversation_id,
    dueAt: row.due_at ?? undefined,
  }));
}

/** How many clocks of the installation are open, by state. */
export async function countOpenClocks(db: Kysely<Schema>): Promise<ReadonlyMap<SlaState, number>> {
  const rows = await db
    .selectFrom('sla_clock')
    .select(['state', (count) => count.fn.countAll<string>().as('clocks')])
    .where('stopped_at', 'is', null)
    .groupBy('state')
    .execute();
  return new Map(rows.map(({ state, clocks }) => [z.enum(SLA_STATES).parse(state), Number(clocks)]));
}

interface Watched {
  readonly id: string;
  readonly tenantId: string;
  readonly conversationId: string;
  readonly reason: string;
  readonly policy: SlaPolicy;
  readonly requestedAt: Date;
  readonly wasWaiting: boolean;
  readonly endedAt: Date | undefined;
  /** By the database's clock. */
  readonly now: Date;
}

const Priority = z.enum(HANDOFF_PRIORITIES);
/** Written by {@link policyOf} alone. */
const Policy = z.custom<SlaPolicy>((value) => typeof value === 'object' && value !== null && 'promisedMs' in value);

/** Begins to watch a handoff that nobody watches, and keeps others away from it. Undefined: somebody has it, or it is gone. */
async function lockWatch(tx: Tx, handoffId: string, tenant: Tenant): Promise<Watched | undefined> {
  const handoff = await tx.selectFrom('handoff').selectAll().where('id', '=', handoffId).executeTakeFirst();
  if (handoff?.tenant_id !== tenant.id) return undefined;
  const policy = policyOf(tenant.settings.sla, Priority.parse(handoff.priority));
  if (policy !== undefined) {
    const { tenant_id, conversation_id } = handoff;
    await tx
      .insertInto('sla_watch')
      .values({ handoff_id: handoffId, tenant_id, conversation_id, policy: JSON.stringify(policy) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  const watch = await tx
    .selectFrom('sla_watch')
    .select(['policy', sql<Date>`clock_timestamp()`.as('now')])
    .where('handoff_id', '=', handoffId)
    .forNoKeyUpdate()
    .skipLocked()
    .executeTakeFirst();
  if (watch === undefined) return undefined;
  // Read again under the lock: it may have been taken or ended while another process had it.
  const now = await tx.selectFrom('handoff').selectAll().where('id', '=', handoffId).executeTakeFirstOrThrow();
  return {
    id: handoffId,
    tenantId: now.tenant_id,
    conversationId: now.conversation_id,
    reason: now.reason,
    policy: Policy.parse(watch.policy),
    requestedAt: now.requested_at,
    wasWaiting: now.taken_at === null || now.taken_at > now.requested_at,
    endedAt: now.ended_at ?? undefined,
    now: watch.now,
  };
}

/** The tenant promises nothing any more. */
async function stopWatching(tx: Tx, watched: Watched): Promise<void> {
  const open = await tx
    .selectFrom('sla_clock')
    .select('id')
    .where('handoff_id', '=', watched.id)
    .where('stopped_at', 'is', null)
    .execute();
  await stopClocks(tx, watched, open);
  await tx
    .updateTable('sla_watch')
    .set({ ended_at: watched.now, look_again_at: null })
    .where('handoff_id', '=', watched.id)
    .execute();
}

async function stopClocks(tx: Tx, watched: Watched, clocks: readonly { readonly id: string }[]): Promise<void> {
  if (clocks.length === 0) return;
  await tx
    .updateTable('sla_clock')
    .set({ state: 'ended', stopped_at: watched.now, next_step_at: null, paused_since: null })
    .where(
      'id',
      'in',
      clocks.map(({ id }) => id),
    )
    .execute();
}

/**
 * How far the messages are read with this look. A message gets its number before it appears, so while the newest is young one
 * before it may still be missing.
 */
async function readNewest(tx: Tx, watched: Watched): Promise<{ seen_seq: string; look_again_at: Date | null }> {
  const newest = await tx
    .selectFrom('message')
    .select(['seq', 'received_at'])
    .where('conversation_id', '=', watched.conversationId)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (newest === undefined) return { seen_seq: '0', look_again_at: null };
  const isYoung = watched.now.getTime() - newest.received_at.getTime() < MESSAGES_APPEAR_WITHIN_MS;
  const again = new Date(watched.now.getTime() + MESSAGES_APPEAR_WITHIN_MS);
  return { seen_seq: newest.seq, look_again_at: isYoung ? again : null };
}

/**
 * What was said since the handoff began, in order.
 *
 * A message counts from when it was said, as the gateway tells it, but never from before the handoff or from after it came.
 * Gateways tell whole seconds, so within one second the order of arrival decides.
 */
async function readMessages(tx: Tx, watched: Watched): Promise<readonly SaidInHandoff[]> {
  const { rows } = await sql<MessageRow>`
    select * from (
      select m.id, m.seq, m.author, m.kind, left(m.text, ${CHARACTERS_READ_MAX}) as text,
             greatest(h.requested_at, least(m.said_at, m.received_at)) as at
        from handoff h join message m on m.conversation_id = h.conversation_id
       where h.id = ${watched.id} and m.author in ('customer', 'human') and m.deleted_at is null
         and m.received_at >= h.requested_at and (h.ended_at is null or m.received_at <= h.ended_at)
       order by m.said_at desc, m.seq desc limit ${MESSAGES_READ_MAX}) newest
     order by date_trunc('second', at), seq`.execute(tx);
  const messages = rows.map(({ id, author, kind, text, at }) => ({
    id,
    author,
    at,
    isThanks: kind === 'sticker' || (text !== null && isClosingThanks(text)),
  }));
  return rows.length < MESSAGES_READ_MAX ? messages : [...(await readBeginning(tx, watched, messages)), ...messages];
}

/** Of a story that is too long to be read as a whole: what its clocks say about its beginning. */
async function readBeginning(
  tx: Tx,
  watched: Watched,
  messages: readonly SaidInHandoff[],
): Promise<readonly SaidInHandoff[]> {
  const rows = await tx
    .selectFrom('sla_clock')
    .select(['kind', 'cause_id', 'started_at', 'stopped_at'])
    .where('handoff_id', '=', watched.id)
    .where((is) => is.or([is('kind', '=', 'first-response'), is('stopped_at', 'is', null)]))
    .execute();
  const answeredAt = rows.find(({ kind }) => kind === 'first-response')?.stopped_at;
  const waiting = rows.find(({ kind }) => kind === 'next-response');
  const beginning: readonly (SaidInHandoff | undefined)[] = [
    answeredAt ? { id: watched.id, author: 'human', at: answeredAt, isThanks: false } : undefined,
    waiting && { id: waiting.cause_id, author: 'customer', at: waiting.started_at, isThanks: false },
  ];
  const readFrom = messages[0]?.at ?? watched.now;
  return beginning.filter((message) => message !== undefined).filter(({ at }) => at < readFrom);
}

interface MessageRow {
  readonly id: string;
  readonly author: 'customer' | 'human';
  readonly kind: string;
  readonly text: string | null;
  readonly at: Date;
}

/** Those that are not yet stopped in the table as they are in the story. A clock whose cause was deleted is stopped. */
async function changedClocks(tx: Tx, watched: Watched, clocks: readonly ClockStory[]): Promise<readonly ClockStory[]> {
  const known = await tx
    .selectFrom('sla_clock')
    .select(['id', 'kind', 'cause_id', 'stopped_at'])
    .where('handoff_id', '=', watched.id)
    .execute();
  const rowOf = ({ kind, causeId }: ClockStory) => known.find((row) => row.kind === kind && row.cause_id === causeId);
  const told = new Set(clocks.map((clock) => rowOf(clock)?.id));
  const gone = known.filter(({ id, stopped_at }) => stopped_at === null && !told.has(id));
  await stopClocks(tx, watched, gone);
  return clocks.filter((clock) => {
    const { stoppedAt } = clock;
    return stoppedAt === undefined || rowOf(clock)?.stopped_at?.getTime() !== stoppedAt.getTime();
  });
}

interface KeptClock {
  readonly watched: Watched;
  readonly calendar: BusinessCalendar;
  readonly clock: ClockStory;
}

async function keepClock(needs: SlaNeeds, tx: Tx, kept: KeptClock): Promise<readonly SlaStepTaken[]> {
  const { watched, clock } = kept;
  const steps = stepsOf(watched.policy, kept.calendar, clock);
  const id = await saveClock(tx, kept, steps);
  const due = dueSteps(steps, clock.stoppedAt, watched.now);
  const isNew = await takeSteps(tx, { clockId: id, tenantId: watched.tenantId, due });
  const taken: SlaStepTaken[] = [];
  for (const step of due.filter(({ name }) => isNew.has(name))) {
    const { id: handoffId, tenantId, conversationId, reason, policy } = watched;
    const { kind } = clock;
    const dueAt = steps.find(({ name }) => name === BREACH)?.at;
    await needs.tell(tx, {
      tenantId,
      kind: step.name === WARNING ? 'sla-warning' : 'sla-breach',
      subjectId: id,
      conversationId,
      handoffId,
      key: `sla:${id}:${step.name}`,
      payload: {
        reason,
        clock: kind,
        priority: policy.priority,
        step: step.name,
        ...(dueAt && { dueAt: dueAt.toISOString() }),
      },
      targetIds: step.targets,
    });
    taken.push({ handoffId, conversationId, clockId: id, kind, priority: policy.priority, step: step.name });
  }
  return taken;
}

async function saveClock(tx: Tx, { watched, clock }: KeptClock, steps: readonly SlaStep[]): Promise<string> {
  const dueAt = steps.find(({ name }) => name === BREACH)?.at;
  const next = steps.find(({ at }) => at !== undefined && at > watched.now)?.at;
  const now = {
    started_at: clock.startedAt,
    due_at: dueAt ?? null,
    paused_since: isPaused(clock) ? (clock.pauses.at(-1)?.from ?? null) : null,
    stopped_at: clock.stoppedAt ?? null,
    state: stateOf(clock, dueAt, watched.now),
    steps: JSON.stringify(steps),
    next_step_at: clock.stoppedAt === undefined ? (next ?? null) : null,
  };
  const { id } = await tx
    .insertInto('sla_clock')
    .values({
      id: crypto.randomUUID(),
      tenant_id: watched.tenantId,
      conversation_id: watched.conversationId,
      handoff_id: watched.id,
      kind: clock.kind,
      priority: watched.policy.priority,
      cause_id: clock.causeId,
      ...now,
    })
    .onConflict((conflict) => conflict.columns(['handoff_id', 'kind', 'cause_id']).doUpdateSet(now))
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** @returns the names of those that nobody had taken before. */
async function takeSteps(
  tx: Tx,
  { clockId, tenantId, due }: { clockId: string; tenantId: string; due: readonly SlaStep[] },
): Promise<ReadonlySet<string>> {
  if (due.length === 0) return new Set();
  const rows = await tx
    .insertInto('sla_step')
    .values(due.map(({ name }) => ({ clock_id: clockId, step: name, tenant_id: tenantId })))
    .onConflict((conflict) => conflict.columns(['clock_id', 'step']).doNothing())
    .returning('step')
    .execute();
  return new Set(rows.map(({ step }) => step));
}
