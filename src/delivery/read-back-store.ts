import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { TenantId } from '../vocabulary/ids.ts';
import type { OutboxId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { READ_BACK_SLACK_MS, READ_BACK_TIMEOUT_MS } from './delivery.ts';
import { historyEntry } from './outbox-history.ts';
import type { OpenBubble } from './outbox-store.ts';
import { ALIASES, aliasesFromRow } from './sealed-addresses.ts';
import type { SealedAlias } from './sealed-addresses.ts';

/** How long a row is left to the one who reads it back. */
const READING_BACK_MS = READ_BACK_TIMEOUT_MS + 1_000;
/** Sends that are no older than this one by more may be taken for it: the slack, once for each of the two. */
const TWIN_MS = 2 * READ_BACK_SLACK_MS;

/** An unknown send that is ours to look for at the gateway. */
export interface SoughtBubble {
  readonly tenantId: TenantId;
  readonly ticketId: string | undefined;
  readonly aliases: readonly SealedAlias[];
  readonly textHash: Buffer;
  /** How long ago the send began, at the moment of this answer. */
  readonly sentMsAgo: number;
  /**
   * Sends of the same words that the gateway confirmed without an id, and that may be as young as this one: so many of
   * the oldest matches are theirs.
   */
  readonly twins: number;
}

/** Takes an unknown send to look for it at the gateway. Of several that want to one gets it, and has some seconds. */
export async function beginReadBack(
  db: Kysely<Schema>,
  row: { id: OutboxId; attempts: number; readBacks: number },
): Promise<SoughtBubble | undefined> {
  const { rows } = await sql<SoughtRow>`
    update outbox o set read_backs = o.read_backs + 1, due_at = clock_timestamp() + ${READING_BACK_MS} * interval '1 millisecond'
      from conversation c
     where o.id = ${row.id} and o.attempts = ${row.attempts} and o.state = 'unknown' and o.read_backs = ${row.readBacks}
       and c.id = o.conversation_id
    returning o.tenant_id, c.gateway_ticket_id, o.text_hash, ${ALIASES} as aliases,
      (extract(epoch from clock_timestamp() - o.sending_since) * 1000)::float8 as sent_ms_ago,
      (select count(*)::int from outbox t where t.conversation_id = o.conversation_id and t.text_hash = o.text_hash and t.id <> o.id
          and t.provider_message_id is null and t.state in ('sent', 'delivered', 'read')
          and t.sent_at > o.sending_since - ${TWIN_MS} * interval '1 millisecond') as twins`.execute(db);
  const [found] = rows;
  if (found === undefined) return undefined;
  return {
    tenantId: TenantId.parse(found.tenant_id),
    ticketId: found.gateway_ticket_id ?? undefined,
    aliases: aliasesFromRow(found.aliases),
    textHash: found.text_hash,
    sentMsAgo: found.sent_ms_ago,
    twins: found.twins,
  };
}

/** Of these ids, those that are known to be another send's or a person's. */
export async function findClaimedIds(
  db: Kysely<Schema>,
  row: OpenBubble,
  providerMessageIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select provider_message_id as id from outbox
     where channel_id = ${row.channelId} and provider_message_id = any(${providerMessageIds}::text[]) and id <> ${row.id}
    union
    select m.provider_message_id from message m join outbox o on o.conversation_id = m.conversation_id
     where o.id = ${row.id} and m.provider_message_id = any(${providerMessageIds}::text[])`.execute(db);
  return new Set(rows.map(({ id }) => id));
}

/** The gateway shows it as said. */
export async function markReadBack(db: Kysely<Schema>, row: OpenBubble, providerMessageId: string): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update outbox set state = 'sent', sent_at = clock_timestamp(), settled_by = 'read-back', failure = null,
           provider_message_id = ${providerMessageId}, ${historyEntry('sent', 'read-back')}
     where id = ${row.id} and attempts = ${row.attempts} and state = 'unknown'`.execute(db);
  return numAffectedRows > 0n;
}

interface SoughtRow {
  tenant_id: string;
  gateway_ticket_id: string | null;
  text_hash: Buffer;
  aliases: unknown;
  sent_ms_ago: number;
  twins: number;
}
