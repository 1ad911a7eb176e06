import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Notice, TargetAddress } from '../vocabulary/notification.ts';

const SLACK_URL = 'https://hooks.slack.com/services/' + 'T0/B0/segredo';
const ROUTING_KEY = 'R0UT1NGKEY0F4TEST0000000000000AB';
const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;

let database: TestDatabase;
let town: PanelTown;
let clinic: TownTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

beforeEach(async () => {
  clinic = await town.opens(`clinic-${randomUUID()}`);
});

afterAll(async () => {
  await database.close();
});

const PATH = '/notification-targets';
const call = (method: 'get' | 'post' | 'patch' | 'delete', path = PATH, key = clinic.admin) =>
  request(town.app)[method](`/api/v1/tenants/${clinic.id}${path}`).set('Authorization', `Bearer ${key}`);
const ADDRESSES = [
  { kind: 'slack', url: SLACK_URL },
  { kind: 'pagerduty', routingKey: ROUTING_KEY },
  { kind: 'email', addresses: ['bruno@clinic.example'] },
  { kind: 'webhook', url: 'https://clinic.example/hooks/segredo', secret: SECRET },
];

async function made(to: object = ADDRESSES[0] ?? {}): Promise<string> {
  return ((await call('post').send({ name: 'Sala', to })).body as { id: string }).id;
}

describe('a notification target', () => {
  it('of each kind is made, shown and found again, and never shows its address', async () => {
    const answers = [];
    for (const to of ADDRESSES) answers.push(await call('post').send({ name: 'Sala', to }));
    const list = await call('get', PATH, clinic.viewer);
    const shown = JSON.stringify([...answers.map(({ body }) => body as unknown), list.body, town.logged]);

    expect(answers.map(({ status, body }) => [status, (body as { shownAs: string }).shownAs])).toEqual([
      [201, 'hooks.slack.com'],
      [201, '…00AB'],
      [201, 'b***@clinic.example'],
      [201, 'clinic.example'],
    ]);
    expect(list.body).toMatchObject({
      items: [{ kind: 'webhook' }, { kind: 'email' }, { kind: 'pagerduty' }, { kind: 'slack' }],
    });
    for (const secret of ['segredo', ROUTING_KEY, 'bruno@', SECRET]) expect(shown).not.toContain(secret);
    const { sealed_address: sealed } = await database.db
      .selectFrom('notification_target')
      .select('sealed_address')
      .where('tenant_id', '=', clinic.id)
      .where('kind', '=', 'slack')
      .executeTakeFirstOrThrow();
    expect(sealed.toString('latin1')).not.toContain('segredo');
  });

  it('is changed in part, and stays of its kind', async () => {
    const id = await made();
    const quietHours = { from: '22:00', until: '07:00' };
    const changed = await call('patch', `${PATH}/${id}`).send({ quietHours, wants: ['dead-letter'] });
    const other = await call('patch', `${PATH}/${id}`).send({ to: ADDRESSES[1] });

    expect(changed.body).toMatchObject({
      name: 'Sala',
      quietHours,
      wants: ['dead-letter'],
      shownAs: 'hooks.slack.com',
    });
    expect([other.status, other.text]).toEqual([400, expect.stringContaining('must stay slack')]);
  });

  it('that is deleted is gone, with what was still to be told there', async () => {
    const id = await made();
    await database.db
      .insertInto('notification')
      .values({ id: randomUUID(), tenant_id: clinic.id, target_id: id, kind: 'handoff', subject_id: id, key: 'one' })
      .execute();

    const statuses = [(await call('delete', `${PATH}/${id}`)).status, (await call('delete', `${PATH}/${id}`)).status];
    const left = await database.db.selectFrom('notification').select('id').where('target_id', '=', id).execute();

    expect([statuses, left]).toEqual([[204, 404], []]);
  });

  it.each([
    ['are ended first', () => Promise.resolve(), { alarmsEnded: 2, alarmsLeft: 0 }],
    [
      'are counted where they cannot be ended',
      () => Promise.reject(new Failure('NOTIFICATION_CREDENTIALS_REFUSED')),
      { alarmsEnded: 0, alarmsLeft: 2 },
    ],
  ])('that is deleted leaves no alarm ringing: those that do %s', async (_case, answer, alarms) => {
    const id = await made(ADDRESSES[1]);
    const row = { tenant_id: clinic.id, target_id: id, kind: 'handoff', subject_id: id };
    const end = { action: 'resolve', payload: JSON.stringify({ alarm: 'handoff:2' }) };
    const rows = [
      { ...row, id: randomUUID(), key: 'handoff:1', state: 'sent', is_alarm_open: true },
      { ...row, id: randomUUID(), key: 'resolve:handoff:2', ...end },
      { ...row, id: randomUUID(), key: 'handoff:3', state: 'sent' },
    ];
    await database.db.insertInto('notification').values(rows).execute();
    const told: Notice[] = [];
    town.notifier = {
      tell: (_address, notice) => {
        told.push(notice);
        return answer();
      },
    };

    const { status } = await call('delete', `${PATH}/${id}`);

    expect(status).toBe(204);
    expect(told.map(({ action, alarmKey }) => [action, alarmKey]).toSorted()).toEqual([
      ['resolve', 'plantao-handoff:1'],
      ['resolve', 'plantao-handoff:2'],
    ]);
    expect(town.logged.at(-1)).toContain(JSON.stringify(alarms).slice(1, -1));
  });

  it.each<[string, object, string]>([
    ['a file', { to: { kind: 'slack', url: 'file:///etc/passwd' } }, 'body.to.url'],
    ['a user in the address', { to: { kind: 'slack', url: 'https://a:b@slack.example/x' } }, 'body.to.url'],
    ['a short secret', { to: { kind: 'webhook', url: 'https://a.example', secret: 'whsec_AAAA' } }, 'body.to.secret'],
    ['a line in an address', { to: { kind: 'email', addresses: ['a@b.example\r\nBcc: c@d.example'] } }, 'addresses'],
    ['an excerpt for others', { to: ADDRESSES[0], includeExcerpt: true }, 'body.includeExcerpt'],
    ['a time that is none', { to: ADDRESSES[0], quietHours: { from: '25:00', until: '07:00' } }, 'body.quietHours'],
    ['nothing that it wants', { to: ADDRESSES[0], wants: [] }, 'body.wants'],
  ])('with %s is refused by the name of the field', async (_what, body, field) => {
    const answer = await call('post').send({ name: 'Sala', ...body });

    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(field)]);
  });

  it('is one of twenty at most', async () => {
    const answers = [];
    for (let nth = 0; nth < 21; nth += 1)
      answers.push((await call('post').send({ name: 'Sala', to: ADDRESSES[0] })).status);

    expect(answers).toEqual([...Array.from({ length: 20 }, () => 201), 400]);
  });

  it('is made, changed and tried by admins alone, and not by those of another tenant', async () => {
    const other = await town.opens(`other-${randomUUID()}`);
    const id = await made();
    const statuses = [
      (await call('post', PATH, clinic.agent).send({ name: 'Sala', to: ADDRESSES[0] })).status,
      (await call('post', `${PATH}/${id}/test`, clinic.viewer).send({})).status,
      (
        await request(town.app)
          .delete(`/api/v1/tenants/${other.id}${PATH}/${id}`)
          .set('Authorization', `Bearer ${other.admin}`)
      ).status,
    ];

    expect(statuses).toEqual([403, 403, 404]);
  });
});

