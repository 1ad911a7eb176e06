import express from 'express';
import { beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { Health } from './health.ts';

let asked: number;
let isDatabaseUp: boolean;
let health: Health;
let app: express.Express;

beforeEach(() => {
  asked = 0;
  isDatabaseUp = true;
  health = new Health({
    database: () => {
      asked += 1;
      return isDatabaseUp ? Promise.resolve() : Promise.reject(new Error('gone'));
    },
    detail: () => ({ redis: 'down' }),
  });
  app = express().use(health.routes());
});

async function statusOf(path: string): Promise<number> {
  return (await request(app).get(path)).status;
}

describe('the health of a process', () => {
  it('is alive whatever its dependencies do, and asks none of them', async () => {
    isDatabaseUp = false;

    expect(await statusOf('/livez')).toBe(200);
    expect(asked).toBe(0);
  });

  it('is not ready for as long as it says that it is impaired', async () => {
    health.started();
    health.impairedFor(60_000);
    expect(await statusOf('/readyz')).toBe(503);

    health.impairedFor(0);
    expect(await statusOf('/readyz')).toBe(200);
  });

  it('is started once it says so', async () => {
    expect(await statusOf('/startupz')).toBe(503);
    health.started();
    expect(await statusOf('/startupz')).toBe(200);
  });

  it('is ready when it has started and the database answers; Redis is only told', async () => {
    expect(await statusOf('/readyz')).toBe(503);
    health.started();

    const answer = await request(app).get('/readyz');

    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ status: 'ready', database: 'up', redis: 'down' });
  });

  it('is not ready without its database', async () => {
    isDatabaseUp = false;
    health.started();

    const answer = await request(app).get('/readyz');

    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ status: 'not-ready', database: 'down' });
  });

  it('asks to be left out while it ends', async () => {
    health.started();
    health.draining();

    const answer = await request(app).get('/readyz');

    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ status: 'draining', database: 'up' });
    expect(await statusOf('/livez')).toBe(200);
  });

  it('asks the database once for many probes', async () => {
    health.started();

    for (let probe = 0; probe < 20; probe += 1) await statusOf('/readyz');

    expect(asked).toBe(1);
  });

  it('shows its metrics, all under our name', async () => {
    const answer = await request(app).get('/metrics');

    const names = answer.text.split('\n').flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []);
    expect(answer.status).toBe(200);
    expect(names.filter((name) => !name.startsWith('plantao_'))).toEqual([]);
  });
});
