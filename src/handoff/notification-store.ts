import { sql } from 'kysely';
import type { Tx } from '../vocabulary/schema.ts';
import type { NotificationKind } from '../vocabulary/notification.ts';

/** What a tenant's people are to be told, once for each of their targets that wants to know. */
export interface NewNotification {
  readonly tenantId: string;
  readonly kind: NotificationKind;
  /** What it is about: a handoff, a clock, a dead letter. */
  readonly subjectId: string;
  readonly conversationId?: string | undefined;
  /**
   * The handoff that it is about. A handoff that was taken before anybody was told of it is not worth telling, and the
   * alarm of one that has ended is ended too. Absent: the subject, when the kind is `handoff`.
   */
  readonly handoffId?: string | undefined;
  /** Told once for each key and target, however often this is called. At most 200 characters. */
  readonly key: string;
  /** Closed words and ids that the text is made of: `reason`, `priority`, `clock`, `dueAt`, `stage`. No customer's words. */
  readonly payload: Readonly<Record<string, string>>;
  /** Only these targets, whatever they want otherwise: the step of a ladder names whom it tells. */
  readonly targetIds?: readonly string[] | undefined;
  /** Not this one: it is what the notification is about. */
  readonly exceptTargetId?: string | undefined;
}

/**
 * Notes in the caller's transaction what is to be told: a row for each target of the tenant that wants this kind. Whoever
 * commits has it told; whoever rolls back has not. A worker does the telling. Safe to repeat.
 *
 * The rows come in the order of the targets, so that two who note the same at once do not wait for each other.
 */
export async function recordNotification(tx: Tx, told: NewNotification): Promise<void> {
  const { targetIds, exceptTargetId = null } = told;
  const wanting =
    targetIds === undefined ? sql`${told.kind} = any(t.wants)` : sql`t.id = any(${[...targetIds]}::uuid[])`;
  await sql`
    insert into notification (id, tenant_id, target_id, kind, subject_id, conversation_id, handoff_id, key, payload)
    select gen_random_uuid(), t.tenant_id, t.id, ${told.kind}, ${told.subjectId}, ${told.conversationId ?? null},
           ${handoffOf(told)}::uuid, ${told.key}, ${JSON.stringify(told.payload)}::jsonb
      from notification_target t
     where t.tenant_id = ${told.tenantId} and not t.is_paused and ${wanting}
       and t.id is distinct from ${exceptTargetId}::uuid
     order by t.id
    on conflict (target_id, key) do nothing`.execute(tx);
}

function handoffOf({ kind, subjectId, handoffId }: NewNotification): string | null {
  return handoffId ?? (kind === 'handoff' ? subjectId : null);
}
