import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';

/** Attempts kept in a row's history. */
const HISTORY_MAX = 20;

/** The assignment that appends to a row's history and keeps the newest entries. */
export function historyEntry(what: string, why: string): RawBuilder<unknown> {
  return sql`history = (case when jsonb_array_length(history) >= ${HISTORY_MAX} then history - 0 else history end)
    || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'what', ${what}::text, 'why', ${why}::text))`;
}
