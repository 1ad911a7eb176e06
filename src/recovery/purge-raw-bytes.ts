import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { Schema } from '../vocabulary/schema.ts';

/** Raw webhooks help to find out what a fork really sends. After this they are only personal data without a use. */
const RAW_KEPT_DAYS = 30;
/** One statement clears this many, so that it never holds many rows for long. */
const ROWS_PER_STEP = 1_000;

/** Forgets the bytes of old webhooks and keeps that they came. Returns how many it cleared; safe to run anywhere, any time. */
export async function purgeRawBytes(db: Kysely<Schema>): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    update inbound_event set raw = null where id in (
      select id from inbound_event where raw is not null and received_at < now() - ${RAW_KEPT_DAYS} * interval '1 day'
       order by received_at limit ${ROWS_PER_STEP} for no key update skip locked)`.execute(db);
  return Number(numAffectedRows);
}
