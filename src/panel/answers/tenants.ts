import type { Kysely } from 'kysely';
import { TenantSettings } from '../../tenants/tenants.ts';
import type { Tenant } from '../../tenants/tenants.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { TenantId } from '../../vocabulary/ids.ts';
import type { Schema, Tx } from '../../vocabulary/schema.ts';
import { changeSettings, createTenant, getSettings, getTenant, listTenants } from '../contract/tenants.ts';
import type { TenantAnswer } from '../contract/tenants.ts';
import type { PanelNeeds } from '../needs.ts';
import { exactTime, olderThan, pageOf, rowsFor } from '../pages.ts';
import { route, tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

export function tenantRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    route(createTenant, async ({ body }) => tenantAnswer(await needs.tenants.create(body))),
    route(listTenants, async ({ query }) => await tenantsPage(needs.db, query)),
    tenantRoute(getTenant, async ({ tenantId }) => tenantAnswer(await needs.tenants.get(tenantId))),
    tenantRoute(getSettings, async ({ tenantId, inTenant }) =>
      inTenant(async (tx) => await settingsOf(tx, tenantId, 'read')),
    ),
    tenantRoute(changeSettings, async ({ tenantId, body, inTenant }) =>
      inTenant(async (tx) => {
        const settings = TenantSettings.parse({ ...(await settingsOf(tx, tenantId, 'change')), ...body });
        await needs.tenants.saveSettings(tx, tenantId, settings);
        return settings;
      }),
    ),
  ];
}

function tenantAnswer(tenant: Tenant): TenantAnswer {
  return { ...tenant, plan: tenant.plan ?? null, createdAt: tenant.createdAt.toISOString() };
}

/** Read from the row, not from a cache, so that two changes at once lose nothing of each other. */
async function settingsOf(tx: Tx, tenantId: TenantId, intent: 'read' | 'change'): Promise<TenantSettings> {
  const query = tx.selectFrom('tenant').select('settings').where('id', '=', tenantId);
  const row = await (intent === 'change' ? query.forNoKeyUpdate() : query).executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { tenantId });
  return TenantSettings.parse(row.settings);
}

async function tenantsPage(db: Kysely<Schema>, { cursor, limit }: { cursor?: string | undefined; limit: number }) {
  const rows = await db
    .selectFrom('tenant')
    .select(['id', 'slug', 'name', 'plan', 'locale', 'time_zone', 'created_at'])
    .select(exactTime('created_at').as('at'))
    .where(olderThan(cursor, 'created_at', 'id'))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(rowsFor(limit))
    .execute();
  return pageOf(rows, {
    limit,
    placeOf: ({ at, id }) => ({ at, id }),
    itemOf: ({ id, slug, name, plan, locale, time_zone, created_at }) => ({
      id,
      slug,
      name,
      plan,
      locale,
      timeZone: time_zone,
      createdAt: created_at.toISOString(),
    }),
  });
}
