import { DocumentId, newId } from '../../vocabulary/ids.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { createDocument, deleteDocument, DocumentListed, getDocument, listDocuments } from '../contract/knowledge.ts';
import type { PanelNeeds } from '../needs.ts';
import { exactTime, olderThan, pageOf, rowsFor } from '../pages.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

export function knowledgeRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    tenantRoute(createDocument, async ({ tenantId, body, inTenant }) => {
      const id = newId(DocumentId);
      await inTenant((tx) =>
        tx
          .insertInto('knowledge_document')
          .values({
            id,
            tenant_id: tenantId,
            title: body.title,
            text: body.text,
            valid_from: body.validFrom ?? null,
            valid_until: body.validUntil ?? null,
          })
          .execute(),
      );
      needs.bell.ringDocument(id);
      return { id, state: 'waiting' as const };
    }),
    tenantRoute(listDocuments, async ({ tenantId, query: { cursor, limit }, inTenant }) => {
      const rows = await inTenant((tx) =>
        tx
          .selectFrom('knowledge_document')
          .select(LISTED)
          .select(exactTime('created_at').as('at'))
          .where('tenant_id', '=', tenantId)
          .where(olderThan(cursor, 'created_at', 'id'))
          .orderBy('created_at', 'desc')
          .orderBy('id', 'desc')
          .limit(rowsFor(limit))
          .execute(),
      );
      return pageOf(rows, { limit, placeOf: ({ at, id }) => ({ at, id }), itemOf: listedFromRow });
    }),
    tenantRoute(getDocument, async ({ tenantId, params, inTenant }) => {
      const row = await inTenant((tx) =>
        tx
          .selectFrom('knowledge_document')
          .select([...LISTED, 'text'])
          .where('tenant_id', '=', tenantId)
          .where('id', '=', params.documentId)
          .executeTakeFirst(),
      );
      if (row === undefined) throw new Failure('NOT_FOUND', params);
      return { ...listedFromRow(row), text: row.text };
    }),
    tenantRoute(deleteDocument, async ({ tenantId, params, inTenant }) => {
      const { numDeletedRows } = await inTenant((tx) =>
        tx
          .deleteFrom('knowledge_document')
          .where('tenant_id', '=', tenantId)
          .where('id', '=', params.documentId)
          .executeTakeFirst(),
      );
      if (numDeletedRows === 0n) throw new Failure('NOT_FOUND', params);
    }),
  ];
}

const LISTED = ['id', 'title', 'state', 'failure', 'valid_from', 'valid_until', 'created_at', 'updated_at'] as const;

interface ListedRow {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly failure: string | null;
  readonly valid_from: Date | null;
  readonly valid_until: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

function listedFromRow(row: ListedRow): DocumentListed {
  return DocumentListed.parse({
    id: row.id,
    title: row.title,
    state: row.state,
    failure: row.failure,
    validFrom: row.valid_from?.toISOString() ?? null,
    validUntil: row.valid_until?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  });
}
