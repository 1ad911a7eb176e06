import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { ChannelId } from '../vocabulary/ids.ts';
import { PanelTown, PUBLIC_URL } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';

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

const call = (method: 'get' | 'post' | 'patch', path: string) =>
  request(town.app)[method](path).set('Authorization', `Bearer ${town.adminKey}`);
const settings = () => `/api/v1/tenants/${bakery.id}/settings`;
const channels = () => `/api/v1/tenants/${bakery.id}/channels`;

describe('a tenant', () => {
  it('is made with the defaults of a Brazilian company and no plan', async () => {
    const answer = await call('post', '/api/v1/tenants').send({ slug: 'florist', name: 'Florist' });

    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      id: expect.any(String),
      slug: 'florist',
      name: 'Florist',
      plan: null,
      locale: 'pt-BR',
      timeZone: 'America/Sao_Paulo',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
  });

  it('has a slug of its own', async () => {
    const answer = await call('post', '/api/v1/tenants').send({ slug: 'bakery', name: 'Another' });

    expect(answer.body).toMatchObject({ status: 409, code: 'ALREADY_EXISTS' });
  });

  it('is on the list, newest first', async () => {
    await call('post', '/api/v1/tenants').send({ slug: 'newest', name: 'Newest' });

    const answer = await call('get', '/api/v1/tenants?limit=1');

    expect(answer.body).toMatchObject({ items: [{ slug: 'newest' }], nextCursor: expect.any(String) });
  });
});

describe('the settings', () => {
  it('keep what a change does not name', async () => {
    const before = await call('get', settings());
    const changed = await call('patch', settings()).send({ loopBreaker: 0 });
    const changedAgain = await call('patch', settings()).send({ contactPerDay: 7 });
    const after = await call('get', settings());

    expect(before.body).toMatchObject({ loopBreaker: 30, contactPerMinute: 20, contactPerDay: 500 });
    expect(changed.body).toEqual({ ...(before.body as object), loopBreaker: 0 });
    expect(after.body).toEqual({ ...(before.body as object), loopBreaker: 0, contactPerDay: 7 });
    expect(changedAgain.body).toEqual(after.body);
  });

  it('changed at the same moment lose nothing of each other', async () => {
    await Promise.all([
      call('patch', settings()).send({ contactPerMinute: 11 }),
      call('patch', settings()).send({ humanIdleMinutes: 12 }),
      call('patch', settings()).send({ answerWithinMinutes: 13 }),
    ]);

    const after = await call('get', settings());

    expect(after.body).toMatchObject({ contactPerMinute: 11, humanIdleMinutes: 12, answerWithinMinutes: 13 });
  });

  it.each([{ loopbreaker: 1 }, { loopBreaker: -1 }, { loopBreaker: '5' }, { loopBreaker: 1.5 }, { loopBreaker: null }])(
    'refuse %j',
    async (body) => {
      const answer = await call('patch', settings()).send(body);

      expect(answer.body).toMatchObject({ status: 400, code: 'REQUEST_NOT_VALID' });
      expect((answer.body as { detail: string }).detail).toMatch(/loop[bB]reaker/);
    },
  );
});

const CHANNEL = {
  name: 'WhatsApp of the shop',
  kind: 'whaticket',
  gateway: {
    profile: 'ticketz',
    baseUrl: 'https://gateway.example/api/',
    token: 'token-nobody-may-read',
    email: 'bot@bakery.example',
    password: 'password-nobody-may-read',
    connectionId: 7,
  },
  webhook: { auth: 'hmac', header: 'X-Hub', secrets: ['secret-nobody-may-read'] },
  onUnknown: 'resend',
  handoff: { queueId: 3 },
};
const SECRETS = [CHANNEL.gateway.token, CHANNEL.gateway.password, ...CHANNEL.webhook.secrets];

describe('a channel', () => {
  it('says where its gateway posts, and never its secrets', async () => {
    const made = await call('post', channels()).send(CHANNEL);
    const { id } = made.body as { id: string };
    const others = [await call('get', channels()), await call('get', `${channels()}/${id}`)];

    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id,
      tenantId: bakery.id,
      name: CHANNEL.name,
      kind: 'whaticket',
      webhookUrl: `${PUBLIC_URL}/webhooks/whaticket/${id}`,
      gateway: { profile: 'ticketz', baseUrl: 'https://gateway.example/api', connectionId: '7' },
      webhook: { auth: 'hmac', header: 'x-hub' },
      onUnknown: 'resend',
      handoff: { queueId: 3, userId: null, queues: {}, botQueueId: null, notPeople: [] },
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect(others[1]?.body).toEqual(made.body);
    for (const secret of [...SECRETS, 'sealed', 'bot@bakery']) {
      for (const answer of [made, ...others]) expect(answer.text).not.toContain(secret);
      expect(town.logged.join('')).not.toContain(secret);
    }
  });

  it('gets new credentials; what is not named stays', async () => {
    const made = await call('post', channels()).send(CHANNEL);
    const id = ChannelId.parse((made.body as { id: string }).id);

    const answer = await call('patch', `${channels()}/${id}`).send({
      gateway: { token: 'rotated-token' },
      webhook: { secrets: ['rotated-secret-1', 'rotated-secret-2'] },
    });
    const channel = await town.channels.findFresh(id);

    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('rotated');
    expect(channel?.gateway.token.reveal()).toBe('rotated-token');
    expect(channel?.gateway.login?.password.reveal()).toBe(CHANNEL.gateway.password);
    expect(channel?.webhook.secrets.map((it) => it.reveal())).toEqual(['rotated-secret-1', 'rotated-secret-2']);
  });

  it('does not get half of a login', async () => {
    const answer = await call('patch', `${channels()}/${bakery.channelId}`).send({ gateway: { email: 'a@b.example' } });

    expect(answer.body).toMatchObject({ status: 400, detail: 'body.gateway: email and password come together' });
  });

  it.each<[string, object, string]>([
    ['without webhook authentication', { webhook: undefined }, 'body.webhook'],
    ['without a secret', { webhook: { auth: 'hmac', secrets: [] } }, 'body.webhook.secrets'],
    ['with a short secret', { webhook: { auth: 'hmac', secrets: ['x'.repeat(15)] } }, 'body.webhook.secrets.0'],
    [
      'with a secret that is not the base64 it says',
      { webhook: { auth: 'hmac', secrets: ['whsec_not base64!!'] } },
      'secrets.0',
    ],
    ['of an unknown fork', { gateway: { ...CHANNEL.gateway, profile: 'unheard-of' } }, 'body.gateway.profile'],
    [
      'at no web address',
      { gateway: { ...CHANNEL.gateway, baseUrl: 'ftp://gateway.example' } },
      'body.gateway.baseUrl',
    ],
    [
      'with a password in its address',
      { gateway: { ...CHANNEL.gateway, baseUrl: 'https://u:p@g.example' } },
      'body.gateway.baseUrl',
    ],
    ['with half of a login', { gateway: { ...CHANNEL.gateway, password: undefined } }, 'body.gateway'],
    ['of another kind', { kind: 'telegram' }, 'body.kind'],
  ])('%s cannot be made', async (_what, change, field) => {
    const answer = await call('post', channels()).send({ ...CHANNEL, ...change });

    expect(answer.body).toMatchObject({ status: 400, code: 'REQUEST_NOT_VALID' });
    expect((answer.body as { detail: string }).detail).toContain(field);
    for (const secret of SECRETS) expect(answer.text).not.toContain(secret);
  });
});
