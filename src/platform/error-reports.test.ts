import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SentryStandIn } from '../../test/support/sentry-stand-in.ts';
import { timed } from '../../test/support/stopwatch.ts';
import { until } from '../../test/support/until.ts';
import { withContext } from './context.ts';
import { startErrorReports } from './error-reports.ts';
import type { ErrorReports } from './error-reports.ts';
import { createLogger } from './logger.ts';
import type { Logger } from './logger.ts';

let sentry: SentryStandIn;
let reports: ErrorReports;
let log: Logger;

beforeEach(async () => {
  sentry = await SentryStandIn.start();
  const build = { version: '1.2.3', commit: 'abc1234' };
  reports = await startErrorReports({ dsn: sentry.dsn, environment: 'homologation', build, process: 'worker' });
  log = createLogger({ level: 'info', process: 'worker', report: reports.report }, { write: () => undefined });
});

afterEach(async () => {
  await reports.close(500);
  await sentry.close();
});

async function received() {
  await until(() => sentry.events.length > 0);
  return sentry.events;
}

describe('an error that was logged', () => {
  it('is reported once, with its release, its environment and where to look', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    withContext({ requestId: 'a-request-1', conversationId: 'c-1', traceparent }, () => {
      log.error(
        { err: new TypeError('x is not a function'), queue: 'take-turn' },
        'A turn failed; it will be tried again',
      );
    });
    await reports.close(2_000);

    expect(sentry.events).toEqual([
      expect.objectContaining({
        level: 'error',
        release: 'plantao@1.2.3+abc1234',
        environment: 'homologation',
        tags: {
          process: 'worker',
          requestId: 'a-request-1',
          conversationId: 'c-1',
          queue: 'take-turn',
          said: 'A turn failed; it will be tried again',
        },
      }),
    ]);
    const [event] = sentry.events;
    const [exception] = event?.exception?.values ?? [];
    expect(exception).toMatchObject({ type: 'TypeError', value: 'x is not a function' });
    expect(exception?.stacktrace?.frames.at(-1)?.filename).toContain('error-reports.test.ts');
    expect(sentry.envelopes.join()).toContain('ab'.repeat(16));
  });

  it('keeps the codes of the system and of the database, and the order of its causes', async () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    const err = Object.assign(new Error('duplicate key value violates unique constraint "turn_pkey"', { cause }), {
      code: '23505',
    });
    log.error({ err }, 'A turn failed');

    const [event] = await received();

    expect(event?.exception?.values.map(({ value }) => value)).toEqual([
      'connect ECONNREFUSED 127.0.0.1:5432',
      'duplicate key value violates unique constraint "turn_pkey"',
    ]);
  });

  it('is reported also when there is no exception, and a warning is not', async () => {
    log.warn({ err: new Error('no') }, 'Only a warning');
    log.error({ event: 'dead-letter.recorded', stage: 'turn' }, 'Work gave up and waits for a person');
    await reports.close(2_000);

    expect(sentry.events.map(({ message }) => message)).toEqual(['Work gave up and waits for a person']);
  });
});

/** What a customer of the tests is and says. None of it may leave. */
const ANA = {
  name: 'Ana Canário',
  phone: '5511987650001',
  writtenPhone: '+55 (11) 98765-0001',
  cpf: '529.982.247-25',
  cnpj: '12.345.678/0001-95',
  card: '4111 1111 1111 1111',
  email: 'ana.canario@exemplo.com.br',
  text: 'quero cancelar o plano da minha avó',
  token: 'sk_live_51H8xkAbCdEfGhIjKl',
};

function plantedErrors(): readonly unknown[] {
  const all = Object.values(ANA).join(' ');
  const hung = {
    config: { data: all, headers: { authorization: ANA.token } },
    response: { body: all },
    detail: all,
    parameters: [all],
  };
  return [
    new Error(all),
    new TypeError(`${all} is not a function`),
    new Error('outer', { cause: new Error(ANA.text, { cause: new RangeError(all) }) }),
    Object.assign(new Error(`invalid input syntax for type uuid: "${ANA.text}"`), { code: '22P02', ...hung }),
    Object.assign(new Error(`getaddrinfo ENOTFOUND ${ANA.phone}`), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
      ...hung,
    }),
    Object.assign(new Error(`GET https://gateway.example/send?number=${ANA.phone}&body=${ANA.text}`), {
      code: ANA.text,
    }),
    new AggregateError([new Error(all)], all),
    Object.assign(new Error('named'), { name: `${ANA.name} ${ANA.cpf}` }),
    Object.assign(new Error('stacked'), {
      stack: `Error: ${all}\n    at ${ANA.text} (file:///app/x.ts:1:1)\n    at ${all}`,
    }),
    syntaxErrorOf(`${ANA.text} ${ANA.cpf}`),
    all,
    { message: all },
  ];
}

function syntaxErrorOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

describe('what leaves the machine', () => {
  it('has nothing of a customer in it, wherever it was planted', async () => {
    const all = Object.values(ANA).join(' ');
    for (const [index, err] of plantedErrors().entries()) {
      withContext({ requestId: ANA.phone, jobId: ANA.text }, () => {
        log.error(
          { err, body: all, text: ANA.text, request: { url: all, body: all }, event: all, reason: all, code: ANA.cpf },
          `A turn failed ${index}`,
        );
      });
    }
    log.error({ request: all }, `Could not send "${ANA.text}" to ${ANA.phone}`);
    await reports.close(5_000);

    expect(sentry.events).toHaveLength(plantedErrors().length + 1);
    const sent = sentry.envelopes.join('\n');
    for (const secret of [
      ...Object.values(ANA),
      'Canário',
      'cancelar',
      'avó',
      '8765-0001',
      '987650001',
      '52998224725',
      '12345678000195',
      '4111 1111',
      '4111111111',
      '51H8xk',
    ]) {
      expect([secret, sent.includes(secret)]).toEqual([secret, false]);
    }
  });

  it('is what we know of, and nothing that the package collects by itself', async () => {
    log.error({ err: new Error('x') }, 'A turn failed');
    await reports.close(2_000);

    const [, , item = '{}'] = sentry.envelopes[0]?.split('\n') ?? [];
    const known = [
      'event_id',
      'timestamp',
      'platform',
      'level',
      'release',
      'environment',
      'server_name',
      'sdk',
      'exception',
      'tags',
      'contexts',
    ];
    expect(Object.keys(JSON.parse(item) as object).filter((name) => !known.includes(name))).toEqual([]);
    expect(item).not.toMatch(/"(?:breadcrumbs|modules|vars|context_line|request|user)"/);
  });
});

describe('a Sentry that does not answer', () => {
  it('costs a bounded number of calls, and the end of a process waits no longer than it says', async () => {
    sentry.isSilent = true;
    for (let index = 0; index < 200; index += 1) {
      reports.report({ level: 'error', message: `A turn failed ${index}`, fields: {} });
    }
    const { tookMs } = await timed(() => reports.close(300));

    expect(tookMs).toBeLessThan(2_000);
    expect(sentry.envelopes.length).toBeLessThanOrEqual(20);
  });
});
