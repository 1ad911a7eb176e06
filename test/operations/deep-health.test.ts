import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { DeepCheck } from '../../src/platform/deep-check.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

const Report = z.object({
  status: z.string(),
  checks: z.array(z.object({ name: z.string(), state: z.string(), detail: z.string(), tookMs: z.number() })),
});

let town: Town;
let bakery: TownTenant;
let clinic: TownTenant;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant({ profile: 'community', login: true });
  clinic = await town.tenant();
}, 30_000);

afterAll(async () => {
  await town.close();
});

async function keyOf(tenant: TownTenant): Promise<string> {
  const { body } = await tenant.api('POST', '/api-keys', { body: { name: 'Painel', role: 'viewer' } });
  return z.object({ key: z.string() }).parse(body).key;
}

describe('the deep check', () => {
  it('asks everything that the installation rests on, and tells no secret', async () => {
    const { status, body } = await town.api('GET', '/api/v1/health');
    const { checks } = Report.parse(body);
    const stateOf = (name: string) => checks.find((check) => check.name === name)?.state;

    expect(status).toBe(200);
    for (const name of ['database', 'migrations', 'master-key', 'clock', 'backlog', 'disk', 'model']) {
      expect({ name, state: stateOf(name) }).toEqual({ name, state: 'ok' });
    }
    expect(stateOf('backup')).toBe('skipped');
    expect(checks.map(({ name }) => name)).toContain('redis');
    expect(stateOf(`gateway of channel ${bakery.channelId}`)).toBe('ok');
    expect(stateOf(`gateway of channel ${clinic.channelId}`)).toBe('skipped');
    const said = JSON.stringify(body);
    const secrets = [bakery.secret, bakery.connection.token, town.gateway.login.password, town.environment.MASTER_KEY];
    for (const secret of [...secrets, new URL(town.database.url).password]) expect(said).not.toContain(secret);
  });

  it('is for the platform’s key alone', async () => {
    expect((await town.api('GET', '/api/v1/health', { key: await keyOf(bakery) })).status).toBe(403);
    expect((await town.api('GET', '/api/v1/health', { key: 'ninguem' })).status).toBe(401);
  });

  it('of one channel is for its tenant, and for no other', async () => {
    const path = `/channels/${bakery.channelId}/health`;

    expect(await bakery.api('GET', path, { key: await keyOf(bakery) })).toEqual({
      status: 200,
      body: { state: 'ok', detail: 'the gateway says CONNECTED' },
    });
    expect((await clinic.api('GET', path, { key: await keyOf(clinic) })).status).toBe(404);
  });

  it('asks a hosted gateway with the token of the channel, and repeats what it says', async () => {
    const [florist, kiosk, bar] = [
      await town.tenant({ profile: 'hosted' }),
      await town.tenant({ profile: 'hosted' }),
      await town.tenant({ profile: 'hosted' }),
    ];
    const healthOf = async (tenant: TownTenant) =>
      (await tenant.api('GET', `/channels/${tenant.channelId}/health`)).body;

    expect(await healthOf(florist)).toEqual({ state: 'ok', detail: 'the gateway says CONNECTED' });
    town.gateway.faults.set({ mode: 'session-down' });
    expect(await healthOf(kiosk)).toEqual({ state: 'warning', detail: 'the gateway says DISCONNECTED' });
    town.gateway.faults.set({ mode: 'none' });
    town.gateway.removeConnection(bar.connection);
    expect(await healthOf(bar)).toEqual({ state: 'warning', detail: 'GATEWAY_CREDENTIALS_REFUSED' });
  });

  it('finds a hosted gateway well while the token of its channel is being rotated, whichever of the two it has', async () => {
    const florist = await town.tenant({ profile: 'hosted' });
    const path = `/channels/${florist.channelId}`;

    const { status } = await florist.api('PATCH', path, { body: { gateway: { token: 'o-proximo-token' } } });

    expect(status).toBe(200);
    expect((await florist.api('GET', `${path}/health`)).body).toEqual({
      state: 'ok',
      detail: 'the gateway says CONNECTED',
    });
  });

  it('calls what hangs or throws failed, asks once for many, and repeats no message', async () => {
    let asked = 0;
    const checks = [
      { name: 'good', run: () => Promise.resolve({ state: 'ok' as const, detail: 'well' }) },
      {
        name: 'bad',
        run: () => {
          asked += 1;
          return Promise.reject(new TypeError('postgres://ana:senha@host'));
        },
      },
    ];
    const deepCheck = new DeepCheck(checks, () => new Date());

    await Promise.all([deepCheck.report(), deepCheck.report()]);
    const report = await deepCheck.report();

    expect(asked).toBe(1);
    expect(report).toMatchObject({
      status: 'failed',
      checks: [
        { name: 'good', state: 'ok' },
        { name: 'bad', state: 'failed', detail: 'TypeError' },
      ],
    });
  });
});
