import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { DocumentId, newId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { splitIntoPassages } from './knowledge.ts';
import type { FoundPassage } from './knowledge.ts';

/** A question longer than this is searched by its beginning and its end; the middle of an essay adds noise and cost. */
const QUESTION_CHARACTERS_MAX = 600;
const PASSAGES_FOUND = 4;
/** Different words of a question that count. */
const LEXEMES_MAX = 32;
/** Below this trigrams are chance. */
const SIMILARITY_MIN = 0.3;

/**
 * Finds what a tenant knows about a question: Portuguese full text without accents, weighted by how rare a word is among
 * the tenant's passages, plus trigrams of the title, so that a misspelt word still counts.
 *
 * The score says how much of the question a passage covers, each word counted by its rarity, so that it can be compared
 * between questions. Best first; expired passages are never found.
 */
export async function findPassages(
  db: Kysely<Schema>,
  tenantId: TenantId,
  question: string,
): Promise<readonly FoundPassage[]> {
  const { rows } = await sql<{ document_id: string; title: string; text: string; score: number }>`
    with question as materialized (
      select to_tsvector('plantao_portuguese', ${shortened(question)}) as words, plantao_fold(${shortened(question)}) as folded
    ), asked as materialized (
      select lexeme, ('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery as query
        from question, unnest(question.words) limit ${sql.lit(LEXEMES_MAX)}
    ), own as materialized (
      select p.id, p.words, p.title_words, word_similarity(p.folded_title, question.folded) as likeness from passage p, question
       where p.tenant_id = ${tenantId} and (valid_from is null or valid_from <= now()) and (valid_until is null or valid_until > now())
    ), hit as materialized (
      select own.id, asked.lexeme, own.title_words @@ asked.query as in_title from asked join own on own.words @@ asked.query
    ), rarity as materialized (
      select asked.lexeme, ln(1 + ((select count(*) from own) - count(hit.id) + 0.5) / (count(hit.id) + 0.5))::float8 as weight
        from asked left join hit using (lexeme) group by asked.lexeme
    ), covered as (
      select hit.id, sum(rarity.weight * case when hit.in_title then 1.15 else 1 end) / (select sum(weight) from rarity) as share
        from hit join rarity using (lexeme) group by hit.id
    ), best as (
      select own.id, least(1, coalesce(covered.share, 0) * 0.85 + own.likeness * 0.15)::float8 as score
        from own left join covered using (id) where covered.id is not null or own.likeness > ${sql.lit(SIMILARITY_MIN)}
       order by score desc, own.id limit ${sql.lit(PASSAGES_FOUND)}
    )
    select p.document_id, p.title, p.text, best.score from best join passage p using (id) order by best.score desc, p.id`.execute(
    db,
  );
  return rows.map((row) => ({
    documentId: DocumentId.parse(row.document_id),
    title: row.title,
    text: row.text,
    score: row.score,
  }));
}

/** What `index-document` found to do. */
export type IndexOutcome = 'ready' | 'nothing-to-do';

/**
 * Cuts a document into passages and puts them in the place of its earlier ones, whole.
 *
 * Safe to run again: it starts from the document's text, and takes the document's row so that two runs do not mix.
 */
export async function indexDocument(db: Kysely<Schema>, documentId: DocumentId): Promise<IndexOutcome> {
  return await db.transaction().execute(async (tx) => {
    const document = await tx
      .selectFrom('knowledge_document')
      .selectAll()
      .where('id', '=', documentId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (document === undefined || document.text === null || document.state === 'ready') return 'nothing-to-do';
    await tx.deleteFrom('passage').where('document_id', '=', documentId).execute();
    const passages = splitIntoPassages(document.text).map((text, ordinal) => ({
      id: newId(DocumentId),
      tenant_id: TenantId.parse(document.tenant_id),
      document_id: documentId,
      ordinal,
      title: document.title,
      text,
      valid_from: document.valid_from,
      valid_until: document.valid_until,
    }));
    if (passages.length > 0) await tx.insertInto('passage').values(passages).execute();
    await tx
      .updateTable('knowledge_document')
      .set({ state: 'ready', failure: null, updated_at: sql<Date>`now()` })
      .where('id', '=', documentId)
      .execute();
    return 'ready';
  });
}

/** Documents that nobody has indexed for a while: their job was lost, or its worker died. */
export async function findForgottenDocuments(db: Kysely<Schema>, olderThanMs: number): Promise<readonly DocumentId[]> {
  const rows = await db
    .selectFrom('knowledge_document')
    .select('id')
    .where('state', 'in', ['waiting', 'indexing'])
    .where('updated_at', '<', sql<Date>`now() - ${olderThanMs} * interval '1 millisecond'`)
    .orderBy('updated_at')
    .limit(100)
    .execute();
  return rows.map((row) => DocumentId.parse(row.id));
}

function shortened(question: string): string {
  if (question.length <= QUESTION_CHARACTERS_MAX) return question;
  const half = QUESTION_CHARACTERS_MAX / 2;
  return `${question.slice(0, half)} ${question.slice(-half)}`;
}

/** A document that gave up is indexed once more. */
export async function reviveDocument(tx: Tx, documentId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('knowledge_document')
    .set({ state: 'waiting', failure: null, updated_at: sql<Date>`now()` })
    .where('id', '=', documentId)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
