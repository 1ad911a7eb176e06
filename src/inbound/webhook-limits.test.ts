import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Town } from '../../test/support/town.ts';
import type { TownTenant } from '../../test/support/town-people.ts';

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

    const first = await Promise.all(Array.from({ length: 60 }, () => bakery.connection.post('{}', wrong)));
    const next = await fetch(bakery.connection.webhook.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...wrong },
      body: '{}',
    });
    const good = await bakery.customer('Ana', '5511988880001').writes('Oi');

    expect(new Set(first.map(({ status }) => status))).toEqual(new Set([401]));
    expect(next.status).toBe(429);
    expect(Number(next.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await next.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    expect(good).toMatchObject({ status: 200, body: { status: 'accepted' } });
  });
});

describe('a channel that sends more than anybody ever said in a second', () => {
  it('is told to wait, and only that channel', async () => {
    const clinic = await town.tenant({ slug: 'clinica', name: 'Clínica Boa Vida' });
    const body = '{"some":"parked thing"}';
    const statuses = new Map<number, number>();
    await town.redis.set(`limit:webhook-channel:${bakery.channelId}`, '3000', 'PX', 900);

    // A process grants 300 by itself before it asks what the others have counted.
    const answers = await Promise.all(Array.from({ length: 303 }, () => bakery.connection.post(body)));
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);

    expect(statuses.get(429)).toBeGreaterThan(0);
    expect((await clinic.connection.post(body)).status).toBe(200);
  });
});
