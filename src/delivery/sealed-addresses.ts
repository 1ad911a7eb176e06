import { sql } from 'kysely';
import { z } from 'zod';
import { unseal } from '../platform/crypto.ts';
import type { TenantKeys } from '../tenants/tenants.ts';
import type { TenantId } from '../vocabulary/ids.ts';
import type { Address } from '../vocabulary/message.ts';

/** An address of a contact as it is kept. */
export interface SealedAlias {
  readonly kind: Address['kind'];
  readonly blindIndex: string;
  readonly sealedAddress: Buffer;
}

/** The addresses of the contact of the conversation `c`, as JSON. */
export const ALIASES = sql`(select json_agg(json_build_object('kind', a.kind, 'blindIndex', encode(a.blind_index, 'hex'),
                            'sealedAddress', encode(a.sealed_address, 'base64')) order by a.kind = 'phone' desc, a.kind)
                      from contact_alias a where a.tenant_id = c.tenant_id and a.contact_id = c.contact_id)`;

const AliasRow = z.object({
  kind: z.enum(['phone', 'lid', 'ticket']),
  blindIndex: z.string(),
  sealedAddress: z.string(),
});

/** What {@link ALIASES} selects. */
export function aliasesFromRow(aliases: unknown): readonly SealedAlias[] {
  return z
    .array(AliasRow)
    .parse(aliases ?? [])
    .map((alias) => ({ ...alias, sealedAddress: Buffer.from(alias.sealedAddress, 'base64') }));
}

/** The addresses that come with a row, opened. Best first. */
export function openAddresses(
  row: { readonly tenantId: TenantId; readonly aliases: readonly SealedAlias[] },
  keys: TenantKeys,
): readonly Address[] {
  return row.aliases.map(({ kind, blindIndex, sealedAddress }) => {
    const place = { tenantId: row.tenantId, table: 'contact_alias', column: 'sealed_address', rowId: blindIndex };
    return { kind, value: unseal([keys.sealing], sealedAddress, place).toString() };
  });
}
