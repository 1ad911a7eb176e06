import { describe, expect, it } from '@jest/globals';
import { businessCalendarOf } from './business-calendar.ts';
import { BusinessCalendarSetting } from '../vocabulary/business-calendar.ts';
import { quietUntil, shownAs } from './notification-target.ts';
import { waitAfter } from './notification-runner.ts';

const SAO_PAULO = businessCalendarOf(null, 'America/Sao_Paulo');
const NIGHT = { from: '22:00', until: '07:00' };
const AFTERNOON = { from: '12:00', until: '14:00' };

describe('quiet hours', () => {
  // São Paulo is three hours behind UTC.
  it.each<[string, typeof NIGHT, string, string | undefined]>([
    ['before the night', NIGHT, '2026-11-21T00:59:59Z', undefined],
    ['as the night begins', NIGHT, '2026-11-21T01:00:00Z', '2026-11-21T10:00:00.000Z'],
    ['after midnight', NIGHT, '2026-11-21T04:00:00Z', '2026-11-21T10:00:00.000Z'],
    ['as the night ends', NIGHT, '2026-11-21T10:00:00Z', undefined],
    ['in the afternoon', AFTERNOON, '2026-11-21T16:30:00Z', '2026-11-21T17:00:00.000Z'],
    ['after the afternoon', AFTERNOON, '2026-11-21T17:00:00Z', undefined],
  ])('%s last until their end, or are not', (...[, quiet, now, end]) => {
    expect(quietUntil(quiet, SAO_PAULO, new Date(now))?.toISOString()).toBe(end);
  });

  it('end by the clock of that morning, when the clocks are put on in the night', () => {
    const lisbon = businessCalendarOf(null, 'Europe/Lisbon');

    expect(quietUntil(NIGHT, lisbon, new Date('2026-03-28T23:00:00Z'))?.toISOString()).toBe('2026-03-29T06:00:00.000Z');
  });

  it('outside of business hours last until people are there, and never when they never are', () => {
    const open = { monday: [{ from: '09:00', to: '18:00' }] };
    const setting = BusinessCalendarSetting.parse({ week: open });
    const saturday = new Date('2026-11-21T15:00:00Z');
    const until = (calendar: unknown) =>
      quietUntil(
        'outsideBusinessHours',
        businessCalendarOf(BusinessCalendarSetting.parse(calendar), SAO_PAULO.timeZone),
        saturday,
      );

    expect(until(setting)?.toISOString()).toBe('2026-11-23T12:00:00.000Z');
    expect(until({ week: {} })).toBeUndefined();
    expect(quietUntil('outsideBusinessHours', SAO_PAULO, saturday)).toBeUndefined();
  });
});

describe('what is shown of an address', () => {
  it('is enough to know it again and too little to use it', () => {
    expect([
      shownAs({ kind: 'slack', url: 'https://hooks.slack.com/services/T0/B0/' + 'secret' }),
      shownAs({ kind: 'pagerduty', routingKey: 'R0UT1NGKEY0F4TEST0000000000000AB' }),
      shownAs({ kind: 'email', addresses: ['bruno@example.com', 'carla@example.com'] }),
    ]).toEqual(['hooks.slack.com', '…00AB', 'b***@example.com, c***@example.com']);
  });
});

describe('the wait after a failure', () => {
  it('grows fourfold up to three hours, and takes six hours with a half more or less for all seven', () => {
    const waits = Array.from({ length: 7 }, (_, index) => waitAfter(index + 1));
    const hours = waits.reduce((sum, wait) => sum + wait, 0) / 3_600_000;

    expect(waits[0]).toBeLessThanOrEqual(15_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(3 * 3_600_000);
    expect(hours).toBeGreaterThan(3.6);
    expect(hours).toBeLessThan(7.5);
  });
});
