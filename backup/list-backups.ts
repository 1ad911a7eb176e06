import { systemClock } from '../src/platform/time.ts';
import type { Archive, ArchivedLog, BaseManifest } from './archive.ts';
import { gapOf } from './restore.ts';
import { overdueVerification } from './rotation.ts';
import { findWay, isOnWay } from './timelines.ts';
import type { Way } from './timelines.ts';
import { segmentNumber, segmentOfPlace } from './wal-segments.ts';

/** What there is, newest first, and how far the log behind each reaches. */
export async function listBackups(archive: Archive, daily: number, say: (line: string) => void): Promise<void> {
  await archive.open();
  const bases = await archive.bases();
  const log = await archive.log();
  const way = await findWay(archive, log);
  const newest = [...log.segments, ...log.partial].toSorted().at(-1);
  for (const { label, manifest, problem, verifiedAt } of bases) {
    if (manifest === undefined) {
      say(`${label}  ${problem ?? 'not finished'}`);
      continue;
    }
    const megabytes = (manifest.file.bytes / 1_048_576).toFixed(1);
    say(`${label}  ${megabytes} MiB  ${reachOf(log, way, manifest)}${verifiedAt === undefined ? '' : '  verified'}`);
  }
  const verified = bases.flatMap(({ manifest, verifiedAt }) => (verifiedAt === undefined ? [] : (manifest ?? [])));
  const overdue = overdueVerification(verified, { daily, now: systemClock.now() });
  if (overdue !== undefined) say(overdue);
  say(newest === undefined ? 'There is no log.' : `The log goes up to segment ${newest}.`);
}

function reachOf(log: ArchivedLog, way: Way, base: BaseManifest): string {
  if (!isOnWay(way, base)) return 'of a history that a restore has left behind';
  const oldest = log.segments[0];
  const next = segmentOfPlace(base.endLsn, base.segmentBytes) + 1;
  if (oldest === undefined || segmentNumber(oldest, base.segmentBytes) > next) return 'its own moment only';
  return gapOf(log, way, base) === undefined
    ? `any time since ${base.finishedAt.toISOString()}`
    : 'up to a gap in the log';
}
