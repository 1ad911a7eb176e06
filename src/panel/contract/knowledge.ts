import { z } from 'zod';
import { DocumentId } from '../../vocabulary/ids.ts';
import { givenInstant, instant, NO_ANSWER, NO_BODY, NOTHING, page, PageQuery, TenantParams, text } from './fields.ts';
import { operation, TENANT_ADMIN, TENANT_VIEWER } from './operation.ts';

/** As long as a request's body may be. */
const TEXT_CHARACTERS_MAX = 1_048_576;

const DocumentParams = TenantParams.extend({ documentId: DocumentId });
const DocumentState = z.enum(['waiting', 'indexing', 'ready', 'failed']);

export const DocumentListed = z.object({
  id: DocumentId,
  title: z.string(),
  state: DocumentState,
  failure: z.string().nullable().describe('Why it failed.'),
  validFrom: instant.nullable(),
  validUntil: instant.nullable(),
  createdAt: instant,
  updatedAt: instant,
});

export type DocumentListed = z.infer<typeof DocumentListed>;

const NewDocument = z
  .strictObject({
    title: text(300),
    text: text(TEXT_CHARACTERS_MAX).refine((it) => it.trim() !== '', 'must hold more than white space'),
    validFrom: givenInstant.optional(),
    validUntil: givenInstant.optional(),
  })
  .refine(
    ({ validFrom, validUntil }) => validFrom === undefined || validUntil === undefined || validFrom < validUntil,
    { path: ['validUntil'], error: 'must be after validFrom' },
  );

export const createDocument = operation({
  id: 'createDocument',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/knowledge/documents',
  summary: 'Teach the bot a document.',
  description:
    'The document comes as text. It is answered from once its state is `ready`, and only between `validFrom` and `validUntil`.',
  access: TENANT_ADMIN,
  params: TenantParams,
  query: NOTHING,
  body: NewDocument,
  status: 202,
  answer: z.object({ id: DocumentId, state: DocumentState }),
  failures: [],
});

export const listDocuments = operation({
  id: 'listDocuments',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/knowledge/documents',
  summary: 'The documents of a tenant, newest first, without their text.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: PageQuery,
  body: NO_BODY,
  status: 200,
  answer: page(DocumentListed),
  failures: ['CURSOR_NOT_VALID'],
});

export const getDocument = operation({
  id: 'getDocument',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/knowledge/documents/{documentId}',
  summary: 'One document with its text.',
  access: TENANT_VIEWER,
  params: DocumentParams,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: DocumentListed.extend({ text: z.string().nullable() }),
  failures: [],
});

export const deleteDocument = operation({
  id: 'deleteDocument',
  method: 'delete',
  path: '/api/v1/tenants/{tenantId}/knowledge/documents/{documentId}',
  summary: 'Forget a document at once.',
  access: TENANT_ADMIN,
  params: DocumentParams,
  query: NOTHING,
  body: NO_BODY,
  status: 204,
  answer: NO_ANSWER,
  failures: [],
});
