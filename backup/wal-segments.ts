/** The names and numbers of PostgreSQL's log: a segment is named by timeline, then by its place in two halves of hex. */

const NAME = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/;
const LOG_BYTES = 0x1_0000_0000;

export function isSegmentName(name: string): boolean {
  return NAME.test(name);
}

export function isHistoryName(name: string): boolean {
  return /^[0-9A-F]{8}\.history$/.test(name);
}

/** Which segment of the log this is, from 0; the same on every timeline. */
export function segmentNumber(name: string, segmentBytes: number): number {
  const [, , log, segment] = NAME.exec(name) ?? [];
  if (log === undefined || segment === undefined) throw new Error(`${name} is not the name of a segment`);
  return parseInt(log, 16) * (LOG_BYTES / segmentBytes) + parseInt(segment, 16);
}

/** Where the log stands after this segment, as PostgreSQL writes a place of the log. */
export function endOfSegment(name: string, segmentBytes: number): string {
  return startOfSegment(segmentNumber(name, segmentBytes) + 1, segmentBytes);
}

export function startOfSegment(number: number, segmentBytes: number): string {
  const start = BigInt(number) * BigInt(segmentBytes);
  return `${(start >> 32n).toString(16)}/${(start & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

export function timelineOf(name: string): number {
  return parseInt(name.slice(0, 8), 16);
}

/** The segment in which this place of the log lies; the end of one belongs to it, and not to the next. */
export function segmentOfPlace(lsn: string, segmentBytes: number): number {
  const bytes = bytesOf(lsn);
  return Number((bytes === 0n ? 0n : bytes - 1n) / BigInt(segmentBytes));
}

/** A place of the log as the number of bytes before it. */
export function bytesOf(lsn: string): bigint {
  const [high = '', low = ''] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** The first segment that is missing after `from`, with others behind it; undefined when there is no gap. */
export function firstGap(from: number, present: readonly number[]): number | undefined {
  const later = new Set(present.filter((number) => number > from));
  const newest = Math.max(from, ...later);
  for (let number = from + 1; number <= newest; number += 1) if (!later.has(number)) return number;
  return undefined;
}
