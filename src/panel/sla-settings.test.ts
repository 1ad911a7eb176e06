import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { SlaTown } from '../../test/support/sla-town.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  bakery = await town.opens('bakery');
});

afterAll(async () => {
  await database.close();
});

const path = () => `/api/v1/tenants/${bakery.id}/settings`;
const change = (settings: object) =>
  request(town.app).patch(path()).set('Authorization', `Bearer ${bakery.admin}`).send(settings);

describe('the settings of promises', () => {
  it('are off by default, and around the clock', async () => {
    const answer = await request(town.app).get(path()).set('Authorization', `Bearer ${bakery.viewer}`);

    expect(answer.body).toMatchObject({ businessCalendar: null, sla: { enabled: false } });
  });

  it('are kept as they were sent, and a change of something else leaves them', async () => {
    const businessCalendar = {
      week: { monday: [{ from: '09:00', to: '12:00' }] },
      holidays: { national: true, state: 'SP', own: [{ date: '12-24' }] },
    };
    const sla = { enabled: true, priorities: { urgent: { firstResponse: 5 } }, escalations: [{ afterMinutes: 10 }] };

    const changed = await change({ businessCalendar, sla });
    const other = await change({ loopBreaker: 10 });

    expect(changed.status).toBe(200);
    expect(other.body).toMatchObject({ ...(changed.body as object), loopBreaker: 10 });
    expect(other.body).toMatchObject({
      businessCalendar: {
        week: { monday: [{ from: '09:00', to: '12:00' }], sunday: [] },
        holidays: { state: 'SP', own: [{ date: '12-24', open: [] }] },
      },
      sla: { enabled: true, priorities: { urgent: { firstResponse: 5, resolution: 0 }, normal: { firstResponse: 0 } } },
    });
  });

  it.each([
    [{ businessCalendar: { timeZone: 'America/Sao_Paolo' } }],
    [{ businessCalendar: { week: { monday: [{ from: '12:00', to: '09:00' }] } } }],
    [{ sla: { enabled: true, escalations: [{ afterMinutes: 10 }, { afterMinutes: 10 }] } }],
    [{ sla: { warnBefore: { fraction: 2 } } }],
  ])('%j are refused', async (settings) => {
    expect((await change(settings)).status).toBe(400);
  });
});

describe('an open handoff', () => {
  it('shows its clocks, the most urgent first', async () => {
    const ana = await SlaTown.promising(town, {
      sla: { enabled: true, priorities: { normal: { firstResponse: 10, resolution: 60 } } },
    });
    await ana.calls();
    await ana.minutesPass(11);
    await ana.look();

    const answer = await request(town.app)
      .get(`/api/v1/tenants/${ana.tenant.id}/conversations/${ana.conversationId}/handoff`)
      .set('Authorization', `Bearer ${ana.tenant.viewer}`);

    expect(answer.body).toMatchObject({
      sla: [
        { kind: 'first-response', state: 'breached', dueAt: expect.any(String) },
        { kind: 'resolution', state: 'running', dueAt: expect.any(String) },
      ],
    });
  });
});
