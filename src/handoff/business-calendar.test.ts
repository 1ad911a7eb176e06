import { describe, expect, it } from '@jest/globals';
import { randomFrom } from '../../test/chaos/random.ts';
import type { Random } from '../../test/chaos/random.ts';
import { BusinessCalendarSetting, WEEKDAYS } from '../vocabulary/business-calendar.ts';
import { addOpenMs, businessCalendarOf, isOpenAt, nextOpening, openMsBetween } from './business-calendar.ts';
import type { BusinessCalendar } from './business-calendar.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const OFFICE_HOURS = [
  { from: '09:00', to: '12:00' },
  { from: '13:00', to: '18:00' },
];
const OFFICE_WEEK = {
  monday: OFFICE_HOURS,
  tuesday: OFFICE_HOURS,
  wednesday: OFFICE_HOURS,
  thursday: OFFICE_HOURS,
  friday: OFFICE_HOURS,
};

function calendar(setting: unknown, timeZone = 'America/Sao_Paulo'): BusinessCalendar {
  return businessCalendarOf(BusinessCalendarSetting.parse(setting), timeZone);
}

/** A wall clock of São Paulo, which is three hours behind UTC since 2019. */
const inSaoPaulo = (text: string): Date => new Date(`${text}:00-03:00`);

describe('a business calendar with a lunch break', () => {
  const office = calendar({ week: OFFICE_WEEK });

  it.each([
    ['2026-08-03T08:59', false],
    ['2026-08-03T09:00', true],
    ['2026-08-03T12:00', false],
    ['2026-08-03T13:00', true],
    ['2026-08-03T18:00', false],
    ['2026-08-01T10:00', false],
  ])('at %s is open: %s', (at, open) => {
    expect(isOpenAt(office, inSaoPaulo(at))).toBe(open);
  });

  it('counts an hour from half past eleven to half past one', () => {
    expect(addOpenMs(office, inSaoPaulo('2026-08-03T11:30'), HOUR_MS)).toEqual(inSaoPaulo('2026-08-03T13:30'));
  });

  it('ends with the interval what ends exactly then', () => {
    expect(addOpenMs(office, inSaoPaulo('2026-08-03T11:00'), HOUR_MS)).toEqual(inSaoPaulo('2026-08-03T12:00'));
  });

  it('carries what is left on Friday over to Monday', () => {
    expect(addOpenMs(office, inSaoPaulo('2026-07-31T17:00'), 2 * HOUR_MS)).toEqual(inSaoPaulo('2026-08-03T10:00'));
  });

  it('opens next when it says, and now when it is open', () => {
    expect(nextOpening(office, inSaoPaulo('2026-07-31T19:00'))).toEqual(inSaoPaulo('2026-08-03T09:00'));
    expect(nextOpening(office, inSaoPaulo('2026-08-03T09:30'))).toEqual(inSaoPaulo('2026-08-03T09:30'));
  });

  it('leaves pauses out, and stands still in one that goes on', () => {
    const from = inSaoPaulo('2026-08-03T10:00');
    const paused = {
      ...office,
      pauses: [{ from: inSaoPaulo('2026-08-03T10:30'), to: inSaoPaulo('2026-08-03T11:00') }],
    };
    const standing = { ...office, pauses: [{ from: inSaoPaulo('2026-08-03T10:30') }] };

    expect(addOpenMs(paused, from, HOUR_MS)).toEqual(inSaoPaulo('2026-08-03T11:30'));
    expect(addOpenMs(standing, from, HOUR_MS)).toBeUndefined();
    expect(openMsBetween(standing, from, inSaoPaulo('2026-08-10T10:00'))).toBe(HOUR_MS / 2);
  });

  it('is closed on a holiday, and on an own date as that date says', () => {
    const holidays = {
      national: true,
      state: 'SP',
      own: [{ date: '2026-12-24', open: [{ from: '09:00', to: '12:00' }] }, { date: '10-28' }],
    };
    const it = calendar({ week: OFFICE_WEEK, holidays });

    expect(isOpenAt(it, inSaoPaulo('2026-09-07T10:00'))).toBe(false);
    expect(isOpenAt(it, inSaoPaulo('2026-07-09T10:00'))).toBe(false);
    expect(isOpenAt(it, inSaoPaulo('2026-12-24T10:00'))).toBe(true);
    expect(isOpenAt(it, inSaoPaulo('2026-12-24T14:00'))).toBe(false);
    expect(isOpenAt(it, inSaoPaulo('2027-10-28T10:00'))).toBe(false);
  });
});

