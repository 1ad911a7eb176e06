import { sql } from 'kysely';
import { z } from 'zod';
import { tellOfCalled } from '../handoff/handoff.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Tx } from '../vocabulary/schema.ts';
import { decideOwner, OWNERS } from './ownership.ts';
import type { OpenHandoff, Owner, OwnerDecision, WantedOwner } from './ownership.ts';
import { keepWish, lockContactBeforeOptOut, WISHED } from './unread-wishes.ts';

export interface OwnerChange {
  readonly conversationId: string;
  readonly to: Owner;
  /** For a human: whether one is there (the default) or only called. */
  readonly handoff?: OpenHandoff | undefined;
  /** The epoch that the caller saw. Absent: whatever it is now. */
  readonly expectedEpoch?: number | undefined;
  /** Why, in one closed word; shown to people as the owner's and the handoff's reason. */
  readonly reason: string;
  /** When the bot gets the conversation back if no person says anything. Absent: not before somebody gives it back. */
  readonly lapsesAt?: Date | undefined;
}

export interface OwnerChanged {
  readonly owner: Owner;
  readonly epoch: number;
  readonly ownerSince: Date;
  /** False when it was so already: the epoch is the old one. */
  readonly moved: boolean;
}

/**
 * Makes somebody the owner of a conversation, with everything that follows from it, in the caller's transaction.
 *
 * A change raises the epoch, so that nothing decided before it is sent after it; what waited in the outbox is dropped.
 * What a person takes over is settled as a person's. Safe to repeat: what is so already stays as it is.
 *
 * The conversation is locked `for no key update`: a stronger lock would stop intake from inserting its messages.
 *
 * @throws {Failure} NOT_FOUND, or EPOCH_MOVED when somebody else changed the owner first.
 */
export async function changeOwner(tx: Tx, change: OwnerChange): Promise<OwnerChanged> {
  await lockContactBeforeOptOut(tx, change.conversationId);
  const before = await lockOwnership(tx, change.conversationId);
  if (change.expectedEpoch !== undefined && change.expectedEpoch !== before.epoch) {
    throw new Failure('EPOCH_MOVED', { expectedEpoch: change.expectedEpoch, epoch: before.epoch });
  }
  const decision = decideOwner({ owner: before.owner, handoff: before.open?.state }, wantedOwner(change));
  const after = await saveOwner(tx, { before, change, decision });
  if (decision.moves) {
    await saveHandoff(tx, { before, change, decision });
    await dropUnsent(tx, { ...before, epoch: after.epoch, to: change.to });
  }
  if (change.to === 'human') await settleAsHuman(tx, before.id);
  else if (before.owner === 'human') await settleWhatThePersonAnswered(tx, before.id);
  return { ...after, moved: decision.moves };
}

/**
 * The message that is on its way to the gateway at this moment.
 *
 * It left before the owner changed and cannot be called back; whoever takes over wants to know of it.
 */
export async function findMessageBeingSent(tx: Tx, conversationId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('outbox')
    .select('message_id')
    .where('conversation_id', '=', conversationId)
    .where('state', '=', 'sending')
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();
  return row?.message_id;
}

function wantedOwner(change: OwnerChange): WantedOwner {
  return change.to === 'human' ? { to: 'human', handoff: change.handoff ?? 'taken' } : { to: change.to };
}

interface LockedOwnership {
  readonly id: string;
  readonly tenantId: string;
  readonly owner: Owner;
  readonly epoch: number;
  readonly lapsesAt: Date | null;
  readonly open: { readonly id: string; readonly state: OpenHandoff } | undefined;
}

const OwnerColumn = z.enum(OWNERS);
const OpenHandoffRow = z.object({ id: z.string(), state: z.enum(['waiting', 'taken']) });

async function lockOwnership(tx: Tx, id: string): Promise<LockedOwnership> {
  const row = await tx
    .selectFrom('conversation')
    .select(['tenant_id', 'owner', 'epoch', 'owner_lapses_at'])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { conversationId: id });
  // Read after the lock is held: whoever had it before may have opened or ended the handoff.
  const open = await tx
    .selectFrom('handoff')
    .select(['id', 'state'])
    .where('conversation_id', '=', id)
    .where('state', 'in', ['waiting', 'taken'])
    .executeTakeFirst();
  return {
    id,
    tenantId: row.tenant_id,
    owner: OwnerColumn.parse(row.owner),
    epoch: row.epoch,
    lapsesAt: row.owner_lapses_at,
    open: OpenHandoffRow.optional().parse(open),
  };
}

interface Step {
  readonly before: LockedOwnership;
  readonly change: OwnerChange;
  readonly decision: OwnerDecision;
}

async function saveOwner(tx: Tx, { before, change, decision }: Step): Promise<Omit<OwnerChanged, 'moved'>> {
  const changed = {
    owner: decision.owner,
    owner_reason: change.reason,
    owner_since: sql<Date>`now()`,
    epoch: before.epoch + 1,
    unsure_in_a_row: 0,
    // What waited is settled or decided anew, so nothing that comes now is suspected for what came before.
    deaths: 0,
    lease_owner: sql<string>`case when lease_until > clock_timestamp() then lease_owner end`,
    ...(before.owner === 'nobody' ? { episode_started_at: sql<Date>`now()` } : {}),
  };
  const row = await tx
    .updateTable('conversation')
    .set({ ...(decision.moves ? changed : {}), owner_lapses_at: lapsesAfter(before, change, decision) })
    .where('id', '=', before.id)
    .returning(['owner', 'epoch', 'owner_since'])
    .executeTakeFirstOrThrow();
  return { owner: decision.owner, epoch: row.epoch, ownerSince: row.owner_since };
}

