import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { z } from 'zod';
import { withContext } from './context.ts';
import { createLogger } from './logger.ts';
import type { LoggedError } from './logger.ts';

const Line = z.looseObject({ level: z.string(), msg: z.string(), event: z.string().optional() });

let written: string[];
let reported: LoggedError[];

beforeEach(() => {
  written = [];
  reported = [];
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

function logger(level = 'debug') {
  const report = (error: LoggedError): void => {
    reported.push(error);
  };
  return createLogger({ level, process: 'test', report }, { write: (line) => written.push(line) });
}

const lines = () => written.map((line) => Line.parse(JSON.parse(line)));

describe('a line of the log', () => {
  it('carries the ids of the work it belongs to, and its trace', () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    withContext({ requestId: 'request-1', conversationId: 'conversation-1', traceparent }, () => {
      logger().info('Hello');
    });

    expect(lines()).toEqual([
      expect.objectContaining({ requestId: 'request-1', conversationId: 'conversation-1', traceId: 'ab'.repeat(16) }),
    ]);
    expect(written[0]).not.toContain('traceparent');
  });

  it('hides fields that are a person’s', () => {
    logger().info({ phone: '5511988880001', text: 'quero cancelar', name: 'Ana', token: 'segredo' }, 'Hello');

    expect(written[0]).not.toMatch(/5511988880001|cancelar|Ana|segredo/);
  });
});

describe('an error in a line', () => {
  it('is there with its code and its frames, and without what hangs on it', () => {
    const err = Object.assign(new Error('The number 5511988880001 was refused'), {
      code: 'ERR_BAD_REQUEST',
      config: { data: 'quero cancelar', headers: { authorization: 'Bearer segredo' } },
      cause: Object.assign(new Error('inner'), { response: { body: 'quero cancelar' } }),
    });
    logger().warn({ err }, 'Not sent');

    expect(lines()[0]).toMatchObject({
      err: {
        type: 'Error',
        code: 'ERR_BAD_REQUEST',
        message: 'The number [digits] was refused',
        stack: expect.stringContaining('logger.test.ts'),
        cause: { message: 'inner' },
      },
    });
    expect(written[0]).not.toMatch(/5511988880001|cancelar|segredo/);
  });
});

describe('a storm of warnings that are alike', () => {
  it('is written at its beginning, counted, and told with the count', () => {
    const log = logger();
    for (let index = 0; index < 1_000; index += 1) {
      log.warn({ err: new Error('Redis is away'), conversationId: `conversation-${index}` }, 'Not cached');
    }
    const before = lines().length;
    jest.advanceTimersByTime(30_000);

    expect(before).toBe(20);
    expect(lines().slice(20)).toEqual([
      expect.objectContaining({ level: 'warn', event: 'log.left-out', leftOut: 980, like: 'Not cached' }),
    ]);
  });

  it('hides no other warning, and none of another reason', () => {
    const log = logger();
    for (let index = 0; index < 100; index += 1)
      log.warn({ event: 'webhook.rejected', reason: 'NOT_FOUND' }, 'Not taken');
    log.warn({ event: 'webhook.rejected', reason: 'WEBHOOK_NOT_AUTHENTIC' }, 'Not taken');
    log.error('Something else');

    expect(lines()).toHaveLength(22);
  });

  it('leaves what is no storm alone: each webhook has its line', () => {
    const log = logger();
    for (let index = 0; index < 500; index += 1) log.info({ event: 'webhook.received' }, 'Webhook accepted');

    expect(lines()).toHaveLength(500);
  });

  it('takes bounded memory, whatever strangers can make it differ by', () => {
    const log = logger();
    for (let index = 0; index < 5_000; index += 1) log.warn({ reason: `reason-${index}` }, 'Not taken');
    jest.advanceTimersByTime(30_000);

    // 199 kinds with a line each, and one place with twenty lines for all others.
    expect(lines().filter(({ event }) => event === undefined).length).toBeLessThanOrEqual(220);
    expect(lines().filter(({ event }) => event === 'log.left-out')).toEqual([
      expect.objectContaining({ leftOut: 5_000 - 200 - 20 }),
    ]);
  });

  it('of refused requests is one although they are no warnings', () => {
    const log = logger();
    for (let index = 0; index < 100; index += 1) log.info({ event: 'request.refused', code: 'NOT_FOUND' }, 'Refused');

    expect(lines()).toHaveLength(20);
  });
});

describe('what is logged as an error', () => {
  it('is reported once, with its fields, and a warning is not', () => {
    const log = logger();
    const err = new Error('broken');
    log.warn({ err }, 'Not yet');
    log.error({ err, conversationId: 'conversation-1' }, 'A turn failed');
    log.fatal({ err }, 'The end');

    expect(reported).toEqual([
      { level: 'error', message: 'A turn failed', fields: { err, conversationId: 'conversation-1' } },
      { level: 'fatal', message: 'The end', fields: { err } },
    ]);
  });

  it('is not reported more often than it is written', () => {
    const log = logger();
    for (let index = 0; index < 100; index += 1) log.error({ err: new Error('broken') }, 'A turn failed');

    expect(reported).toHaveLength(20);
  });
});
