import { describe, expect, it } from '@jest/globals';
import { tenantKeys, TenantSettings } from './tenants.ts';

describe('the settings of a tenant', () => {
  it('are all there when nobody has set any', () => {
    expect(TenantSettings.parse({})).toMatchObject({
      loopBreaker: 30,
      contactPerMinute: 20,
      contactPerDay: 500,
      contactMoneyPerDay: 1_000_000,
      loopRepeats: 3,
      loopCadence: 4,
      loopOwnWords: 4,
      humanIdleMinutes: 240,
      answerWithinMinutes: 720,
    });
  });

  it('may each be switched off with 0', () => {
    const off = {
      loopBreaker: 0,
      loopRepeats: 0,
      loopCadence: 0,
      loopOwnWords: 0,
      contactPerMinute: 0,
      contactPerDay: 0,
      contactMoneyPerDay: 0,
      humanIdleMinutes: 0,
      answerWithinMinutes: 0,
    };

    expect(TenantSettings.parse(off)).toMatchObject(off);
  });

  it.each([{ loopBreaker: -1 }, { contactPerMinute: 1.5 }, { contactPerDay: '20' }, { humanIdleMinutes: 1e9 }])(
    'are whole numbers within bounds, not %p',
    (settings) => {
      expect(TenantSettings.safeParse(settings).success).toBe(false);
    },
  );
});

describe('the keys of a tenant', () => {
  it('are one for each purpose, and always the same for the same tenant', () => {
    const dataKey = Buffer.alloc(32, 7);
    const { sealing, index, ids } = tenantKeys(dataKey);

    const all = [dataKey, sealing.bytes, index.export(), ids.export()].map((key) => key.toString('hex'));

    expect(new Set(all).size).toBe(4);
    expect(tenantKeys(Buffer.alloc(32, 7)).index.equals(index)).toBe(true);
    expect(tenantKeys(Buffer.alloc(32, 8)).index.equals(index)).toBe(false);
  });
});
