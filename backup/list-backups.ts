import type { Archive } from './archive.ts';
import { gapOf } from './restore.ts';
import { segmentNumber, segmentOfPlace } from './wal-segments.ts';

/** What there is, newest first, and how far the log behind each reaches. */
export async function listBackups(archive: Archive, say: (line: string) => void): Promise<void> {
  await archive.open();
  const [bases, log] = [await archive.bases(), await archive.log()];
  const newest = [...log.segments, ...log.partial].toSorted().at(-1);
  const oldest = log.segments[0];
  for (const { label, manifest, problem, verifiedAt } of bases) {
    if (manifest === undefined) {
      say(`${label}  ${problem ?? 'not finished'}`);
      continue;
    }
    const { segmentBytes, file, finishedAt, endLsn } = manifest;
    const next = segmentOfPlace(endLsn, segmentBytes) + 1;
    const hasLog = oldest !== undefined && segmentNumber(oldest, segmentBytes) <= next;
    const reach = !hasLog
      ? 'its own moment only'
      : gapOf(log, manifest) === undefined
        ? `any time since ${finishedAt.toISOString()}`
        : 'up to a gap in the log';
    const megabytes = (file.bytes / 1_048_576).toFixed(1);
    say(`${label}  ${megabytes} MiB  ${reach}${verifiedAt === undefined ? '' : '  verified'}`);
  }
  say(newest === undefined ? 'There is no log.' : `The log goes up to segment ${newest}.`);
}
