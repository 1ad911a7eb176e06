import type { BrazilianState, BusinessCalendarSetting, KnownCity } from '../vocabulary/business-calendar.ts';

/**
 * The days of a year on which a tenant's place is closed by law, as YYYY-MM-DD.
 *
 * Lei federal 9.093/1995 says who may make a holiday: the union, a state one day of its own, a city up to four religious
 * ones with Good Friday among them. States have made more than one all the same, by laws that are in force and followed.
 *
 * Source: the laws named below. Those of states and cities were read as public calendars and registries quote them, not in
 * the official gazettes: *unverified* in that sense. A tenant whose practice is another sets own dates, which go before.
 */
export function holidaysOf(year: number, place: BusinessCalendarSetting['holidays']): ReadonlySet<string> {
  const days = [
    ...(place.national ? nationalHolidays(year) : []),
    ...(place.optionalDays ? OPTIONAL_DAYS : []),
    ...(place.state === undefined ? [] : STATE_HOLIDAYS[place.state]),
    ...(place.city === undefined ? [] : CITY_HOLIDAYS[place.city]),
  ];
  return new Set(days.map((day) => isoDay(dayNumber(day, year))));
}

/** Sunday of the Easter of a year. Source: the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8). */
export function easterOf(year: number): Date {
  const golden = year % 19;
  const century = Math.floor(year / 100);
  const inCentury = year % 100;
  const lunarCorrection = Math.floor((century - Math.floor((century + 8) / 25) + 1) / 3);
  const epact = (19 * golden + century - Math.floor(century / 4) - lunarCorrection + 15) % 30;
  const toSunday = (32 + 2 * (century % 4) + 2 * Math.floor(inCentury / 4) - epact - (inCentury % 4)) % 7;
  const late = Math.floor((golden + 11 * epact + 22 * toSunday) / 451);
  const sum = epact + toSunday - 7 * late + 114;
  return new Date(Date.UTC(year, Math.floor(sum / 31) - 1, (sum % 31) + 1));
}

/** MM-DD; or so many days from Easter; or a date that a law moves to a later weekday. */
type Holiday =
  string | { readonly fromEaster: number } | { readonly date: string; readonly movedTo: 'sunday' | 'friday' };

const GOOD_FRIDAY = { fromEaster: -2 };
const CORPUS_CHRISTI = { fromEaster: 60 };
/** No holidays by national law, yet offices and banks are closed; made optional by a yearly order of the government. */
const OPTIONAL_DAYS: readonly Holiday[] = [{ fromEaster: -48 }, { fromEaster: -47 }, CORPUS_CHRISTI];

/** Lei 662/1949 as changed by Lei 10.607/2002; 12 October by Lei 6.802/1980; 20 November by Lei 14.759/2023. */
const NATIONAL: readonly Holiday[] = [
  ...['01-01', '04-21', '05-01', '09-07', '10-12', '11-02', '11-15', '12-25'],
  // A religious holiday that cities declare by Lei 9.093/1995, article 2; all of them do.
  GOOD_FRIDAY,
];
const BLACK_AWARENESS_SINCE = 2024;

function nationalHolidays(year: number): readonly Holiday[] {
  return year < BLACK_AWARENESS_SINCE ? NATIONAL : [...NATIONAL, '11-20'];
}