/** An echo never weakens what a person decided expressly: a takeover that does not lapse stays one. */
function lapsesAfter(before: LockedOwnership, change: OwnerChange, decision: OwnerDecision): Date | null {
  if (change.to !== 'human' || change.lapsesAt === undefined) return null;
  if (decision.moves) return change.lapsesAt;
  return before.lapsesAt && (before.lapsesAt > change.lapsesAt ? before.lapsesAt : change.lapsesAt);
}

async function saveHandoff(tx: Tx, { before, change, decision }: Step): Promise<void> {
  const { handoff: state } = decision;
  if (state === undefined || state === before.open?.state) return;
  const times = {
    taken_at: state === 'taken' ? sql<Date>`now()` : undefined,
    ended_at: state === 'returned' || state === 'closed' ? sql<Date>`now()` : undefined,
  };
  if (before.open === undefined) {
    const { id: conversation_id, tenantId: tenant_id } = before;
    const id = crypto.randomUUID();
    await tx
      .insertInto('handoff')
      .values({ id, tenant_id, conversation_id, state, reason: change.reason, ...times })
      .execute();
    if (state === 'waiting')
      await sql`with called as (select * from handoff where id = ${id}) ${tellOfCalled}`.execute(tx);
    return;
  }
  await tx
    .updateTable('handoff')
    .set({ state, ...times })
    .where('id', '=', before.open.id)
    .execute();
}

/** Takes back what has not begun to be sent. */
async function dropUnsent(tx: Tx, where: { id: string; epoch: number; to: Owner }): Promise<void> {
  const dropped = await tx
    .updateTable('outbox')
    .set({ state: 'dropped', failure: 'owner-changed' })
    .where('conversation_id', '=', where.id)
    .where('state', '=', 'pending')
    .where('epoch', '<', where.epoch)
    .returning('turn_id')
    .execute();
  if (dropped.length === 0) return;
  const turnIds = dropped.map((row) => row.turn_id);
  await settleAgain(tx, { ...where, turnIds });
}

/**
 * A customer's message whose whole answer was taken back is not answered any more, so it says instead what it ended in.
 * A reply of which a part has left stays a reply.
 */
async function settleAgain(tx: Tx, where: { id: string; to: Owner; turnIds: readonly string[] }): Promise<void> {
  const end =
    where.to === 'human' ? { settled_kind: 'human' } : { settled_kind: 'recorded', settled_reason: 'owner-changed' };
  const silentTurns = tx
    .selectFrom('outbox')
    .select('turn_id')
    .where('turn_id', 'in', where.turnIds)
    .groupBy('turn_id')
    .having(sql<boolean>`bool_and(state = 'dropped')`);
  await tx
    .updateTable('message')
    .set({ ...end, settled_by_message_id: null })
    .where('conversation_id', '=', where.id)
    .where('settled_kind', '=', 'reply')
    .where(
      'settled_by_message_id',
      'in',
      tx.selectFrom('outbox').select('message_id').where('turn_id', 'in', silentTurns),
    )
    .execute();
}

/** Everything that is still open is the person's now. */
async function settleAsHuman(tx: Tx, conversationId: string): Promise<void> {
  await keepWish(tx, conversationId, await unsettled(tx, conversationId).returning(WISHED).execute());
}

/**
 * What came before the person's last words has had a person's attention and is settled so. What came after them is left
 * to the next owner: the customer is waiting, and nobody has answered.
 */
async function settleWhatThePersonAnswered(tx: Tx, conversationId: string): Promise<void> {
  const settled = await unsettled(tx, conversationId)
    .where((is) =>
      is.exists(
        is
          .selectFrom('message as said')
          .select('said.id')
          .whereRef('said.conversation_id', '=', 'message.conversation_id')
          .whereRef('said.seq', '>', 'message.seq')
          .where('said.author', '=', 'human'),
      ),
    )
    .returning(WISHED)
    .execute();
  await keepWish(tx, conversationId, settled);
}

function unsettled(tx: Tx, conversationId: string) {
  return tx
    .updateTable('message')
    .set({ settled_kind: 'human', settled_at: sql<Date>`now()` })
    .where('conversation_id', '=', conversationId)
    .where('author', '=', 'customer')
    .where('settled_at', 'is', null);
}

/**
 * A turn that was set aside is the bot's again: these messages, which it could not answer, are unanswered once more. They
 * count as said now, because a person has just decided that they are still worth an answer.
 *
 * @returns false when nothing of it is left to answer.
 */
export async function reviveTurn(tx: Tx, conversationId: string, messageIds: readonly string[]): Promise<boolean> {
  await lockOwnership(tx, conversationId);
  const { numUpdatedRows } = await tx
    .updateTable('message')
    .set({
      settled_kind: null,
      settled_reason: null,
      settled_turn_id: null,
      settled_at: null,
      said_at: sql<Date>`clock_timestamp()`,
      answer_after: sql<Date>`clock_timestamp()`,
    })
    .where('conversation_id', '=', conversationId)
    .where('id', 'in', messageIds)
    .where('settled_kind', '=', 'human')
    .where('settled_reason', '=', 'turn-failed')
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  await changeOwner(tx, { conversationId, to: 'bot', reason: 'replayed' });
  return true;
}
