import { withSession } from './database-session.ts';

const QUERY_MS_MAX = 10_000;

/** What comes to a good end now and then, and is missed when it does not. */
export const RECORDED = ['base', 'verify', 'drill'] as const;
export type Recorded = (typeof RECORDED)[number];

/** Tells the workers, and by them the metrics, that it has just come to a good end. Safe to repeat. */
export async function recordSuccess(databaseUrl: string, kind: Recorded): Promise<void> {
  await withSession(databaseUrl, QUERY_MS_MAX, async (session) => {
    await session.query(RECORD, [kind, null]);
  });
}

/** The first value is the kind, the second the time, or null for now. */
export const RECORD = `insert into backup_record (kind, succeeded_at)
  values ($1, coalesce($2::timestamptz, clock_timestamp()))
  on conflict (kind) do update set succeeded_at = greatest(backup_record.succeeded_at, excluded.succeeded_at)`;
