import { LRUCache } from 'lru-cache';
import { IANAZone } from 'luxon';
import { WEEKDAYS } from '../vocabulary/business-calendar.ts';
import type { BusinessCalendarSetting } from '../vocabulary/business-calendar.ts';
import { holidaysOf } from './holidays.ts';

/** A time that does not count. Without an end it is still going on. */
export interface Pause {
  readonly from: Date;
  readonly to?: Date | undefined;
}

/**
 * When people are there.
 *
 * An instant is open when the wall clock of the time zone then shows a time inside an interval of that date, and no pause
 * holds. So on the day on which clocks go back an hour that is worked counts twice, and one that is skipped not at all.
 */
export interface BusinessCalendar extends Omit<BusinessCalendarSetting, 'timeZone'> {
  readonly timeZone: string;
  readonly pauses?: readonly Pause[];
}

/** Nobody's deadline is further away than this, and a calendar that stays closed for so long never opens. */
const HORIZON_MS = 1_100 * 86_400_000;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

const ALL_DAY = [{ from: '00:00', to: '24:00' }];

/** The calendar that a tenant has set; around the clock where none is. */
export function businessCalendarOf(setting: BusinessCalendarSetting | null, timeZone: string): BusinessCalendar {
  if (setting === null) return aroundTheClock(timeZone);
  return { ...setting, timeZone: setting.timeZone ?? timeZone };
}

function aroundTheClock(timeZone: string): BusinessCalendar {
  return {
    timeZone,
    week: {
      sunday: ALL_DAY,
      monday: ALL_DAY,
      tuesday: ALL_DAY,
      wednesday: ALL_DAY,
      thursday: ALL_DAY,
      friday: ALL_DAY,
      saturday: ALL_DAY,
    },
    holidays: { national: false, optionalDays: false, own: [] },
  };
}

/** Whether people are there at this instant. */
export function isOpenAt(calendar: BusinessCalendar, at: Date): boolean {
  return !openSpans(calendar, { from: at.getTime(), to: at.getTime() + 1 }).next().done;
}

/** The first instant from `at` on at which people are there: `at` itself when they are. Undefined: not within three years. */
export function nextOpening(calendar: BusinessCalendar, at: Date): Date | undefined {
  const from = at.getTime();
  const first = openSpans(calendar, { from, to: from + HORIZON_MS }).next();
  return first.done === true ? undefined : new Date(first.value.from);
}

/**
 * The first instant by which `ms` of open time have passed since `from`. Undefined: not within three years.
 *
 * What ends exactly with an interval ends then, not when people come back.
 */
export function addOpenMs(calendar: BusinessCalendar, from: Date, ms: number): Date | undefined {
  if (ms <= 0) return from;
  const start = from.getTime();
  let left = ms;
  for (const span of openSpans(calendar, { from: start, to: start + HORIZON_MS })) {
    const length = span.to - span.from;
    if (length >= left) return new Date(span.from + left);
    left -= length;
  }
  return undefined;
}

/** How much open time lies between two instants; 0 when they are the wrong way round. Counts three years at most. */
export function openMsBetween(calendar: BusinessCalendar, from: Date, to: Date): number {
  const start = from.getTime();
  let sum = 0;
  for (const span of openSpans(calendar, { from: start, to: Math.min(to.getTime(), start + HORIZON_MS) })) {
    sum += span.to - span.from;
  }
  return sum;
}

/** Milliseconds; of the epoch, or of a local day. The end does not belong to it. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is open of `within`, in order; no two of them overlap, though one may begin where another ends. */
function* openSpans(calendar: BusinessCalendar, within: Span): Generator<Span> {
  const pauses = (calendar.pauses ?? [])
    .map(({ from, to }) => ({ from: from.getTime(), to: to?.getTime() ?? Number.POSITIVE_INFINITY }))
    .filter(({ from, to }) => from < to);
  for (const span of workedSpans(calendar, within)) yield* without(span, pauses);
}

/** What is left of a span when every pause is cut out of it. */
function without(span: Span, pauses: readonly Span[]): readonly Span[] {
  let left: readonly Span[] = [span];
  for (const pause of pauses) {
    left = left.flatMap(({ from, to }) =>
      [
        { from, to: Math.min(to, pause.from) },
        { from: Math.max(from, pause.to), to },
      ].filter((part) => part.from < part.to),
    );
  }
  return left;
}