describe('the test of a target', () => {
  it('tells it something harmless, and does not leave an alarm ringing', async () => {
    const told: [TargetAddress, Notice][] = [];
    town.notifier = {
      tell: (address, notice) => {
        told.push([address, notice]);
        return Promise.resolve();
      },
    };
    const id = await made(ADDRESSES[1]);

    const answer = await call('post', `${PATH}/${id}/test`).send({});

    expect([answer.status, answer.body]).toEqual([200, { outcome: 'sent', failure: null }]);
    expect(told.map(([address, { action, kind }]) => [address.kind, action, kind])).toEqual([
      ['pagerduty', 'tell', 'test'],
      ['pagerduty', 'resolve', 'test'],
    ]);
    expect(new Set(told.map(([, { alarmKey }]) => alarmKey)).size).toBe(1);
  });

  it('is made so often a minute and no more', async () => {
    const asked: string[] = [];
    town.notifierTests = { take: (key) => Promise.resolve(asked.push(key) > 1 ? 9_000 : undefined) };
    const id = await made();

    const answers = [
      await call('post', `${PATH}/${id}/test`).send({}),
      await call('post', `${PATH}/${id}/test`).send({}),
    ];
    town.notifierTests = { take: () => Promise.resolve(undefined) };

    expect(answers.map(({ status }) => status)).toEqual([200, 429]);
    expect(asked).toEqual([clinic.id, clinic.id]);
  });

  it('says what went wrong', async () => {
    town.notifier = { tell: () => Promise.reject(new Failure('NOTIFICATION_CREDENTIALS_REFUSED')) };
    const id = await made();

    const answer = await call('post', `${PATH}/${id}/test`).send({});

    expect([answer.status, answer.body]).toEqual([
      200,
      { outcome: 'failed', failure: 'NOTIFICATION_CREDENTIALS_REFUSED' },
    ]);
    expect(
      town.logged.some((line) => line.includes('notification-target.changed') && line.includes('"change":"tested"')),
    ).toBe(true);
  });
});
