import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createTestDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { PanelTown } from '../support/panel-town.ts';
import { officeWithLunch, SlaTown } from '../support/sla-town.ts';

let database: TestDatabase;
let town: PanelTown;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

afterAll(async () => {
  await database.close();
});

/** Forty minutes to a first answer. */
const sla = { enabled: true, priorities: { normal: { firstResponse: 40 } }, warnBefore: null };

interface Shown {
  readonly items: readonly { readonly sla: readonly { kind: string; dueAt: string; state: string }[] }[];
}

describe('a breach at lunch time', () => {
  it('is none: the time that is left runs after lunch, and only then people are told', async () => {
    const now = new Date();
    const ana = await SlaTown.promising(town, {
      businessCalendar: officeWithLunch(now, { from: -20, to: 40 }),
      sla,
    });
    // Ana was given to people half an hour before lunch, and lunch began twenty minutes ago.
    await ana.calls();
    await ana.minutesPass(50);
    await ana.look();

    expect(await ana.told()).toEqual([]);
    expect(await ana.clocks()).toEqual(['first-response running']);
    // Of forty minutes ten are left when people come back, in forty minutes from now.
    const leftMs = ((await ana.dueAt('first-response'))?.getTime() ?? 0) - now.getTime();
    expect(Math.round(leftMs / 60_000)).toBeGreaterThanOrEqual(49);
    expect(Math.round(leftMs / 60_000)).toBeLessThanOrEqual(51);
    const answer = await request(town.app)
      .get(`/api/v1/tenants/${ana.tenant.id}/conversations`)
      .set('Authorization', `Bearer ${ana.tenant.viewer}`);
    const [shown] = (answer.body as Shown).items;
    expect(shown?.sla).toEqual([{ kind: 'first-response', state: 'running', dueAt: expect.any(String) }]);

    // People have been back for a quarter of an hour, and nobody has answered.
    await ana.minutesPass(55);
    await ana.set({ businessCalendar: officeWithLunch(now, { from: -75, to: -15 }), sla });
    await ana.look();

    expect(await ana.told()).toEqual(['first-response breach']);
    expect(await ana.clocks()).toEqual(['first-response breached']);
  });
});
