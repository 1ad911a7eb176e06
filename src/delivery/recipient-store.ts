import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { TenantKeys } from '../tenants/tenants.ts';
import type { Recipient } from '../vocabulary/gateway.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { ALIASES, aliasesFromRow, openAddresses } from './sealed-addresses.ts';

/** How a gateway knows the customer of a conversation. Nobody is reached in a conversation that is gone. */
export async function findRecipient(
  db: Kysely<Schema>,
  keys: TenantKeys,
  { tenantId, conversationId }: { readonly tenantId: TenantId; readonly conversationId: ConversationId },
): Promise<Recipient> {
  const { rows } = await sql<{ aliases: unknown; gateway_ticket_id: string | null }>`
    select c.gateway_ticket_id, ${ALIASES} as aliases from conversation c
     where c.tenant_id = ${tenantId} and c.id = ${conversationId}`.execute(db);
  const aliases = aliasesFromRow(rows[0]?.aliases);
  return { addresses: openAddresses({ tenantId, aliases }, keys), ticketId: rows[0]?.gateway_ticket_id ?? undefined };
}
