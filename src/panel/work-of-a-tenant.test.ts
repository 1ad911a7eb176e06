import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';

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

const call = (method: 'get' | 'post' | 'delete', path: string) =>
  request(town.app)[method](`/api/v1/tenants/${clinic.id}${path}`).set('Authorization', `Bearer ${clinic.admin}`);

describe('a document', () => {
  const documents = '/knowledge/documents';

  it('waits to be read, rings for it, and is shown with its text', async () => {
    const made = await call('post', documents).send({
      title: 'Hours',
      text: 'We open at 8.',
      validUntil: '2026-12-31T23:59:59-03:00',
    });
    const { id } = made.body as { id: string };
    const list = await call('get', documents);
    const one = await call('get', `${documents}/${id}`);

    expect([made.status, made.body]).toEqual([202, { id, state: 'waiting' }]);
    expect(town.rung).toContain(`document ${id}`);
    expect(list.text).not.toContain('We open');
    expect(one.body).toEqual({
      id,
      title: 'Hours',
      text: 'We open at 8.',
      state: 'waiting',
      failure: null,
      validFrom: null,
      validUntil: '2027-01-01T02:59:59.000Z',
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
  });

  it('that is deleted is gone', async () => {
    const made = await call('post', documents).send({ title: 'Hours', text: 'We open at 8.' });
    const path = `${documents}/${(made.body as { id: string }).id}`;

    const statuses = [
      (await call('delete', path)).status,
      (await call('get', path)).status,
      (await call('delete', path)).status,
    ];

    expect(statuses).toEqual([204, 404, 404]);
  });

  it.each<[string, object, string]>([
    ['without text', { title: 'Hours' }, 'body.text'],
    ['by address', { title: 'Hours', url: 'https://clinic.example' }, '"url"'],
    ['of white space', { title: 'Hours', text: ' \n' }, 'body.text'],
    ['with a bare date', { title: 'Hours', text: 'x', validFrom: '2026-12-31' }, 'body.validFrom'],
    [
      'that ends before it begins',
      { title: 'Hours', text: 'x', validFrom: '2026-02-01T00:00:00Z', validUntil: '2026-01-01T00:00:00Z' },
      'body.validUntil',
    ],
  ])('%s is refused', async (_what, body, field) => {
    const answer = await call('post', documents).send(body);

    expect(answer.body).toMatchObject({ status: 400, code: 'REQUEST_NOT_VALID' });
    expect((answer.body as { detail: string }).detail).toContain(field);
  });
});

describe('dead letters', () => {
  const idsOf = (body: unknown) => (body as { items: { id: string }[] }).items.map((it) => it.id);

  it('are listed newest first and found by stage, state and reason', async () => {
    const turn = await town.gaveUp(clinic, { stage: 'turn' });
    const delivery = await town.gaveUp(clinic, { stage: 'delivery', reason: 'gateway-refused' });
    await call('post', `/dead-letters/${turn}/discard`);

    const all = await call('get', '/dead-letters');
    const byStage = await call('get', '/dead-letters?stage=turn');
    const byState = await call('get', '/dead-letters?state=open');
    const byReason = await call('get', '/dead-letters?reason=gateway-refused');

    expect(idsOf(all.body)).toEqual([delivery, turn]);
    expect([byStage, byState, byReason].map((it) => idsOf(it.body))).toEqual([[turn], [delivery], [delivery]]);
  });

  it.each([
    ['turn', 'conversation'],
    ['intake', 'conversation'],
    ['delivery', 'delivery'],
    ['knowledge', 'document'],
  ] as const)('of the stage %s ring the %s when they are replayed', async (stage, bell) => {
    const [conversationId, subjectId] = [randomUUID(), randomUUID()];
    const id = await town.gaveUp(clinic, { stage, conversationId, subjectId });

    const answer = await call('post', `/dead-letters/${id}/replay`);

    expect([answer.status, answer.body]).toEqual([200, { id, state: 'replayed' }]);
    expect(town.rung.at(-1)).toBe(`${bell} ${stage === 'knowledge' ? subjectId : conversationId}`);
  });

  it('are settled once', async () => {
    const id = await town.gaveUp(clinic, { stage: 'turn' });
    await call('post', `/dead-letters/${id}/replay`);

    const again = await call('post', `/dead-letters/${id}/replay`);
    const discarded = await call('post', `/dead-letters/${id}/discard`);
    const unknown = await call('post', `/dead-letters/${randomUUID()}/replay`);

    expect([again.status, discarded.status, unknown.status]).toEqual([409, 409, 404]);
  });

  it('are replayed together, those that fit and are open', async () => {
    const discarded = await town.gaveUp(clinic, { stage: 'turn' });
    await call('post', `/dead-letters/${discarded}/discard`);
    for (const stage of ['turn', 'turn', 'delivery'] as const) await town.gaveUp(clinic, { stage });

    const answer = await call('post', '/dead-letters/replay').send({ stage: 'turn' });
    const left = await call('get', '/dead-letters?state=open');

    expect(answer.body).toEqual({ replayed: 2, hasMore: false });
    expect(idsOf(left.body)).toHaveLength(1);
  });
});
