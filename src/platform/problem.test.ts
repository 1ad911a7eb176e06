import { describe, expect, it } from '@jest/globals';
import express from 'express';
import type { Express, RequestHandler } from 'express';
import { Pool } from 'pg';
import request from 'supertest';
import { currentContext } from './context.ts';
import { createLogger } from './logger.ts';
import { problemResponses, RequestNotValid, requestIds, unknownRoute } from './problem.ts';

const TABLE = {
  REQUEST_NOT_VALID: { status: 400, publicText: 'The request is not valid.' },
  BODY_NOT_PARSEABLE: { status: 400, publicText: 'The body is not valid JSON.' },
  BODY_TOO_LARGE: { status: 413, publicText: 'The body is too large.' },
  BODY_NOT_JSON: { status: 415, publicText: 'The body must be uncompressed JSON.' },
  NOT_FOUND: { status: 404, publicText: 'There is no such thing here.' },
  DATABASE_UNAVAILABLE: { status: 503, publicText: 'Not available for a moment.' },
  UNEXPECTED: { status: 500, publicText: 'Something went wrong here.' },
  BAKERY_CLOSED: { status: 429, publicText: 'Too many loaves.' },
};

function application(handler: RequestHandler, logged: string[] = []): Express {
  const log = createLogger({ level: 'debug', process: 'test' }, { write: (line) => logged.push(line) });
  const app = express();
  app.use(requestIds());
  app.get('/:place', handler);
  app.use(unknownRoute(TABLE));
  app.use(problemResponses(TABLE, log));
  return app;
}

const throwing = (error: unknown): RequestHandler => {
  return () => Promise.reject(error instanceof Error ? error : new Error('not an error'));
};

describe('a request id', () => {
  it('is the caller’s when it is sane, and is in the context of everything done for the request', async () => {
    const app = application((_req, res) => {
      res.json(currentContext());
    });

    const answer = await request(app).get('/x').set('X-Request-Id', 'ana.2024_07-01');

    expect(answer.headers['x-request-id']).toBe('ana.2024_07-01');
    expect(answer.body).toEqual({ requestId: 'ana.2024_07-01' });
  });

  it.each(['short', 'x'.repeat(65), 'with space', '{"$ne":1}'])(
    'is made here when the caller sends %j',
    async (given) => {
      const app = application((_req, res) => void res.end());

      const answer = await request(app).get('/x').set('X-Request-Id', given);

      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

describe('a problem', () => {
  it('tells a stranger the fixed text of a bug, and the log its cause', async () => {
    const logged: string[] = [];
    const app = application(throwing(new TypeError('the oven at 10.0.0.7 is cold')), logged);

    const answer = await request(app).get('/x').set('X-Request-Id', 'quote-me-1');

    expect(answer.status).toBe(500);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.body).toEqual({
      type: 'urn:plantao:problem:UNEXPECTED',
      title: 'Something went wrong here.',
      status: 500,
      detail: 'Something went wrong here.',
      code: 'UNEXPECTED',
      requestId: 'quote-me-1',
    });
    expect(logged.join('')).toContain('the oven at 10.0.0.7 is cold');
    expect(logged.join('')).toContain('quote-me-1');
  });

  it('says when to come back where the failure knows it', async () => {
    const failure = Object.assign(new Error('closed'), { code: 'BAKERY_CLOSED', retryAfterMs: 2_500 });

    const answer = await request(application(throwing(failure))).get('/x');

    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toBe('3');
  });

  it('names what is wrong with a request', async () => {
    const answer = await request(application(throwing(new RequestNotValid(['body.slug: is taken'])))).get('/x');

    expect(answer.body).toMatchObject({ status: 400, detail: 'body.slug: is taken' });
  });

  it('answers 503 with Retry-After when no database listens', async () => {
    const pool = new Pool({ host: '127.0.0.1', port: 1, connectionTimeoutMillis: 1_000 });
    const app = application(async () => {
      await pool.query('select 1');
    });

    const answer = await request(app).get('/x');
    await pool.end();

    expect(answer.body).toMatchObject({ status: 503, code: 'DATABASE_UNAVAILABLE' });
    expect(answer.headers['retry-after']).toBe('2');
  });

  it.each([
    ['08006', 503],
    ['53300', 503],
    ['57P01', 503],
    ['28P01', 503],
    ['55P03', 503],
    ['23505', 500],
    ['42P01', 500],
  ])('takes SQL state %s for a %i', async (code, status) => {
    const error = Object.assign(new Error('server says no'), { code });

    const answer = await request(application(throwing(error))).get('/x');

    expect(answer.status).toBe(status);
  });

  it('is 404 for an address that is not there and 400 for one that cannot be read', async () => {
    const app = application((_req, res) => void res.end());

    const nowhere = await request(app).get('/x/y');
    const broken = await request(app).get('/%E0%A4%A');

    expect(nowhere.body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect(broken.body).toMatchObject({ status: 400, code: 'REQUEST_NOT_VALID' });
  });

  it('never becomes the second half of an answer that has begun', async () => {
    const app = application((_req, res) => {
      res.write('{"half":');
      throw new Error('too late');
    });

    await expect(request(app).get('/x')).rejects.toThrow(/aborted|hang up/);
  });
});