const STATE_HOLIDAYS: Record<BrazilianState, readonly Holiday[]> = {
  // Leis 3.137/2016, 1.538/2004, 1.411/2001, 14/1964, 243/1968 with 1.526/2004, 57/1965. Leis 2.126 and 2.247/2009 move those
  // from Tuesday to Thursday to the Friday, the state's birthday excepted.
  AC: [...['01-20', '01-23', '03-08', '09-05', '11-17'].map((date) => ({ date, movedTo: 'friday' as const })), '06-15'],
  // Lei 5.508/1993, Lei 5.724/1995; 30 November by a law of 2013.
  AL: ['06-24', '06-29', '09-16', '11-20', '11-30'],
  // Lei 25/1977.
  AM: ['09-05'],
  // Leis 667/2002 and 1.696/2012; 13 September by the state's constitution.
  AP: ['03-19', '07-25', '09-13'],
  // Constitution of the state, article 6.
  BA: ['07-02'],
  // 25 March: amendment 73/2011 of the state's constitution; 19 March and 15 August as followed by its offices.
  CE: ['03-19', '03-25', '08-15'],
  // Lei 963/1995. Its founding is 21 April.
  DF: ['11-30', '04-21'],
  // Lei 11.010/2019: Nossa Senhora da Penha.
  ES: [{ fromEaster: 8 }],
  // Lei 10.460/1988 in its present form: the cities of Goiás and Goiânia.
  GO: ['07-26', '10-24'],
  // Lei 2.457/1964.
  MA: ['07-28'],
  // Constitution of the state, article 256.
  MG: ['04-21'],
  // Lei 10/1979.
  MS: ['10-11'],
  // Lei 7.879/2002.
  MT: ['11-20'],
  // Lei 5.999/1996.
  PA: ['08-15'],
  // Lei 10.601/2015.
  PB: ['08-05'],
  // Data Magna: Lei 13.386/2007 as changed in 2017; 24 June is followed in the whole state.
  PE: ['03-06', '06-24'],
  // Lei 176/1937.
  PI: ['10-19'],
  // Lei 4.658/1962 made 19 December one; private business works since Lei 18.384/2014. So none.
  PR: [],
  // Lei 5.198/2008; Carnival's Tuesday by Lei 5.243/2008; 20 November by Lei 4.007/2002.
  RJ: ['04-23', '11-20', { fromEaster: -47 }],
  // Leis 7.831/2000 and 8.913/2006.
  RN: ['08-07', '10-03'],
  // Leis 2.291/2010 and 1.026/2001.
  RO: ['01-04', '06-18'],
  // Constitution of the state, article 9.
  RR: ['10-05'],
  // Constitution of the state, article 6, sole paragraph.
  RS: ['09-20'],
  // Lei 10.306/1996 as changed by Lei 12.906/2004, which moves both to the Sunday.
  SC: [
    { date: '08-11', movedTo: 'sunday' },
    { date: '11-25', movedTo: 'sunday' },
  ],
  // Constitution of the state, article 269.
  SE: ['07-08'],
  // Lei 9.497/1997.
  SP: ['07-09'],
  // Leis 960/1998, 627/1993 and 98/1989.
  TO: ['03-18', '09-08', '10-05'],
};

const CITY_HOLIDAYS: Record<KnownCity, readonly Holiday[]> = {
  // Lei municipal 1.327/1967.
  'belo-horizonte': [GOOD_FRIDAY, CORPUS_CHRISTI, '08-15', '12-08'],
  // Lei municipal 3.015/1967.
  curitiba: [GOOD_FRIDAY, CORPUS_CHRISTI, '09-08'],
  // Lei municipal 9.777/1967.
  recife: [GOOD_FRIDAY, '06-24', '07-16', '12-08'],
  // Leis municipais 1.271/1988 and 3.302/2001.
  'rio-de-janeiro': [GOOD_FRIDAY, '01-20', '04-23'],
  // Lei municipal 7.008/1967, kept by Lei municipal 14.485/2007.
  'sao-paulo': [GOOD_FRIDAY, CORPUS_CHRISTI, '01-25'],
};

const DAY_MS = 86_400_000;
const SUNDAY = 0;
const TUESDAY = 2;
const THURSDAY = 4;
const FRIDAY = 5;

/** Days since 1970. */
function dayNumber(holiday: Holiday, year: number): number {
  if (typeof holiday === 'string') return Date.parse(`${String(year)}-${holiday}T00:00:00Z`) / DAY_MS;
  if ('fromEaster' in holiday) return easterOf(year).getTime() / DAY_MS + holiday.fromEaster;
  const day = dayNumber(holiday.date, year);
  const weekday = new Date(day * DAY_MS).getUTCDay();
  if (holiday.movedTo === 'friday') {
    return weekday >= TUESDAY && weekday <= THURSDAY ? day + FRIDAY - weekday : day;
  }
  return weekday === SUNDAY ? day : day + 7 - weekday;
}

function isoDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
