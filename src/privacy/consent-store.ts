import { z } from 'zod';
import { Failure } from '../vocabulary/failures.ts';
import type { TenantId } from '../vocabulary/ids.ts';
import type { Tx } from '../vocabulary/schema.ts';
import type { ConsentKind } from './privacy.ts';

/** A contact's change of mind, as it was kept. */
export interface ConsentEvent {
  readonly kind: ConsentKind;
  /** `message`: the customer wrote it. `person`: somebody of the tenant noted it. */
  readonly source: 'message' | 'person';
  readonly messageId: string | undefined;
  readonly at: Date;
}

const EVENTS_SHOWN = 100;
const Kind = z.enum(['opt-out', 'opt-in']);
const Source = z.enum(['message', 'person']);

/**
 * The contact's events with whom this conversation is, newest first; the newest is what holds.
 *
 * @throws {Failure} NOT_FOUND when there is no such conversation.
 */
export async function readConsent(
  tx: Tx,
  tenantId: TenantId,
  conversationId: string,
): Promise<readonly ConsentEvent[]> {
  const conversation = await tx
    .selectFrom('conversation')
    .select('contact_id')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', conversationId)
    .executeTakeFirst();
  if (conversation === undefined) throw new Failure('NOT_FOUND', { conversationId });
  const rows = await tx
    .selectFrom('consent_event')
    .select(['kind', 'source', 'message_id', 'at'])
    .where('tenant_id', '=', tenantId)
    .where('contact_id', '=', conversation.contact_id)
    .orderBy('seq', 'desc')
    .limit(EVENTS_SHOWN)
    .execute();
  return rows.map((row) => ({
    kind: Kind.parse(row.kind),
    source: Source.parse(row.source),
    messageId: row.message_id ?? undefined,
    at: row.at,
  }));
}
