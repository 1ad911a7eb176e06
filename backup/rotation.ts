/** What rotation needs to know of a base backup. */
export interface Rotated {
  readonly label: string;
  readonly finishedAt: Date;
  /** The first segment of the log that it needs. */
  readonly firstSegment: number;
  readonly isVerified: boolean;
}

export interface RotationPlan {
  readonly remove: readonly string[];
  /** Segments before this one are needed by nobody. Undefined: none may go. */
  readonly logFrom: number | undefined;
}

const DAY_MS = 86_400_000;
/** 1970-01-05 was the first Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/**
 * Which base backups may go: all but the newest of each of the last days, and of each of the last weeks, that have one.
 *
 * The newest one and the newest one that was verified always stay. Days and weeks without a backup do not count, so that a
 * schedule that has stopped deletes nothing more. The log stays from the oldest backup of a day on; an older one of a week
 * brings what it needs to be restored as it was, and nothing after that.
 */
export function planRotation(
  bases: readonly Rotated[],
  keep: { readonly daily: number; readonly weekly: number },
): RotationPlan {
  const newestFirst = bases.toSorted((left, right) => right.finishedAt.getTime() - left.finishedAt.getTime());
  const withLog = new Set(
    [
      ...newestOfEach(newestFirst, (at) => Math.floor(at / DAY_MS)).slice(0, keep.daily),
      newestFirst[0],
      newestFirst.find((base) => base.isVerified),
    ].filter((base) => base !== undefined),
  );
  const weeks = newestOfEach(newestFirst, (at) => Math.floor((at - FIRST_MONDAY_MS) / (7 * DAY_MS)));
  const kept = new Set([...withLog, ...weeks.slice(0, keep.weekly)]);
  return {
    remove: newestFirst.filter((base) => !kept.has(base)).map(({ label }) => label),
    logFrom: withLog.size === 0 ? undefined : Math.min(...[...withLog].map(({ firstSegment }) => firstSegment)),
  };
}

function newestOfEach(newestFirst: readonly Rotated[], periodOf: (atMs: number) => number): readonly Rotated[] {
  const newest = new Map<number, Rotated>();
  for (const base of newestFirst) {
    const period = periodOf(base.finishedAt.getTime());
    if (!newest.has(period)) newest.set(period, base);
  }
  return [...newest.values()];
}
