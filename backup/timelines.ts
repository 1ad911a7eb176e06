import type { Archive, ArchivedLog, BaseManifest } from './archive.ts';
import { bytesOf, segmentNumber, timelineOf } from './wal-segments.ts';

/**
 * The way of the log to the newest timeline. A database that was restored to an earlier moment goes on from there on the next
 * timeline; what the one before wrote after that moment is in the archive, and leads nowhere.
 */
export interface Way {
  readonly timeline: number;
  /** Where each timeline on the way was left for a later one, as bytes of the log. */
  readonly leftAt: ReadonlyMap<number, bigint>;
}

/** The way to the newest timeline whose history was kept; without any, that of a server that was never restored. */
export async function findWay(archive: Pick<Archive, 'readLog'>, log: ArchivedLog): Promise<Way> {
  const newest = log.histories.at(-1);
  if (newest === undefined) return { timeline: 1, leftAt: new Map() };
  return { timeline: timelineOf(newest), leftAt: readHistory((await archive.readLog(newest)).toString()) };
}

/** Lines of: a timeline, where it was left, and why; others are comments. Source: src/backend/access/transam/timeline.c */
export function readHistory(text: string): ReadonlyMap<number, bigint> {
  const lines = text.split('\n').flatMap((line) => {
    const [, timeline, place] = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line) ?? [];
    return timeline === undefined || place === undefined ? [] : [[Number(timeline), bytesOf(place)] as const];
  });
  return new Map(lines);
}

/** Whether the log leads from this base backup on to the end of the way. A newer timeline than any known has no other way. */
export function isOnWay(way: Way, base: Pick<BaseManifest, 'timeline' | 'endLsn'>): boolean {
  if (base.timeline >= way.timeline) return true;
  const leftAt = way.leftAt.get(base.timeline);
  return leftAt !== undefined && bytesOf(base.endLsn) <= leftAt;
}

/**
 * Whether this segment is one of those that are read on the way. The one in which a timeline was left is read from the next
 * timeline, which has a copy of its beginning.
 */
export function isSegmentOnWay(way: Way, name: string, segmentBytes: number): boolean {
  const timeline = timelineOf(name);
  if (timeline >= way.timeline) return true;
  const leftAt = way.leftAt.get(timeline);
  return leftAt !== undefined && BigInt(segmentNumber(name, segmentBytes) + 1) * BigInt(segmentBytes) <= leftAt;
}
