import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { Gauge } from 'prom-client';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import type { Schema } from '../vocabulary/schema.ts';

const lastSuccess = new Gauge({
  name: 'plantao_backup_last_success_timestamp_seconds',
  help: 'When a base backup, a verification or a drill last came to a good end; absent when none ever did.',
  labelNames: ['kind'],
  registers: [registry],
});
const archiveLag = new Gauge({
  name: 'plantao_wal_archive_lag_seconds',
  help: 'Age of the oldest log of the database that is in no archive; absent when nobody archives it.',
  registers: [registry],
});
// A gauge without labels begins as 0, and 0 would say that all is well.
archiveLag.remove();

/**
 * Older than this the deep check warns, and the alerts BackupOld and BackupUnverified fire: a backup a day may fail once and
 * be late, a proof a week may be a day late.
 */
export const BASE_BACKUP_HOURS_MAX = 36;
export const VERIFIED_HOURS_MAX = 8 * 24;
const MEASURED_EVERY_MS = 15_000;

/** Tells how old the backups are, from what `npm run backup` has recorded and from the server's own archiver. */
export class BackupMeter {
  readonly #db: Kysely<Schema>;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  /** While the database is slow, rounds do not pile up. */
  #measuring: Promise<void> | undefined;

  constructor(parts: { db: Kysely<Schema>; log: Logger }) {
    this.#db = parts.db;
    this.#log = parts.log;
    this.#timer = setInterval(() => {
      this.#measuring ??= this.measure().finally(() => (this.#measuring = undefined));
    }, MEASURED_EVERY_MS);
    this.#timer.unref();
  }

  /** Never rejects: a figure that cannot be had keeps its last value. */
  async measure(): Promise<void> {
    try {
      const records = await this.#db.selectFrom('backup_record').selectAll().execute();
      for (const { kind, succeeded_at: at } of records) {
        if (kind !== 'wal') lastSuccess.set({ kind }, at.getTime() / 1_000);
      }
      const lag = await measureLag(this.#db);
      if (lag === undefined) archiveLag.remove();
      else archiveLag.set(lag);
    } catch (error) {
      this.#log.debug({ err: error }, 'The age of the backups could not be measured');
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#measuring;
  }
}

/** What the end of one segment and the beginning of the next write by themselves, when nobody does anything. */
const NOTHING_BYTES = 8_192;

/**
 * The lag of `npm run backup -- wal`, which records up to when all is archived, or of the server's own archiver, which may be
 * idle for long when nothing is written: then a segment that has hardly begun is no lag. Of two the better one counts: what
 * one of them has is safe.
 */
async function measureLag(db: Kysely<Schema>): Promise<number | undefined> {
  const { rows } = await sql<{ lag: number | null }>`
    with position as (
      select pg_current_wal_lsn() as at, pg_size_bytes(current_setting('wal_segment_size')) as bytes
    ), archiver as (
      select a.*, a.last_archived_wal is not null
               and pg_walfile_name(p.at - p.bytes) <= a.last_archived_wal
               and (p.at - '0/0'::pg_lsn) % p.bytes < ${NOTHING_BYTES} as is_idle
        from pg_stat_archiver a, position p
    )
    select least(
      (select extract(epoch from clock_timestamp() - succeeded_at)::float8 from backup_record where kind = 'wal'),
      (select case when is_idle then 0
                   else extract(epoch from clock_timestamp() - coalesce(last_archived_time, stats_reset)) end::float8
         from archiver where current_setting('archive_mode') <> 'off')) as lag`.execute(db);
  return rows[0]?.lag ?? undefined;
}
