import type { Request } from 'express';
import { equalInConstantTime, sha256 } from '../platform/crypto.ts';
import { findApiKey } from '../tenants/api-key-store.ts';
import type { ApiKeyRole } from '../tenants/api-key-store.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { TenantId } from '../vocabulary/ids.ts';
import type { Access } from './contract/operation.ts';
import type { PanelNeeds } from './needs.ts';

/** Who calls. */
export type Caller =
  { readonly kind: 'platform' } | { readonly kind: 'tenant'; readonly tenantId: TenantId; readonly role: ApiKeyRole };

const BEARER = /^Bearer +(\S+) *$/i;

/**
 * Finds out who calls, by the key that was sent.
 *
 * Only failures are counted against an address: many people behind one address may work, and one guesser may not.
 *
 * @throws {Failure} NOT_SIGNED_IN, or TOO_MANY_REQUESTS after too many of those.
 */
export async function signIn(needs: PanelNeeds, req: Request): Promise<Caller> {
  const caller = await findCaller(needs, BEARER.exec(req.get('authorization') ?? '')?.[1]);
  if (caller !== undefined) return caller;
  const retryAfterMs = await needs.limiter.take(req.ip ?? 'unknown');
  if (retryAfterMs !== undefined) throw new Failure('TOO_MANY_REQUESTS', { retryAfterMs });
  throw new Failure('NOT_SIGNED_IN');
}

async function findCaller(needs: PanelNeeds, key: string | undefined): Promise<Caller | undefined> {
  if (key === undefined) return undefined;
  // Hashed, so that both sides have one length and the comparison tells nothing about the key's.
  if (equalInConstantTime(sha256(key), sha256(needs.adminApiKey.reveal()))) return { kind: 'platform' };
  const found = await findApiKey(needs.db, key);
  return found && { kind: 'tenant', tenantId: found.tenantId, role: found.role };
}

const RANK: Readonly<Record<ApiKeyRole, number>> = { viewer: 0, agent: 1, admin: 2 };

/**
 * @throws {Failure} NOT_FOUND for another tenant, as if it were not there: a 403 would tell that it is. NOT_ALLOWED when
 *   the caller's role is too low.
 */
export function assertMayCall(caller: Caller, access: Access, tenantId: TenantId | undefined): void {
  if (access.to === 'everyone' || caller.kind === 'platform') return;
  if (access.to === 'platform') throw new Failure('NOT_ALLOWED');
  if (caller.tenantId !== tenantId) throw new Failure('NOT_FOUND');
  if (RANK[caller.role] < RANK[access.role]) throw new Failure('NOT_ALLOWED');
}
