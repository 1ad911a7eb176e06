import { z } from 'zod';
import { API_KEY_ROLES } from '../../tenants/api-key-store.ts';
import { instant, NO_ANSWER, NO_BODY, NOTHING, page, PageQuery, TenantParams, text } from './fields.ts';
import { operation, TENANT_ADMIN } from './operation.ts';

const ApiKey = z.object({ id: z.uuid(), name: z.string(), role: z.enum(API_KEY_ROLES) });
export const ApiKeyListed = ApiKey.extend({ createdAt: instant, revokedAt: instant.nullable() });

export const createApiKey = operation({
  id: 'createApiKey',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/api-keys',
  summary: 'Make a key that sees this tenant only.',
  description: 'The key is in this answer and nowhere else: only its hash is kept.',
  access: TENANT_ADMIN,
  params: TenantParams,
  query: NOTHING,
  body: z.strictObject({ name: text(200), role: z.enum(API_KEY_ROLES) }),
  status: 201,
  answer: ApiKey.extend({ key: z.string() }),
  failures: [],
});

export const listApiKeys = operation({
  id: 'listApiKeys',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/api-keys',
  summary: 'The keys of a tenant, newest first, revoked ones included; never the keys themselves.',
  access: TENANT_ADMIN,
  params: TenantParams,
  query: PageQuery,
  body: NO_BODY,
  status: 200,
  answer: page(ApiKeyListed),
  failures: ['CURSOR_NOT_VALID'],
});

export const revokeApiKey = operation({
  id: 'revokeApiKey',
  method: 'delete',
  path: '/api/v1/tenants/{tenantId}/api-keys/{apiKeyId}',
  summary: 'A key opens nothing from now on.',
  access: TENANT_ADMIN,
  params: TenantParams.extend({ apiKeyId: z.uuid() }),
  query: NOTHING,
  body: NO_BODY,
  status: 204,
  answer: NO_ANSWER,
  failures: [],
});
