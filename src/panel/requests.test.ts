import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { sql } from 'kysely';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
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

const post = (path: string) => request(town.app).post(path).set('Authorization', `Bearer ${town.adminKey}`);
const get = (path: string) => request(town.app).get(path).set('Authorization', `Bearer ${town.adminKey}`);

describe('a body', () => {
  it('over one mebibyte is refused', async () => {
    const answer = await post(`/api/v1/tenants/${bakery.id}/knowledge/documents`).send({
      title: 'Long',
      text: 'x'.repeat(1_048_577),
    });

    expect(answer.body).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
  });

  it('that is compressed is refused', async () => {
    const answer = await post('/api/v1/tenants')
      .set({ 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' })
      .serialize((body: unknown) => body as string)
      .send(gzipSync('{}'));

    expect(answer.body).toMatchObject({ status: 415, code: 'BODY_NOT_JSON' });
  });

  it('that is not JSON by its type is refused', async () => {
    const answer = await post('/api/v1/tenants').type('form').send('slug=bakery');

    expect(answer.body).toMatchObject({ status: 415, code: 'BODY_NOT_JSON' });
  });

  it('that cannot be parsed is refused', async () => {
    const answer = await post('/api/v1/tenants').type('json').send('{"slug": ');

    expect(answer.body).toMatchObject({ status: 400, code: 'BODY_NOT_PARSEABLE' });
  });

  it.each(['[]', '"text"', 'null', '7'])('that is no object (%s) is refused with a reason', async (body) => {
    const answer = await post('/api/v1/tenants').type('json').send(body);

    expect(answer.body).toMatchObject({
      status: 400,
      code: 'REQUEST_NOT_VALID',
      detail: expect.stringMatching(/^body: /),
    });
  });

  it('with several mistakes is told all of them, by field', async () => {
    const answer = await post('/api/v1/tenants').send({ slug: 'Not A Slug', timeZone: 'Mars/Olympus', colour: 'red' });
    const { detail } = answer.body as { detail: string };

    expect(answer.status).toBe(400);
    for (const field of ['body.slug', 'body.name', 'body.timeZone', '"colour"']) expect(detail).toContain(field);
  });

  it('with a NUL in a text is refused, because it could not be kept', async () => {
    const answer = await post('/api/v1/tenants').send({ slug: 'nul', name: 'Ba\u0000kery' });

    expect(answer.body).toMatchObject({ status: 400, detail: 'body.name: must not hold a NUL character' });
  });
});

describe('an address', () => {
  it('with another method tells which it takes', async () => {
    const answer = await request(town.app).put(`/api/v1/tenants/${bakery.id}/settings`);

    expect(answer.body).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
    expect(answer.headers.allow).toBe('GET, HEAD, PATCH');
  });

  it.each(['/api/v1', '/api/v1/nothing', '/api/v2/tenants', '/api/v1/tenants/not-an-id/settings'])(
    'that is not there (%s) is a problem as well',
    async (path) => {
      const answer = await get(path).set('X-Request-Id', 'quote-this-one');

      expect(answer.body).toMatchObject({ status: 404, code: 'NOT_FOUND', requestId: 'quote-this-one' });
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.headers['x-request-id']).toBe('quote-this-one');
    },
  );

  it.each(['limit=0', 'limit=101', 'limit=x', 'limit=1.5', 'limit=', 'limit=1&limit=2', 'pages=2', 'state=asleep'])(
    'with the query %s is refused',
    async (query) => {
      const answer = await get(`/api/v1/tenants/${bakery.id}/conversations?${query}`);

      expect(answer.body).toMatchObject({ status: 400, code: 'REQUEST_NOT_VALID' });
      expect((answer.body as { detail: string }).detail).toMatch(/^query/);
    },
  );
});

describe('a cursor', () => {
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const id = '6f2c4a3e-0f0e-4a8e-9c53-9d8a8b0d8c11';

  it.each([
    ['nonsense', 'nonsense'],
    ['not an object', encoded(7)],
    ['a time that never was', encoded({ at: '2026-02-31T00:00:00.000000Z', id })],
    ['a time before all calendars', encoded({ at: '0000-01-01T00:00:00.000000Z', id })],
    ['SQL', encoded({ at: "now()'; drop table tenant; --", id })],
    ['one of another list', encoded({ at: '2026-01-01T00:00:00.000000Z', seq: '1' })],
  ])('(%s) is refused', async (_what, cursor) => {
    const answer = await get(`/api/v1/tenants/${bakery.id}/conversations?cursor=${encodeURIComponent(cursor)}`);

    expect(answer.body).toMatchObject({ status: 400, code: 'CURSOR_NOT_VALID' });
  });

  it('passes every row once, also those of one instant and one microsecond apart', async () => {
    const instants = ['00.000001', '00.000002', '00.000002', '00.000003', '00.001000'];
    for (const [index, at] of instants.entries()) {
      await database.db
        .insertInto('knowledge_document')
        .values({
          id: `00000000-0000-4000-8000-00000000000${index}`,
          tenant_id: bakery.id,
          title: String(index),
          created_at: sql<Date>`${`2026-01-01T00:00:${at}Z`}::timestamptz`,
        })
        .execute();
    }

    const titles: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const answer = await get(`/api/v1/tenants/${bakery.id}/knowledge/documents?limit=1${query}`);
      const page = answer.body as { items: { title: string }[]; nextCursor: string | null };
      titles.push(...page.items.map((it) => it.title));
      cursor = page.nextCursor;
    }

    expect(titles).toEqual(['4', '3', '2', '1', '0']);
  });
});