describe('a business calendar', () => {
  it('that never opens says so instead of looking for ever', () => {
    const never = calendar({});

    expect(nextOpening(never, new Date())).toBeUndefined();
    expect(addOpenMs(never, new Date(), 1)).toBeUndefined();
    expect(openMsBetween(never, new Date(0), new Date())).toBe(0);
  });

  it('that is not set is open around the clock', () => {
    const always = businessCalendarOf(null, 'America/Sao_Paulo');
    const from = new Date('2026-08-01T03:00:00Z');

    expect(addOpenMs(always, from, 100 * HOUR_MS)).toEqual(new Date(from.getTime() + 100 * HOUR_MS));
  });

  it('counts an hour that a zone has twice as two, and one that it skips as none', () => {
    const nights = Object.fromEntries(WEEKDAYS.map((day) => [day, [{ from: '00:00', to: '04:00' }]]));
    const newYork = calendar({ timeZone: 'America/New_York', week: nights });

    const hoursOfNight = (from: string, to: string) => openMsBetween(newYork, new Date(from), new Date(to)) / HOUR_MS;
    expect(hoursOfNight('2026-11-01T04:00:00Z', '2026-11-01T12:00:00Z')).toBe(5);
    expect(hoursOfNight('2026-03-08T05:00:00Z', '2026-03-08T12:00:00Z')).toBe(3);
  });

  it.each([
    [{ week: { monday: [{ from: '18:00', to: '09:00' }] } }],
    [{ week: { monday: [{ from: '9:00', to: '18:00' }] } }],
    [{ week: { funday: [] } }],
    [{ timeZone: 'America/Sao_Paolo' }],
    [{ holidays: { state: 'XX' } }],
    [{ holidays: { own: [{ date: '2026-02-30' }] } }],
  ])('as %j is refused', (setting) => {
    expect(BusinessCalendarSetting.safeParse(setting).success).toBe(false);
  });
});

/**
 * The oracle: a walk from minute to minute that asks the wall clock of every one, with nothing of the product in it. The
 * wall clock comes from Intl once for each minute of a window around a change of the clocks.
 */
interface Window {
  readonly timeZone: string;
  readonly startMs: number;
  readonly weekday: Uint8Array;
  readonly minuteOfDay: Uint16Array;
  readonly date: readonly string[];
  /** Where a date that was not the one before it begins, as an index into `date`. */
  readonly dateAt: Uint16Array;
}

const WINDOW_MINUTES = 6 * 1_440;
/** São Paulo's clocks changed for the last times in 2018 and 2019; Lord Howe's change by half an hour. */
const WINDOWS: readonly (readonly [timeZone: string, around: string])[] = [
  ['America/Sao_Paulo', '2018-02-18T00:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T00:00:00Z'],
  ['America/New_York', '2026-03-08T00:00:00Z'],
  ['America/New_York', '2026-11-01T00:00:00Z'],
  ['Europe/Lisbon', '2026-03-29T00:00:00Z'],
  ['Europe/Lisbon', '2026-10-25T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-05T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-04T00:00:00Z'],
];

function windowAround(timeZone: string, around: string): Window {
  const startMs = Date.parse(around) - (WINDOW_MINUTES / 2) * MINUTE_MS;
  const wallClock = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
  });
  const weekday = new Uint8Array(WINDOW_MINUTES);
  const minuteOfDay = new Uint16Array(WINDOW_MINUTES);
  const dateAt = new Uint16Array(WINDOW_MINUTES);
  const date: string[] = [];
  for (let minute = 0; minute < WINDOW_MINUTES; minute += 1) {
    const [day = '', time = ''] = wallClock.format(startMs + minute * MINUTE_MS).split(' ');
    const [hours = 0, minutes = 0] = time.split(':').map(Number);
    minuteOfDay[minute] = hours * 60 + minutes;
    weekday[minute] = new Date(`${day}T00:00:00Z`).getUTCDay();
    if (date.at(-1) !== day) date.push(day);
    dateAt[minute] = date.length - 1;
  }
  return { timeZone, startMs, weekday, minuteOfDay, date, dateAt };
}

/** What the law closes within the windows; the other holidays of these years are outside of them. */
const NATIONAL_IN_WINDOWS = ['2018-11-02', '2026-04-03', '2026-11-02'];

interface Case {
  readonly window: Window;
  readonly calendar: BusinessCalendar;
  /** For each minute of the window whether it is open, by the walk. */
  readonly open: Uint8Array;
}

const toMinutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
const toTime = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

function randomIntervals(random: Random): { from: string; to: string }[] {
  return Array.from({ length: random.below(4) }, () => {
    const from = random.below(1_440);
    const to = random.below(5) === 0 ? 1_440 : from + 1 + random.below(1_440 - from);
    return { from: toTime(from), to: toTime(to) };
  });
}

