import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { OPERATIONS } from './contract.ts';
import { PanelTown, WRONG_KEYS_MAX } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let clinic: TownTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  bakery = await town.opens('bakery');
  clinic = await town.opens('clinic');
});

afterAll(async () => {
  await database.close();
});

const ID = '6f2c4a3e-0f0e-4a8e-9c53-9d8a8b0d8c11';
const ofTenants = OPERATIONS.filter((it) => it.access.to === 'tenant').map((it) => [it.id, it] as const);

function call(operation: (typeof OPERATIONS)[number], who: { tenantId: string; key: string }) {
  const path = operation.path.replace('{tenantId}', who.tenantId).replaceAll(/\{\w+\}/g, ID);
  return request(town.app)[operation.method](path).set('Authorization', `Bearer ${who.key}`);
}

describe('a tenant’s key', () => {
  it.each(ofTenants)('finds nothing of another tenant at %s', async (_id, operation) => {
    const answer = await call(operation, { tenantId: clinic.id, key: bakery.admin });

    expect(answer.body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });

  it('finds another tenant no more than one that is not there', async () => {
    const [there, notThere] = await Promise.all(
      [clinic.id, ID].map((id) =>
        request(town.app)
          .get(`/api/v1/tenants/${id}/settings`)
          .set('Authorization', `Bearer ${bakery.admin}`)
          .set('X-Request-Id', 'same-for-both'),
      ),
    );

    expect(there?.body).toEqual(notThere?.body);
  });

  it('sees its own tenant', async () => {
    const answer = await request(town.app)
      .get(`/api/v1/tenants/${bakery.id}`)
      .set('Authorization', `Bearer ${bakery.viewer}`);

    expect(answer.body).toMatchObject({ id: bakery.id, slug: 'bakery', plan: null, timeZone: 'America/Sao_Paulo' });
  });

  it('does not manage tenants', async () => {
    const answer = await request(town.app).get('/api/v1/tenants').set('Authorization', `Bearer ${bakery.admin}`);

    expect(answer.body).toMatchObject({ status: 403, code: 'NOT_ALLOWED' });
  });

  it('opens nothing once it is revoked', async () => {
    const made = await request(town.app)
      .post(`/api/v1/tenants/${bakery.id}/api-keys`)
      .set('Authorization', `Bearer ${bakery.admin}`)
      .send({ name: 'Bruno', role: 'agent' });
    const { id, key } = made.body as { id: string; key: string };
    const path = `/api/v1/tenants/${bakery.id}/api-keys/${id}`;

    const before = await request(town.app).get(`/api/v1/tenants/${bakery.id}`).set('Authorization', `Bearer ${key}`);
    const revoked = await request(town.app).delete(path).set('Authorization', `Bearer ${bakery.admin}`);
    const again = await request(town.app).delete(path).set('Authorization', `Bearer ${bakery.admin}`);
    const after = await request(town.app).get(`/api/v1/tenants/${bakery.id}`).set('Authorization', `Bearer ${key}`);

    expect([made.status, before.status, revoked.status, again.status, after.status]).toEqual([201, 200, 204, 204, 401]);
  });

  it('is never shown again: the list of keys has none', async () => {
    const list = await request(town.app)
      .get(`/api/v1/tenants/${bakery.id}/api-keys`)
      .set('Authorization', `Bearer ${bakery.admin}`);

    expect(list.status).toBe(200);
    expect(list.text).not.toContain('plantao_');
    expect(list.text).not.toContain('hash');
    expect(list.text).toContain('viewer');
  });
});

describe('a role', () => {
  const allowed = { viewer: ['viewer'], agent: ['viewer', 'agent'], admin: ['viewer', 'agent', 'admin'] };

  it.each(ofTenants)('is what decides at %s', async (_id, operation) => {
    const needed = operation.access.to === 'tenant' ? operation.access.role : 'admin';
    const roles = ['viewer', 'agent', 'admin'] as const;

    const answers = await Promise.all(roles.map((role) => call(operation, { tenantId: bakery.id, key: bakery[role] })));

    expect(roles.map((_role, index) => answers[index]?.status === 403)).toEqual(
      roles.map((role) => !allowed[role].includes(needed)),
    );
  });

  it('of an agent is enough to take over and to replay, not to change settings', () => {
    const needed = Object.fromEntries(OPERATIONS.map((it) => [it.id, it.access]));

    expect(needed).toMatchObject({
      takeOver: { role: 'agent' },
      returnToBot: { role: 'agent' },
      closeConversation: { role: 'agent' },
      replayDeadLetter: { role: 'agent' },
      changeSettings: { role: 'admin' },
      createChannel: { role: 'admin' },
      createApiKey: { role: 'admin' },
    });
  });
});

describe('the platform’s key', () => {
  it('opens every tenant', async () => {
    const answers = await Promise.all(
      [bakery.id, clinic.id].map((id) =>
        request(town.app).get(`/api/v1/tenants/${id}/settings`).set('Authorization', `bearer ${town.adminKey}`),
      ),
    );

    expect(answers.map((it) => it.status)).toEqual([200, 200]);
  });

  it.each(['conversations', 'channels', 'knowledge/documents', 'dead-letters', 'api-keys'])(
    'finds no %s of a tenant that is not there',
    async (list) => {
      const answer = await request(town.app)
        .get(`/api/v1/tenants/${ID}/${list}`)
        .set('Authorization', `Bearer ${town.adminKey}`);

      expect(answer.status).toBe(404);
    },
  );
});

describe('a missing or wrong key', () => {
  it.each([
    ['none', undefined],
    ['another scheme', 'Basic YTpi'],
    ['an empty key', 'Bearer '],
    ['a key nobody has', 'Bearer plantao_nobody'],
    ['the platform’s key cut short', 'Bearer platform'],
  ])('(%s) is answered 401', async (_what, header) => {
    const call = request(town.app).get(`/api/v1/tenants/${bakery.id}`);

    const answer = await (header === undefined ? call : call.set('Authorization', header));

    expect(answer.body).toMatchObject({ status: 401, code: 'NOT_SIGNED_IN' });
  });

  it('is answered 429 after too many of an address, while right keys go on working', async () => {
    const anotherTown = new PanelTown(database.db);
    const attempt = (key: string) =>
      request(anotherTown.app).get(`/api/v1/tenants/${bakery.id}`).set('Authorization', `Bearer ${key}`);
    for (let tried = 0; tried < WRONG_KEYS_MAX; tried += 1) await attempt('wrong');

    const refused = await attempt('wrong');
    const welcome = await attempt(bakery.viewer);

    expect(refused.body).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' });
    expect(refused.headers['retry-after']).toBe('30');
    expect(welcome.status).toBe(200);
  });

  it('is found out before the body is read', async () => {
    const answer = await request(new PanelTown(database.db).app)
      .post('/api/v1/tenants')
      .set('Content-Type', 'application/json')
      .send('{ not json');

    expect(answer.status).toBe(401);
  });
});
