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
 * The newest one, the newest one that was verified and all that are less than a day older than the newest always stay: what
 * was broken an hour ago may be whole only in the backup before that. Days and weeks without a backup do not count, so that a
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
      ...newestFirst.filter((base) => isYoung(base, newestFirst)),
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

function isYoung({ finishedAt }: Rotated, [newest]: readonly Rotated[]): boolean {
  return newest !== undefined && newest.finishedAt.getTime() - finishedAt.getTime() < DAY_MS;
}

/** What to say of a verification that was so long ago that the log since then is kept for its sake alone. */
export function overdueVerification(
  verified: readonly { readonly label: string; readonly finishedAt: Date }[],
  { daily, now }: { readonly daily: number; readonly now: Date },
): string | undefined {
  const newest = verified.toSorted((left, right) => right.finishedAt.getTime() - left.finishedAt.getTime())[0];
  if (newest === undefined || now.getTime() - newest.finishedAt.getTime() <= 2 * daily * DAY_MS) return undefined;
  return `Nothing newer than ${newest.label} was verified, so all of the log since then is kept: npm run backup -- verify`;
}

function newestOfEach(newestFirst: readonly Rotated[], periodOf: (atMs: number) => number): readonly Rotated[] {
  const newest = new Map<number, Rotated>();
  for (const base of newestFirst) {
    const period = periodOf(base.finishedAt.getTime());
    if (!newest.has(period)) newest.set(period, base);
  }
  return [...newest.values()];
}
