import { z } from 'zod';
import { FAILURES } from '../vocabulary/failures.ts';
import type { FailureCode } from '../vocabulary/failures.ts';
import { failuresOf, OPERATIONS, takesBody } from './contract.ts';
import { NO_ANSWER } from './contract/fields.ts';
import type { Access, Operation } from './contract/operation.ts';

/** The OpenAPI 3.1 document of the API for people, made from the contract alone. */
export function openApiDocument(): Record<string, unknown> {
  const byPath = Map.groupBy(OPERATIONS, (it) => it.path);
  const paths = [...byPath].map(([path, operations]) => [
    path,
    Object.fromEntries(operations.map((it) => [it.method, describe(it)])),
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Plantão',
      version: '1',
      description:
        'The API for people. Times are ISO 8601 in UTC. Errors are RFC 9457 problem documents. Every response carries X-Request-Id.',
    },
    paths: Object.fromEntries(paths),
    components: {
      schemas: { Problem: jsonSchema(Problem, 'output') },
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description:
            'The platform’s key, or a key of the tenant in the path: viewers read, agents act, admins change.',
        },
      },
    },
  };
}

const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  requestId: z.string(),
});

function describe(operation: Operation): Record<string, unknown> {
  const text = [operation.description, whoMayCall(operation.access)].filter((it) => it !== undefined).join('\n\n');
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: text,
    security: operation.access.to === 'everyone' ? [] : [{ apiKey: [] }],
    parameters: [...parameters(operation.params, 'path'), ...parameters(operation.query, 'query')],
    ...(takesBody(operation) ? { requestBody: requestBody(operation.body) } : {}),
    responses: { [operation.status]: success(operation), ...problems(failuresOf(operation)) },
  };
}

function whoMayCall(access: Access): string {
  switch (access.to) {
    case 'everyone':
      return 'Needs no key.';
    case 'platform':
      return 'For the platform’s key.';
    case 'tenant':
      return `For the platform’s key and the tenant’s keys, role ${access.role} or above.`;
  }
}

const ObjectSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })).default({}),
  required: z.array(z.string()).default([]),
});

function parameters(schema: z.ZodType, place: 'path' | 'query'): readonly Record<string, unknown>[] {
  const { properties, required } = ObjectSchema.parse(jsonSchema(schema, 'input'));
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
  }));
}

function requestBody(body: z.ZodType): Record<string, unknown> {
  return {
    // Without a body a call is read as one with an empty object.
    required: !body.safeParse({}).success,
    content: { 'application/json': { schema: jsonSchema(body, 'input') } },
  };
}

function success(operation: Operation): Record<string, unknown> {
  if (operation.answer === NO_ANSWER) return { description: 'Done.' };
  return {
    description: operation.summary,
    content: { 'application/json': { schema: jsonSchema(operation.answer, 'output') } },
  };
}

/** One response a status; its description names the codes that it may carry. */
function problems(codes: readonly FailureCode[]): Record<string, unknown> {
  const byStatus = Map.groupBy(new Set(codes), (code) => FAILURES[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      status,
      {
        description: ofStatus.map((code) => `\`${code}\`: ${FAILURES[code].publicText}`).join('\n\n'),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

/** Draft 2020-12 is what OpenAPI 3.1 speaks, so a schema needs no dialect of its own. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const described = z.toJSONSchema(schema, {
    io,
    // A named format says it already; the pattern behind it is only long.
    override: ({ jsonSchema: part }) => {
      if (part.format !== undefined) delete part.pattern;
    },
  });
  delete described.$schema;
  return described;
}
