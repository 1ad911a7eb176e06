import type { z } from 'zod';
import type { ApiKeyRole } from '../../tenants/api-key-store.ts';
import type { FailureCode } from '../../vocabulary/failures.ts';

/**
 * One call of the API, as its caller knows it. The route, its checks and its page in the OpenAPI document are all made
 * from this, so they cannot say different things.
 */
export interface Operation<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly id: string;
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** With `{name}` for each path parameter. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly params: Params;
  readonly query: Query;
  /** Of what `NO_BODY` describes nothing is read. */
  readonly body: Body;
  readonly status: 200 | 201 | 202 | 204;
  readonly answer: Answer;
  /** Beside those that every call of its kind may answer with: see `failuresOf`. */
  readonly failures: readonly FailureCode[];
}

/**
 * Who may call. `platform`: the platform's key alone. `tenant`: the platform's key and the keys of the tenant in the
 * path, from this role upwards.
 */
export type Access =
  { readonly to: 'everyone' } | { readonly to: 'platform' } | { readonly to: 'tenant'; readonly role: ApiKeyRole };

export const EVERYONE: Access = { to: 'everyone' };
export const PLATFORM: Access = { to: 'platform' };
export const TENANT_VIEWER: Access = { to: 'tenant', role: 'viewer' };
export const TENANT_AGENT: Access = { to: 'tenant', role: 'agent' };
export const TENANT_ADMIN: Access = { to: 'tenant', role: 'admin' };

/** Fixes the types of an operation without writing them. */
export function operation<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
>(described: Operation<Params, Query, Body, Answer>): Operation<Params, Query, Body, Answer> {
  return described;
}
