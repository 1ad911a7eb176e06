import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CounterOf } from '../../test/support/counter.ts';
import { Town } from '../../test/support/town.ts';
import type { TownTenant } from '../../test/support/town-people.ts';
import { until } from '../../test/support/until.ts';

const rejectionsOf = new CounterOf('plantao_tenant_webhook_rejections_total', 'tenant');

let town: Town;
let bakery: TownTenant;

beforeEach(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
});

afterEach(async () => {
  await town.close();
});

describe('an address that keeps failing to prove who it is', () => {
  it('is told to wait at its 61st failure within a minute, and a good webhook from it still gets in', async () => {
    const wrong = { 'x-webhook-signature': 'f'.repeat(64) };
    rejectionsOf.forget();

    const first = await Promise.all(Array.from({ length: 60 }, () => bakery.connection.post('{}', wrong)));
    const next = await fetch(bakery.connection.webhook.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...wrong },
      body: '{}',
    });
    const nobody = bakery.connection.webhook.url.replace(bakery.channelId, randomUUID());
    const toNobody = await fetch(nobody, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    const good = await bakery.customer('Ana', '5511988880001').writes('Oi');

    expect(new Set(first.map(({ status }) => status))).toEqual(new Set([401]));
    expect(next.status).toBe(429);
    expect(Number(next.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await next.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    expect(good).toMatchObject({ status: 200, body: { status: 'accepted' } });
    // An operator sees whose they are; an address that nobody has makes no series.
    expect(toNobody.status).toBe(404);
    await until(async () => (await rejectionsOf.counts())['padaria-1'] === 61);
    expect(Object.keys(await rejectionsOf.counts())).toEqual(['padaria-1']);
  });
});

describe('a channel that sends more than anybody ever said in a second', () => {
  it('is told to wait, and only that channel', async () => {
    const clinic = await town.tenant({ slug: 'clinica', name: 'Clínica Boa Vida' });
    const body = '{"some":"parked thing"}';
    const statuses = new Map<number, number>();
    rejectionsOf.forget();
    await town.redis.set(`limit:webhook-channel:${bakery.channelId}`, '3000', 'PX', 60_000);

    // A process grants 300 in a second by itself before it asks what the others have counted. One that stands still for a
    // while meanwhile grants them twice, so it may take another burst.
    await until(async () => {
      const answers = await Promise.all(Array.from({ length: 303 }, () => bakery.connection.post(body)));
      for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      return statuses.has(429);
    }, 20_000);

    expect(new Set(statuses.keys())).toEqual(new Set([200, 429]));
    expect((await clinic.connection.post(body)).status).toBe(200);
    await until(async () => (await rejectionsOf.counts())['padaria-1'] === statuses.get(429));
  });
});
