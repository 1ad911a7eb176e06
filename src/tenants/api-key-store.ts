import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { sha256 } from '../platform/crypto.ts';
import { newId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';

export const API_KEY_ROLES = ['admin', 'agent', 'viewer'] as const;
const ApiKeyId = z.uuid().brand<'ApiKeyId'>();
const ApiKeyRole = z.enum(API_KEY_ROLES);
export type ApiKeyRole = z.infer<typeof ApiKeyRole>;

export interface ApiKey {
  readonly id: string;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly role: ApiKeyRole;
}

/** Tells people and secret scanners what the string is. */
const PREFIX = 'plantao_';

/**
 * Makes a key. Only its hash is stored, so this is the one time that it can be read.
 *
 * A plain SHA-256 is enough: the key has 256 random bits, so there is nothing to guess.
 */
export async function createApiKey(
  tx: Tx,
  tenantId: TenantId,
  wanted: { name: string; role: ApiKeyRole },
): Promise<ApiKey & { readonly key: string }> {
  const key = PREFIX + randomBytes(32).toString('base64url');
  const id = newId(ApiKeyId);
  await tx
    .insertInto('api_key')
    .values({ id, tenant_id: tenantId, name: wanted.name, role: wanted.role, key_hash: sha256(key) })
    .execute();
  return { id, tenantId, ...wanted, key };
}

/** Who bears this key, or undefined when nobody does (any more). */
export async function findApiKey(db: Kysely<Schema>, key: string): Promise<ApiKey | undefined> {
  if (!key.startsWith(PREFIX)) return undefined;
  const row = await db
    .selectFrom('api_key')
    .select(['id', 'tenant_id', 'name', 'role'])
    .where('key_hash', '=', sha256(key))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { id: row.id, tenantId: TenantId.parse(row.tenant_id), name: row.name, role: ApiKeyRole.parse(row.role) };
}
