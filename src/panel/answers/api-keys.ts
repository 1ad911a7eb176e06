import { sql } from 'kysely';
import { createApiKey as storeApiKey } from '../../tenants/api-key-store.ts';
import { ApiKeyListed, createApiKey, listApiKeys, revokeApiKey } from '../contract/api-keys.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { exactTime, olderThan, pageOf, rowsFor } from '../pages.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

export function apiKeyRoutes(): readonly Route[] {
  return [
    tenantRoute(createApiKey, async ({ tenantId, body, inTenant }) =>
      inTenant((tx) => storeApiKey(tx, tenantId, body)),
    ),
    tenantRoute(listApiKeys, async ({ tenantId, query: { cursor, limit }, inTenant }) => {
      const rows = await inTenant((tx) =>
        tx
          .selectFrom('api_key')
          .select(['id', 'name', 'role', 'created_at', 'revoked_at'])
          .select(exactTime('created_at').as('at'))
          .where('tenant_id', '=', tenantId)
          .where(olderThan(cursor, 'created_at', 'id'))
          .orderBy('created_at', 'desc')
          .orderBy('id', 'desc')
          .limit(rowsFor(limit))
          .execute(),
      );
      return pageOf(rows, {
        limit,
        placeOf: ({ at, id }) => ({ at, id }),
        itemOf: ({ id, name, role, created_at, revoked_at }) =>
          ApiKeyListed.parse({
            id,
            name,
            role,
            createdAt: created_at.toISOString(),
            revokedAt: revoked_at?.toISOString() ?? null,
          }),
      });
    }),
    tenantRoute(revokeApiKey, async ({ tenantId, params, inTenant }) => {
      const { numUpdatedRows } = await inTenant((tx) =>
        tx
          .updateTable('api_key')
          // The first revocation is the one that is remembered; a second one is no error.
          .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
          .where('tenant_id', '=', tenantId)
          .where('id', '=', params.apiKeyId)
          .executeTakeFirst(),
      );
      if (numUpdatedRows === 0n) throw new Failure('NOT_FOUND', params);
    }),
  ];
}
