import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, MigrationEnvironment, ServiceEnvironment, VARIABLES, WorkerEnvironment } from './config.ts';

const MASTER_KEY = Buffer.alloc(32, 1).toString('base64');
const GOOD = {
  DATABASE_URL: 'postgres://plantao:senha@127.0.0.1/plantao',
  REDIS_URL: 'redis://127.0.0.1',
  MASTER_KEY,
  ADMIN_API_KEY: 'uma-chave-de-32-caracteres-ou-mais',
};

function problemsOf(
  environment: NodeJS.ProcessEnv,
  parser: Parameters<typeof loadConfig>[0] = WorkerEnvironment,
): string {
  try {
    loadConfig(parser, environment);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('a mail server', () => {
  const MAIL = { SMTP_URL: 'smtps://plantao:senha@mail.example.com', MAIL_FROM: 'Plantão <plantao@example.com>' };

  it('is a server and who writes, or none at all', () => {
    const { notifications } = loadConfig(WorkerEnvironment, { ...GOOD, ...MAIL });

    expect(notifications.mail?.from).toBe(MAIL.MAIL_FROM);
    expect(JSON.stringify(notifications)).not.toContain('senha');
    expect(loadConfig(ServiceEnvironment, GOOD).notifications.mail).toBeUndefined();
  });

  it.each([
    [{ SMTP_URL: MAIL.SMTP_URL }, 'MAIL_FROM is required with SMTP_URL'],
    [{ ...MAIL, SMTP_URL: 'mail.example.com' }, 'SMTP_URL must be a URL such as'],
    [{ ...MAIL, MAIL_FROM: 'plantao@example.com\nBcc: x@example.com' }, 'MAIL_FROM must be an address'],
    [{ ...MAIL, MAIL_FROM: 'nobody' }, 'MAIL_FROM must be an address'],
  ])('that is half or wrong is refused: %j', (given, problem) => {
    expect(problemsOf({ ...GOOD, ...given })).toContain(problem);
  });
});

describe('a good environment', () => {
  it('is read whole, with what is documented where nothing is said', () => {
    const worker = loadConfig(WorkerEnvironment, GOOD);
    const service = loadConfig(ServiceEnvironment, GOOD);

    expect(worker).toMatchObject({
      port: 8080,
      host: '0.0.0.0',
      logLevel: 'info',
      coalescing: { minMs: 800, maxMs: 6_000 },
      sendPacingMs: 1_000,
      modelTimeoutMs: 20_000,
      turnDeadlineMs: 60_000,
      contextTtlSeconds: 86_400,
      concurrency: 50,
      gemini: undefined,
      fallbackModel: undefined,
      outboundPrivateHosts: [],
    });
    expect(service.adminApiKey.reveal()).toBe(GOOD.ADMIN_API_KEY);
    expect(service.publicUrl).toBeUndefined();
  });

  it('is read as what it means', () => {
    const worker = loadConfig(WorkerEnvironment, {
      ...GOOD,
      PORT: '0',
      SEND_PACING_MS: '0',
      OUTBOUND_PRIVATE_HOSTS: ' whaticket:8080, 10.0.0.7 ,',
      GEMINI_API_KEY: 'chave',
      GEMINI_BASE_URL: 'https://proxy.example/',
      FALLBACK_MODEL_BASE_URL: 'http://llama:8000/v1',
      FALLBACK_MODEL_NAME: 'llama',
    });

    expect(worker).toMatchObject({
      port: 0,
      sendPacingMs: 0,
      outboundPrivateHosts: ['whaticket:8080', '10.0.0.7'],
      gemini: { baseUrl: 'https://proxy.example', model: 'gemini-3.5-flash-lite' },
      fallbackModel: { model: 'llama', apiKey: undefined },
    });
  });

  it.each(['1', 'loopback', '10.0.0.0/8, 2001:db8::1', 'uniquelocal,192.168.0.0/255.255.0.0'])(
    'trusts the proxies %s',
    (proxies) => {
      expect(loadConfig(ServiceEnvironment, { ...GOOD, TRUST_PROXY: proxies }).trustProxy).toBe(proxies);
    },
  );

  it.each(['maybe', '-1', '10.0.0.0/x', 'loopback,', 'true'])('knows no proxies %s', (proxies) => {
    expect(() => loadConfig(ServiceEnvironment, { ...GOOD, TRUST_PROXY: proxies })).toThrow(
      'TRUST_PROXY must be a number',
    );
  });

  it('takes an empty value for none', () => {
    expect(loadConfig(WorkerEnvironment, { ...GOOD, PORT: '', GEMINI_API_KEY: '' })).toMatchObject({
      port: 8080,
      gemini: undefined,
    });
  });

  it('takes the empty file of a model’s key for none, so that every secret may be mounted', () => {
    const environment = { ...GOOD, FALLBACK_MODEL_BASE_URL: 'http://llama:8000/v1', FALLBACK_MODEL_NAME: 'llama' };

    expect(
      loadConfig(WorkerEnvironment, {
        ...environment,
        GEMINI_API_KEY_FILE: '/dev/null',
        FALLBACK_MODEL_API_KEY_FILE: '/dev/null',
      }),
    ).toMatchObject({ gemini: undefined, fallbackModel: { model: 'llama', apiKey: undefined } });
  });

  it('is enough for migrations when it names the database', () => {
    expect(loadConfig(MigrationEnvironment, { DATABASE_URL: GOOD.DATABASE_URL }).databaseUrl.reveal()).toBe(
      GOOD.DATABASE_URL,
    );
  });

  it('does not print its secrets', () => {
    const printed = JSON.stringify(loadConfig(ServiceEnvironment, GOOD));

    for (const secret of ['senha', MASTER_KEY, GOOD.ADMIN_API_KEY]) expect(printed).not.toContain(secret);
  });
});

describe('a bad environment', () => {
  const BAD = {
    DATABASE_URL: 'mysql://root:segredo1@db/x',
    REDIS_URL: 'segredo2',
    MASTER_KEY: 'segredo3',
    ADMIN_API_KEY: 'segredo4',
    PORT: '70000',
    LOG_LEVEL: 'segredo5',
    PUBLIC_URL: 'ftp://segredo6',
    COALESCE_MIN_MS: 'segredo7',
  };

  it('is told about once, every problem at once, and no value of it is printed', () => {
    const problems = problemsOf(BAD, ServiceEnvironment);

    for (const name of Object.keys(BAD)) expect(problems).toContain(`  - ${name} `);
    expect(problems).not.toMatch(/segredo|70000|mysql|ftp:/);
  });

  it.each<[string, NodeJS.ProcessEnv, RegExp]>([
    [
      'nothing at all',
      { DATABASE_URL: undefined, REDIS_URL: undefined, MASTER_KEY: undefined },
      /DATABASE_URL is required[\s\S]*REDIS_URL is required[\s\S]*MASTER_KEY is required/,
    ],
    ['a key of 31 bytes', { MASTER_KEY: Buffer.alloc(31).toString('base64') }, /MASTER_KEY must be 32 bytes in base64/],
    [
      'a model that may take longer than its turn',
      { MODEL_TIMEOUT_MS: '60000' },
      /MODEL_TIMEOUT_MS must be shorter than TURN_DEADLINE_MS/,
    ],
    ['a stand-in without a name', { FALLBACK_MODEL_BASE_URL: 'http://llama/v1' }, /FALLBACK_MODEL_NAME is required/],
    [
      'a wait that ends before it begins',
      { COALESCE_MIN_MS: '7000' },
      /COALESCE_MIN_MS must not be longer than COALESCE_MAX_MS/,
    ],
    ['a fraction', { WORKER_CONCURRENCY: '1.5' }, /WORKER_CONCURRENCY /],
    ['a number in words', { SEND_PACING_MS: 'dez' }, /SEND_PACING_MS must be a whole number/],
  ])('is refused for %s', (...[, change, expected]) => {
    expect(problemsOf({ ...GOOD, ...change })).toMatch(expected);
  });

  it('ends the process with code 78 and a list, before anything is opened', () => {
    for (const program of ['main.ts', '../workers/main.ts']) {
      const ended = spawnSync(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], {
        env: { PATH: process.env.PATH, ...BAD },
        encoding: 'utf8',
        timeout: 20_000,
      });

      expect(ended.status).toBe(78);
      expect(ended.stderr).toContain('The environment is not usable:\n  - ');
      expect(ended.stderr + ended.stdout).not.toContain('segredo');
    }
  });
});

describe('a value from a file', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'plantao-config-'));
    writeFileSync(path.join(directory, 'key'), `${MASTER_KEY}\n`);
    writeFileSync(path.join(directory, 'port'), '9090\n');
    writeFileSync(path.join(directory, 'bad'), 'segredo');
  });

  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  it('may stand for any variable, and wins over the variable itself', () => {
    const config = loadConfig(WorkerEnvironment, {
      ...GOOD,
      MASTER_KEY: 'not-used',
      MASTER_KEY_FILE: path.join(directory, 'key'),
      PORT_FILE: path.join(directory, 'port'),
    });

    expect(config.masterKey.reveal()).toBe(MASTER_KEY);
    expect(config.port).toBe(9_090);
  });

  it('that is not there, or not good, is named like any other problem', () => {
    const problems = problemsOf({
      ...GOOD,
      GEMINI_API_KEY_FILE: path.join(directory, 'no-such-file'),
      MASTER_KEY_FILE: path.join(directory, 'bad'),
    });

    expect(problems).toContain('GEMINI_API_KEY_FILE names a file that cannot be read');
    expect(problems).toContain('MASTER_KEY must be 32 bytes');
    expect(problems).not.toContain('segredo');
  });
});

describe('the list of variables', () => {
  it('names each once', () => {
    expect(new Set(VARIABLES).size).toBe(VARIABLES.length);
    expect(VARIABLES).toEqual(expect.arrayContaining(['PORT', 'DATABASE_URL', 'MODEL_TIMEOUT_MS', 'TRUST_PROXY']));
  });
});
