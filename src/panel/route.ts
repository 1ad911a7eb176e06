import type { z } from 'zod';
import { RequestNotValid } from '../platform/problem.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { TenantId } from '../vocabulary/ids.ts';
import type { Tx } from '../vocabulary/schema.ts';
import type { Operation } from './contract/operation.ts';

/** An operation and who answers it, with the types of the two already checked against each other. */
export interface Route {
  readonly operation: Operation;
  readonly answer: (request: UnparsedRequest) => Promise<unknown>;
}

export interface UnparsedRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly publicUrl: string;
  /** Runs in a transaction that sees this tenant's rows only. */
  readonly asTenant: <Result>(tenantId: TenantId, work: (tx: Tx) => Promise<Result>) => Promise<Result>;
}

export interface Call<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly publicUrl: string;
}

/** A call about one tenant. Its only way to the database is a transaction that sees nobody else's rows. */
export interface TenantCall<Params, Query, Body> extends Call<Params, Query, Body> {
  readonly tenantId: TenantId;
  readonly inTenant: <Result>(work: (tx: Tx) => Promise<Result>) => Promise<Result>;
}

export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  operation: Operation<P, Q, B, A>,
  answer: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<A>>,
): Route {
  return {
    operation,
    // The answer goes through the contract as well: a field that it does not name never leaves.
    answer: async (request) => operation.answer.parse(await answer(parsedCall(operation, request))),
  };
}

export function tenantRoute<
  P extends z.ZodType<{ tenantId: TenantId }>,
  Q extends z.ZodType,
  B extends z.ZodType,
  A extends z.ZodType,
>(
  operation: Operation<P, Q, B, A>,
  answer: (call: TenantCall<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<A>>,
): Route {
  return {
    operation,
    answer: async (request) => {
      const call = parsedCall(operation, request);
      const { tenantId } = call.params;
      const inTenant = <Result>(work: (tx: Tx) => Promise<Result>) => request.asTenant(tenantId, work);
      return operation.answer.parse(await answer({ ...call, tenantId, inTenant }));
    },
  };
}

function parsedCall<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  operation: Operation<P, Q, B>,
  request: UnparsedRequest,
): Call<z.output<P>, z.output<Q>, z.output<B>> {
  // Path parameters are ids. What is not an id names nothing.
  const params = operation.params.safeParse(request.params);
  if (!params.success) throw new Failure('NOT_FOUND');
  const query = operation.query.safeParse(request.query);
  const body = operation.body.safeParse(request.body);
  if (query.success && body.success) {
    return { params: params.data, query: query.data, body: body.data, publicUrl: request.publicUrl };
  }
  throw new RequestNotValid([...problemsIn('query', query.error), ...problemsIn('body', body.error)]);
}

function problemsIn(part: string, error: z.ZodError | undefined): readonly string[] {
  return error?.issues.map((issue) => `${[part, ...issue.path].join('.')}: ${issue.message}`) ?? [];
}
