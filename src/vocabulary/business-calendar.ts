import { z } from 'zod';

/*
 * When people are there, as a tenant sets it. What it means for an instant is computed by src/handoff/business-calendar.ts.
 */

export const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** The federative units of Brazil, by which state holidays are known. */
export const BRAZILIAN_STATES = [
  ...(['AC', 'AL', 'AM', 'AP', 'BA', 'CE', 'DF', 'ES', 'GO', 'MA', 'MG', 'MS', 'MT', 'PA'] as const),
  ...(['PB', 'PE', 'PI', 'PR', 'RJ', 'RN', 'RO', 'RR', 'RS', 'SC', 'SE', 'SP', 'TO'] as const),
] as const;
export type BrazilianState = (typeof BRAZILIAN_STATES)[number];

/** The cities whose municipal holidays the product knows. Any other city is a list of own dates. */
export const KNOWN_CITIES = ['belo-horizonte', 'curitiba', 'recife', 'rio-de-janeiro', 'sao-paulo'] as const;
export type KnownCity = (typeof KNOWN_CITIES)[number];

const INTERVALS_PER_DAY_MAX = 8;
const OWN_DATES_MAX = 400;

const timeOfDay = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'must be a time such as 09:00, at most 24:00');

/** From one wall-clock time to a later one of the same day. A night shift is two: until 24:00, and from 00:00. */
const Interval = z
  .strictObject({ from: timeOfDay, to: timeOfDay })
  .refine(
    ({ from, to }) => from < to,
    'must end after it begins; a night is two intervals, until 24:00 and from 00:00',
  );

const Intervals = z.array(Interval).max(INTERVALS_PER_DAY_MAX);

const isDate = (text: string): boolean => {
  const full = text.length === 5 ? `2000-${text}` : text;
  const date = new Date(`${full}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(full);
};

const OwnDate = z.strictObject({
  date: z
    .string()
    .regex(/^(\d{4}-)?\d{2}-\d{2}$/, 'must be a date such as 2026-12-24, or 12-24 for every year')
    .refine(isDate, 'is not a day of the calendar')
    .describe('YYYY-MM-DD, or MM-DD for every year.'),
  open: Intervals.default([]).describe('When people are there on this date all the same. Empty: not at all.'),
});

/** `Intl` is the judge of names, and says no by throwing. */
function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** What a tenant sets. A weekday that is not named is closed; an own date goes before a holiday, a holiday before the week. */
export const BusinessCalendarSetting = z.strictObject({
  timeZone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'must be a time zone such as America/Sao_Paulo')
    .optional()
    .describe("Absent: the tenant's."),
  week: z
    .strictObject({
      sunday: Intervals.default([]),
      monday: Intervals.default([]),
      tuesday: Intervals.default([]),
      wednesday: Intervals.default([]),
      thursday: Intervals.default([]),
      friday: Intervals.default([]),
      saturday: Intervals.default([]),
    })
    .prefault({}),
  holidays: z
    .strictObject({
      national: z.boolean().default(false).describe('The national holidays of Brazil, Good Friday included.'),
      optionalDays: z
        .boolean()
        .default(false)
        .describe('Carnival (Monday and Tuesday) and Corpus Christi, which no national law makes holidays.'),
      state: z.enum(BRAZILIAN_STATES).optional(),
      city: z.enum(KNOWN_CITIES).optional().describe('For any other city, name the dates in `own`.'),
      own: z.array(OwnDate).max(OWN_DATES_MAX).default([]),
    })
    .prefault({}),
});
export type BusinessCalendarSetting = z.output<typeof BusinessCalendarSetting>;
