import { z } from 'zod';
import { TenantSettings } from '../../tenants/tenants.ts';
import { TenantId } from '../../vocabulary/ids.ts';
import { instant, NO_BODY, NOTHING, page, PageQuery, TenantParams, text } from './fields.ts';
import { operation, PLATFORM, TENANT_ADMIN, TENANT_VIEWER } from './operation.ts';

const SLUG = /^[a-z0-9](-?[a-z0-9])*$/;

const Tenant = z.object({
  id: TenantId,
  slug: z.string(),
  name: z.string(),
  plan: z.string().nullable().describe('Null: no limits.'),
  locale: z.string(),
  timeZone: z.string(),
  createdAt: instant,
});
export type TenantAnswer = z.input<typeof Tenant>;

const NewTenant = z.strictObject({
  slug: z.string().min(1).max(63).regex(SLUG, 'must be lower-case letters, digits and single hyphens'),
  name: text(200),
  plan: text(100).optional(),
  locale: z
    .string()
    .max(35)
    .refine((tag) => isAccepted(() => new Intl.Locale(tag)), 'must be a language tag such as pt-BR')
    .optional(),
  timeZone: z
    .string()
    .max(64)
    .refine(
      (timeZone) => isAccepted(() => new Intl.DateTimeFormat('en', { timeZone })),
      'must be a time zone such as America/Sao_Paulo',
    )
    .optional(),
});

/** `Intl` is the judge of names, and says no by throwing. */
function isAccepted(use: () => unknown): boolean {
  try {
    use();
    return true;
  } catch {
    return false;
  }
}

/** The settings without their defaults: what a change does not name stays as it is. */
const SettingsChange = z.strictObject(
  Object.fromEntries(
    Object.entries(TenantSettings.shape).map(([name, setting]) => [name, setting.unwrap().optional()]),
  ),
);

export const createTenant = operation({
  id: 'createTenant',
  method: 'post',
  path: '/api/v1/tenants',
  summary: 'Make a tenant.',
  access: PLATFORM,
  params: NOTHING,
  query: NOTHING,
  body: NewTenant,
  status: 201,
  answer: Tenant,
  failures: ['ALREADY_EXISTS'],
});

export const listTenants = operation({
  id: 'listTenants',
  method: 'get',
  path: '/api/v1/tenants',
  summary: 'All tenants, newest first.',
  access: PLATFORM,
  params: NOTHING,
  query: PageQuery,
  body: NO_BODY,
  status: 200,
  answer: page(Tenant),
  failures: ['CURSOR_NOT_VALID'],
});

export const getTenant = operation({
  id: 'getTenant',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}',
  summary: 'One tenant.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: Tenant,
  failures: [],
});

export const getSettings = operation({
  id: 'getSettings',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/settings',
  summary: 'What the tenant has set, defaults included.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: TenantSettings,
  failures: [],
});

export const changeSettings = operation({
  id: 'changeSettings',
  method: 'patch',
  path: '/api/v1/tenants/{tenantId}/settings',
  summary: 'Change some settings; the others stay. Answers all of them.',
  description: 'A number is a limit, and 0 switches it off. Every process follows within five seconds.',
  access: TENANT_ADMIN,
  params: TenantParams,
  query: NOTHING,
  body: SettingsChange,
  status: 200,
  answer: TenantSettings,
  failures: [],
});
