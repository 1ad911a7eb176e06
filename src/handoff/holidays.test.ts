import { describe, expect, it } from '@jest/globals';
import { BRAZILIAN_STATES, BusinessCalendarSetting, KNOWN_CITIES } from '../vocabulary/business-calendar.ts';
import { easterOf, holidaysOf } from './holidays.ts';

const place = (setting: unknown) => BusinessCalendarSetting.shape.holidays.parse(setting);
const daysOf = (year: number, setting: unknown) => [...holidaysOf(year, place(setting))].sort();

describe('holidays', () => {
  it.each([
    [2000, '2000-04-23'],
    [2008, '2008-03-23'],
    [2024, '2024-03-31'],
    [2025, '2025-04-20'],
    [2026, '2026-04-05'],
    [2038, '2038-04-25'],
  ])('know that Easter of %i is %s', (year, day) => {
    expect(easterOf(year).toISOString().slice(0, 10)).toBe(day);
  });

  it('of the nation in 2026 are ten, the Consciência Negra among them', () => {
    expect(daysOf(2026, { national: true })).toEqual([
      '2026-01-01',
      '2026-04-03',
      '2026-04-21',
      '2026-05-01',
      '2026-09-07',
      '2026-10-12',
      '2026-11-02',
      '2026-11-15',
      '2026-11-20',
      '2026-12-25',
    ]);
    expect(daysOf(2023, { national: true })).not.toContain('2023-11-20');
  });

  it('that are optional are Carnival and Corpus Christi', () => {
    expect(daysOf(2026, { optionalDays: true })).toEqual(['2026-02-16', '2026-02-17', '2026-06-04']);
  });

  it.each([
    ['SP', 2026, '2026-07-09'],
    ['BA', 2026, '2026-07-02'],
    ['RJ', 2026, '2026-02-17'],
    ['ES', 2026, '2026-04-13'],
    // The eleventh is a Tuesday, and the law moves it to the Sunday.
    ['SC', 2026, '2026-08-16'],
    // A Saturday stays; Tuesday to Thursday go to the Friday.
    ['AC', 2026, '2026-09-05'],
    ['AC', 2023, '2023-09-08'],
  ])('of %s in %i have %s', (state, year, day) => {
    expect(daysOf(year, { state })).toContain(day);
  });

  it.each([
    ['sao-paulo', '2026-01-25'],
    ['sao-paulo', '2026-06-04'],
    ['rio-de-janeiro', '2026-01-20'],
    ['belo-horizonte', '2026-12-08'],
    ['curitiba', '2026-09-08'],
    ['recife', '2026-07-16'],
  ])('of the city of %s have %s', (city, day) => {
    expect(daysOf(2026, { city })).toContain(day);
  });

  it('are days of their year, wherever they are held', () => {
    for (const year of [2024, 2026, 2031]) {
      for (const state of BRAZILIAN_STATES) {
        for (const city of KNOWN_CITIES) {
          const days = daysOf(year, { national: true, optionalDays: true, state, city });
          expect(days.filter((day) => !day.startsWith(`${String(year)}-`))).toEqual([]);
        }
      }
    }
  });

  it('are none where none are asked for', () => {
    expect(daysOf(2026, {})).toEqual([]);
  });
});