function randomCase(random: Random, window: Window): Case {
  const own = random
    .shuffled(window.date)
    .slice(0, random.below(3))
    .map((date) => ({ date: random.below(2) === 0 ? date : date.slice(5), open: randomIntervals(random) }));
  const setting = BusinessCalendarSetting.parse({
    week: Object.fromEntries(WEEKDAYS.map((day) => [day, randomIntervals(random)])),
    holidays: { national: random.below(2) === 0, own },
  });
  const pauses = Array.from({ length: random.below(3) }, () => {
    const from = random.below(WINDOW_MINUTES);
    const to = random.below(6) === 0 ? undefined : from + random.below(1_500);
    return { from: minuteAt(window, from), to: to === undefined ? undefined : minuteAt(window, to) };
  });
  const calendar = { ...businessCalendarOf(setting, window.timeZone), pauses };
  return { window, calendar, open: walk(window, calendar) };
}

const minuteAt = (window: Window, minute: number): Date => new Date(window.startMs + minute * MINUTE_MS);

function walk(window: Window, { week, holidays, pauses = [] }: BusinessCalendar): Uint8Array {
  const inMinutes = (intervals: readonly { from: string; to: string }[]) =>
    intervals.map(({ from, to }) => [toMinutes(from), toMinutes(to)] as const);
  const days = WEEKDAYS.map((day) => inMinutes(week[day]));
  const dates = window.date.map((date) => {
    const mine =
      holidays.own.findLast((it) => it.date === date) ?? holidays.own.findLast((it) => it.date === date.slice(5));
    if (mine !== undefined) return inMinutes(mine.open);
    return holidays.national && NATIONAL_IN_WINDOWS.includes(date) ? [] : undefined;
  });
  const paused = pauses.map(({ from, to }) => [from.getTime(), to?.getTime() ?? Infinity] as const);
  const open = new Uint8Array(WINDOW_MINUTES);
  for (let minute = 0; minute < WINDOW_MINUTES; minute += 1) {
    const time = window.minuteOfDay[minute] ?? 0;
    const intervals = dates[window.dateAt[minute] ?? 0] ?? days[window.weekday[minute] ?? 0] ?? [];
    const at = window.startMs + minute * MINUTE_MS;
    open[minute] = isWithin(intervals, time) && !isWithin(paused, at) ? 1 : 0;
  }
  return open;
}

function count(open: Uint8Array): number {
  let minutes = 0;
  for (const minute of open) minutes += minute;
  return minutes;
}

function isWithin(spans: readonly (readonly [from: number, to: number])[], value: number): boolean {
  for (const [from, to] of spans) if (value >= from && value < to) return true;
  return false;
}

/** Everything that the product says about a case and the walk says otherwise. */
function disagreements({ window, calendar, open }: Case, random: Random): string[] {
  const from = random.below(WINDOW_MINUTES / 2);
  const to = from + random.below(WINDOW_MINUTES - from);
  const rest = open.subarray(from);
  const openMinutes = count(open.subarray(from, to));
  const wanted = 1 + random.below(Math.max(1, openMinutes));
  let counted = 0;
  const reachedAt = rest.findIndex((minute) => (counted += minute) === wanted && minute === 1);
  const opensAt = rest.indexOf(1);
  const start = minuteAt(window, from);
  const found: [what: string, product: unknown, walk: unknown][] = [
    ['isOpenAt', isOpenAt(calendar, start), open[from] === 1],
    ['openMsBetween', openMsBetween(calendar, start, minuteAt(window, to)), openMinutes * MINUTE_MS],
  ];
  if (opensAt >= 0) {
    const opening = nextOpening(calendar, start);
    found.push(['nextOpening', opening?.getTime(), minuteAt(window, from + opensAt).getTime()]);
  }
  if (reachedAt >= 0) {
    const reached = addOpenMs(calendar, start, wanted * MINUTE_MS);
    found.push(['addOpenMs', reached?.getTime(), minuteAt(window, from + reachedAt + 1).getTime()]);
  }
  return found
    .filter(([, product, byWalk]) => product !== byWalk)
    .map(([what, product, byWalk]) => `${what} from ${start.toISOString()}: ${String(product)}, not ${String(byWalk)}`);
}

const CALENDARS = 5_000;
const SEED = 20_261_121;

describe('5,000 random calendars', () => {
  it('agree exactly with a walk from minute to minute, over changes of the clocks, holidays and pauses', () => {
    const windows = WINDOWS.map(([timeZone, around]) => windowAround(timeZone, around));
    const wrong: string[] = [];
    for (let index = 0; index < CALENDARS && wrong.length < 5; index += 1) {
      const random = randomFrom(SEED + index, 'calendar');
      const window = windows[index % windows.length];
      if (window === undefined) throw new Error('There is no window');
      const it = randomCase(random, window);
      for (const found of disagreements(it, random)) {
        wrong.push(`seed ${String(SEED + index)}, ${JSON.stringify(it.calendar)}: ${found}`);
      }
    }

    expect(wrong).toEqual([]);
  }, 60_000);
});