function* workedSpans(calendar: BusinessCalendar, within: Span): Generator<Span> {
  const hours = hoursOf(calendar);
  for (const { from, to, offsetMs } of stretches(calendar.timeZone, within)) {
    // Inside a stretch the local time runs as evenly as the other, so days are plain arithmetic.
    const local = { from: from + offsetMs, to: to + offsetMs };
    for (let day = Math.floor(local.from / DAY_MS); day * DAY_MS < local.to; day += 1) {
      for (const interval of hours(day)) {
        const span = {
          from: Math.max(from, day * DAY_MS + interval.from - offsetMs),
          to: Math.min(to, day * DAY_MS + interval.to - offsetMs),
        };
        if (span.from < span.to) yield span;
      }
    }
  }
}

/** A span in which the clock of a zone is not changed. */
interface Stretch extends Span {
  readonly offsetMs: number;
}

/** Cuts time where a zone changes its clocks, and at every midnight of UTC. */
function* stretches(timeZone: string, within: Span): Generator<Stretch> {
  for (let from = within.from; from < within.to;) {
    const day = dayOfZone(timeZone, Math.floor(from / DAY_MS));
    const isChanged = from >= day.changedAt;
    const to = Math.min(within.to, isChanged ? day.to : day.changedAt);
    yield { from, to, offsetMs: isChanged ? day.offsetAfterMs : day.offsetMs };
    from = to;
  }
}

/** A day of UTC in a zone. No zone changes its clocks twice within one; most days they are not changed at all. */
interface ZoneDay {
  readonly offsetMs: number;
  readonly offsetAfterMs: number;
  /** The end of the day where they are not changed. */
  readonly changedAt: number;
  readonly to: number;
}

/** An offset costs 6 µs to ask for, and all the rest of a day 2 [measured]; and the days are few. */
const zoneDays = new LRUCache<string, ZoneDay>({ max: 10_000 });

function dayOfZone(timeZone: string, day: number): ZoneDay {
  const key = `${timeZone} ${String(day)}`;
  const known = zoneDays.get(key);
  if (known !== undefined) return known;
  const zone = IANAZone.create(timeZone);
  if (!zone.isValid) throw new RangeError(`${timeZone} is not a time zone`);
  const offsetAt = (at: number): number => zone.offset(at) * MINUTE_MS;
  const { from, to } = { from: day * DAY_MS, to: (day + 1) * DAY_MS };
  const [offsetMs, offsetAfterMs] = [offsetAt(from), offsetAt(to)];
  const changedAt = offsetMs === offsetAfterMs ? to : changeBetween({ from, to }, offsetMs, offsetAt);
  const found = { offsetMs, offsetAfterMs, changedAt, to };
  zoneDays.set(key, found);
  return found;
}

/** The first instant at which the offset is another one, by halving. */
function changeBetween(span: Span, before: number, offsetAt: (at: number) => number): number {
  let { from: last, to: first } = span;
  while (first - last > 1) {
    const middle = Math.floor((last + first) / 2);
    if (offsetAt(middle) === before) last = middle;
    else first = middle;
  }
  return first;
}

/** The open spans of a local day, told by its number since 1970. Read once for a walk, whatever its length. */
function hoursOf(calendar: BusinessCalendar): (day: number) => readonly Span[] {
  const week = WEEKDAYS.map((weekday) => spansOf(calendar.week[weekday]));
  const own = new Map(calendar.holidays.own.map(({ date, open }) => [date, spansOf(open)]));
  const holidays = new Map<number, ReadonlySet<string>>();
  return (day) => {
    const date = new Date(day * DAY_MS);
    const iso = date.toISOString().slice(0, 10);
    const mine = own.get(iso) ?? own.get(iso.slice(5));
    if (mine !== undefined) return mine;
    const year = date.getUTCFullYear();
    const closed = holidays.get(year) ?? holidaysOf(year, calendar.holidays);
    holidays.set(year, closed);
    return closed.has(iso) ? [] : (week[date.getUTCDay()] ?? []);
  };
}

/** In order, and overlapping ones as one. */
function spansOf(intervals: readonly { readonly from: string; readonly to: string }[]): readonly Span[] {
  const sorted = intervals
    .map(({ from, to }) => ({ from: msOfDay(from), to: msOfDay(to) }))
    .sort((one, other) => one.from - other.from);
  const merged: Span[] = [];
  for (const span of sorted) {
    const last = merged.at(-1);
    if (last === undefined || span.from > last.to) merged.push(span);
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
  }
  return merged;
}

function msOfDay(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return (hours * 60 + minutes) * MINUTE_MS;
}
