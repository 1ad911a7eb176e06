import { sql } from 'kysely';
import { z } from 'zod';
import { deadLettered } from '../vocabulary/events.ts';
import type { DeadLettered } from '../vocabulary/events.ts';
import { recordNotification } from '../handoff/notification-store.ts';
import { Failure } from '../vocabulary/failures.ts';
import { DeadLetterId, newId } from '../vocabulary/ids.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Logger } from '../platform/logger.ts';
import type { Tx } from '../vocabulary/schema.ts';

export type DeadLetterStage = DeadLettered['stage'];

export interface NewDeadLetter {
  readonly tenantId: TenantId;
  readonly stage: DeadLetterStage;
  /** What gave up: an outbox row, a conversation, a document, a handoff. At most one open letter is kept of each. */
  readonly subjectId: string;
  readonly conversationId: ConversationId | undefined;
  readonly reason: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Keeps what gave up until a person replays or discards it. Safe to repeat: an open letter of the same thing stays. */
export async function recordDeadLetter(tx: Tx, letter: NewDeadLetter, log: Logger): Promise<void> {
  const id = newId(DeadLetterId);
  const recorded = await tx
    .insertInto('dead_letter')
    .values({
      id,
      tenant_id: letter.tenantId,
      stage: letter.stage,
      subject_id: letter.subjectId,
      conversation_id: letter.conversationId ?? null,
      reason: letter.reason,
      payload: JSON.stringify(letter.payload),
      history: await historyOf(tx, letter),
    })
    .onConflict((open) => open.column('subject_id').where('state', '=', 'open').doNothing())
    .returning(sql<string>`to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')`.as('hour'))
    .executeTakeFirst();
  if (recorded === undefined) return;
  deadLettered(log, { stage: letter.stage, subjectId: letter.subjectId, reason: letter.reason });
  await tellOf(tx, letter, { id, hour: recorded.hour });
}

/**
 * People are told of the first letter of an hour with its stage and reason: an outage makes a thousand of a kind, and a
 * thousand notices tell no more than one.
 *
 * Of a notification that gave up all targets hear but its own. Of one that was itself about a dead letter nobody hears, or two
 * broken targets would tell of each other for ever.
 */
async function tellOf(tx: Tx, letter: NewDeadLetter, { id, hour }: { id: string; hour: string }): Promise<void> {
  const { kind, targetId } = letter.payload;
  const isOfNotification = letter.stage === 'notification';
  if (isOfNotification && kind === 'dead-letter') return;
  await recordNotification(tx, {
    tenantId: letter.tenantId,
    kind: 'dead-letter',
    subjectId: id,
    conversationId: letter.conversationId,
    key: `dead-letter:${letter.stage}:${letter.reason.slice(0, 100)}:${hour}`,
    payload: { stage: letter.stage, reason: letter.reason },
    ...(isOfNotification && typeof targetId === 'string' ? { exceptTargetId: targetId } : {}),
  });
}

/** What a send has been through comes along: the row itself may go on changing after a replay. */
async function historyOf(tx: Tx, letter: NewDeadLetter): Promise<string> {
  if (letter.stage !== 'delivery') return '[]';
  const row = await tx.selectFrom('outbox').select('history').where('id', '=', letter.subjectId).executeTakeFirst();
  return JSON.stringify(row?.history ?? []);
}

/** What a replay does, by stage: each brings its subject back to life. */
export interface ReplayNeeds {
  /** @returns false when there is nothing left to send. */
  readonly reviveDelivery: (tx: Tx, outboxId: string) => Promise<boolean>;
  /** The bot owns the conversation again, and what was set aside is unanswered again. */
  readonly reviveTurn: (tx: Tx, conversationId: string, messageIds: readonly string[]) => Promise<boolean>;
  readonly reviveDocument: (tx: Tx, documentId: string) => Promise<boolean>;
  /** @returns false when nobody waits there any more. */
  readonly reviveTransfer: (tx: Tx, handoffId: string) => Promise<boolean>;
  /** @returns false when its target is gone. */
  readonly reviveNotification: (tx: Tx, notificationId: string) => Promise<boolean>;
}

/**
 * Does the work of a dead letter again, once: two people who press the button get one replay. Whoever works is rung by
 * the caller, after the commit.
 *
 * @throws {Failure} ALREADY_SETTLED when there is nothing left of the work; the letter stays as it was.
 */
export async function replayDeadLetter(
  needs: ReplayNeeds,
  tx: Tx,
  which: DeadLetterOf,
): Promise<'replayed' | 'not-found' | 'settled-already'> {
  const letter = await settleLetter(tx, which, 'replayed');
  if (typeof letter === 'string') return letter;
  const isRevived = await revive(needs, tx, letter);
  if (!isRevived) throw new Failure('ALREADY_SETTLED', { deadLetterId: which.id });
  return 'replayed';
}

const TurnPayload = z.object({ messageIds: z.array(z.string()) });

async function revive(needs: ReplayNeeds, tx: Tx, letter: SettledLetter): Promise<boolean> {
  switch (letter.stage) {
    case 'delivery':
      return await needs.reviveDelivery(tx, letter.subject_id);
    case 'turn':
      return await needs.reviveTurn(tx, letter.subject_id, TurnPayload.parse(letter.payload).messageIds);
    case 'knowledge':
      return await needs.reviveDocument(tx, letter.subject_id);
    case 'handoff':
      return await needs.reviveTransfer(tx, letter.subject_id);
    case 'notification':
      return await needs.reviveNotification(tx, letter.subject_id);
    case 'intake':
      return false;
  }
}

export async function discardDeadLetter(
  tx: Tx,
  which: DeadLetterOf,
): Promise<'discarded' | 'not-found' | 'settled-already'> {
  const letter = await settleLetter(tx, which, 'discarded');
  return typeof letter === 'string' ? letter : 'discarded';
}

/** The work turned out to be done: nothing is left for a person to decide. Safe to repeat. */
export async function resolveDeadLetter(tx: Tx, which: { subjectId: string; by: string }): Promise<void> {
  await sql`
    update dead_letter set state = 'resolved', settled_at = now(), settled_by = ${which.by}
     where subject_id = ${which.subjectId} and state = 'open'`.execute(tx);
}

export interface DeadLetterOf {
  readonly tenantId: TenantId;
  readonly id: string;
  /** Who decided, for the record. */
  readonly by: string;
}

interface SettledLetter {
  readonly stage: DeadLetterStage;
  readonly subject_id: string;
  readonly payload: unknown;
}

async function settleLetter(
  tx: Tx,
  which: DeadLetterOf,
  state: 'replayed' | 'discarded',
): Promise<SettledLetter | 'not-found' | 'settled-already'> {
  const { rows } = await sql<SettledLetter>`
    update dead_letter set state = ${state}, settled_at = now(), settled_by = ${which.by}
     where tenant_id = ${which.tenantId} and id = ${which.id} and state = 'open'
    returning stage, subject_id, payload`.execute(tx);
  if (rows[0] !== undefined) return rows[0];
  const exists = await tx
    .selectFrom('dead_letter')
    .select('id')
    .where('tenant_id', '=', which.tenantId)
    .where('id', '=', which.id)
    .executeTakeFirst();
  return exists === undefined ? 'not-found' : 'settled-already';
}
