import path from 'node:path';
import type { Client } from 'pg';
import type { Archive, BaseManifest } from './archive.ts';
import { askOne, factsOf, keepSession, timeOf, withSession } from './database-session.ts';
import { connectionOf, findPostgresTools, startTool } from './postgres-tools.ts';
import { overdueVerification, planRotation } from './rotation.ts';
import { segmentNumber, segmentOfPlace } from './wal-segments.ts';

export interface BaseBackupNeeds {
  readonly archive: Archive;
  /** As somebody who may replicate. */
  readonly replicationUrl: string;
  readonly postgresBin: string | undefined;
  readonly keep: { readonly daily: number; readonly weekly: number };
  readonly say: (line: string) => void;
}

/** A whole copy of a large database takes hours; one that takes longer than this has stopped. */
const BASE_BACKUP_MS_MAX = 12 * 3_600_000;
const QUERY_MS_MAX = 60_000;
/** `plantao backup`, as a number for a lock of the server: two copies at once would only make each other slow. */
const LOCK = 0x706c_616e;
/** An unfinished backup that is older than any that may still run. */
const ABANDONED_AFTER_MS = 2 * BASE_BACKUP_MS_MAX;

/** The name that every backup of a moment has. */
export function labelOf(at: Date): string {
  return `${at.toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
}

/**
 * Copies the whole cluster while it works, compressed and sealed, then lets go what the rotation lets go.
 *
 * The copy brings the part of the log that it needs to be whole. For any later moment the log must be streamed, too.
 *
 * @throws leaving what was copied without a manifest, so that it does not count.
 */
export async function takeBaseBackup(needs: BaseBackupNeeds): Promise<BaseManifest> {
  await needs.archive.open();
  const manifest = await withSession(needs.replicationUrl, QUERY_MS_MAX, async (session) => {
    if ((await askOne(session, 'select pg_try_advisory_lock($1)', [LOCK])) !== true) {
      throw new Error('Another base backup of this database is under way');
    }
    await keepSession(session);
    const manifest = await copy(needs, session);
    await rotate(needs, manifest);
    return manifest;
  });
  await withSession(needs.replicationUrl, QUERY_MS_MAX, (session) => warnOfMissingLog(needs, session));
  return manifest;
}

async function copy(needs: BaseBackupNeeds, session: Client): Promise<BaseManifest> {
  const { archive, say } = needs;
  const facts = await factsOf(session);
  const tools = findPostgresTools(facts.major, needs.postgresBin);
  const label = labelOf(facts.now);
  const { dbname, environment } = connectionOf(needs.replicationUrl);
  const { output, ended, child } = startTool({
    program: path.join(tools.folder, 'pg_basebackup'),
    arguments: ['-d', dbname, '-D', '-', '-Ft', '-X', 'fetch', '-c', 'fast', '-w', '-v', '--manifest-checksums=SHA256'],
    environment,
    withinMs: BASE_BACKUP_MS_MAX,
  });
  let file: BaseManifest['file'];
  let said: string;
  try {
    file = await archive.writeBase(label, output);
    said = await ended;
  } catch (error) {
    child.kill('SIGKILL');
    // Its own words say more than the broken pipe.
    await ended.catch((reason: unknown) => {
      throw new Error('The base backup failed', { cause: reason });
    });
    throw error;
  }
  const [, startLsn, timeline] = /start point: ([0-9A-F]+\/[0-9A-F]+) on timeline (\d+)/.exec(said) ?? [];
  const [, endLsn] = /end point: ([0-9A-F]+\/[0-9A-F]+)/.exec(said) ?? [];
  if (startLsn === undefined || endLsn === undefined)
    throw new Error(`pg_basebackup did not say what it copied: ${said}`);
  const manifest: BaseManifest = {
    label,
    startedAt: facts.now,
    // The session from before has been idle for as long as the copy took, and may have been cut.
    finishedAt: await withSession(needs.replicationUrl, QUERY_MS_MAX, timeOf),
    systemIdentifier: facts.systemIdentifier,
    serverVersion: facts.version,
    database: facts.database,
    superuser: facts.superuser,
    segmentBytes: facts.segmentBytes,
    timeline: Number(timeline),
    startLsn,
    endLsn,
    file,
  };
  await archive.finishBase(manifest);
  const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
  say(`Base backup ${label}: ${megabytes(file.plainBytes)}, ${megabytes(file.bytes)} compressed and sealed`);
  return manifest;
}

/** What goes, goes after the new backup is whole, so that there is never less than there was. */
async function rotate({ archive, keep, say }: BaseBackupNeeds, newest: BaseManifest): Promise<void> {
  const found = await archive.bases();
  for (const { label, problem } of found) if (problem !== undefined) say(`${label} is left alone: ${problem}`);
  const bases = found.flatMap(({ manifest, verifiedAt }) =>
    manifest === undefined
      ? []
      : [
          {
            label: manifest.label,
            finishedAt: manifest.finishedAt,
            firstSegment: segmentOfPlace(manifest.startLsn, manifest.segmentBytes),
            isVerified: verifiedAt !== undefined,
          },
        ],
  );
  const plan = planRotation(bases, keep);
  const overdue = overdueVerification(
    bases.filter(({ isVerified }) => isVerified),
    { daily: keep.daily, now: newest.finishedAt },
  );
  if (overdue !== undefined) say(overdue);
  const abandoned = found.filter(
    ({ manifest, problem, label }) => manifest === undefined && problem === undefined && isAbandoned(label, newest),
  );
  for (const label of [...plan.remove, ...abandoned.map((base) => base.label)]) {
    await archive.removeBase(label);
    say(`Removed ${label}`);
  }
  // A backup that cannot be read now may be readable with another key, and would need its log.
  if (plan.logFrom === undefined || found.some(({ problem }) => problem !== undefined)) return;
  const { segments } = await archive.log();
  const { segmentBytes } = newest;
  const before = plan.logFrom;
  const old = segments.filter((name) => segmentNumber(name, segmentBytes) < before);
  for (const name of old) await archive.removeLog(name);
  if (old.length > 0) say(`Removed ${old.length} segments of the log, up to ${old.at(-1) ?? ''}`);
}

function isAbandoned(label: string, newest: BaseManifest): boolean {
  return label < labelOf(new Date(newest.finishedAt.getTime() - ABANDONED_AFTER_MS));
}

async function warnOfMissingLog({ say }: BaseBackupNeeds, session: Client): Promise<void> {
  const isStreamed = await askOne(
    session,
    `select current_setting('archive_mode') <> 'off'
         or exists (select from pg_replication_slots where slot_name = 'plantao_backup_stream' and active)`,
  );
  if (isStreamed !== true) {
    say('Nobody keeps the log of this database: only the moment of this backup can be restored.');
    say('Run `npm run backup -- wal` beside the database, always.');
  }
}
