import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest } from '@jest/globals';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { startEmbeddedPostgres } from '../../local/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../../local/embedded-postgres.ts';
import { createDatabase, createPool } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createQueue, createWorker } from '../../src/platform/queue.ts';
import { createBlockingRedis, createRedis } from '../../src/platform/redis.ts';
import type { RedisConnection } from '../../src/platform/redis.ts';
import { Secret } from '../../src/platform/secret.ts';
import { makeCertificates, whyNoCertificates } from '../support/certificates.ts';
import type { Certificates } from '../support/certificates.ts';
import { itWhere } from '../support/it-where.ts';
import { startRedisOverTls, whyNoRedisOverTls } from '../support/redis-tls.ts';
import type { RedisOverTls } from '../support/redis-tls.ts';
import { until } from '../support/until.ts';

// A database is made of its own.
jest.setTimeout(60_000);

const log = createLogger({ level: 'silent', process: 'test' });
const whyNoDatabase = whyNoCertificates();
const whyNoRedis = whyNoCertificates() ?? whyNoRedisOverTls();

let folder: string;
/** Of the authority that has signed for the servers, and of one that anybody could make. */
let known: Certificates;
let stranger: Certificates;
let closers: (() => unknown)[] = [];

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-tls-'));
  // As root the servers run as another user, who must get in here.
  fs.chmodSync(folder, 0o755);
  if (whyNoCertificates() !== undefined) return;
  known = makeCertificates(folder, 'known');
  stranger = makeCertificates(folder, 'stranger');
});

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function keep<Thing>(thing: Thing, close: (thing: Thing) => unknown): Thing {
  closers.unshift(() => close(thing));
  return thing;
}

describe('a PostgreSQL that speaks TLS', () => {
  let server: EmbeddedPostgres | undefined;

  beforeAll(async () => {
    if (whyNoDatabase !== undefined) return;
    server = await startEmbeddedPostgres({
      directory: path.join(folder, 'postgres'),
      settings: { ssl: 'on', ssl_cert_file: known.certificate, ssl_key_file: known.key, fsync: 'off' },
    });
  });

  afterAll(async () => {
    await server?.stop();
  });

  itWhere(
    whyNoDatabase,
    'is spoken to by the pools of the product when its authority is the one that is named',
    async () => {
      const db = connect({ host: 'localhost', sslmode: 'verify-full', sslrootcert: known.authority });

      const { rows } = await sql`select ssl, version from pg_stat_ssl where pid = pg_backend_pid()`.execute(db);

      expect(rows).toEqual([{ ssl: true, version: expect.stringMatching(/^TLSv1\.[23]$/) }]);
    },
  );

  itWhere(whyNoDatabase, 'is not believed when somebody else has signed for it', async () => {
    const db = connect({ host: 'localhost', sslmode: 'verify-full', sslrootcert: stranger.authority });

    await expect(sql`select 1`.execute(db)).rejects.toThrow(/certificate|issuer/);
  });

  itWhere(whyNoDatabase, 'is not believed when its certificate bears another name', async () => {
    const db = connect({ host: '127.0.0.1', sslmode: 'verify-full', sslrootcert: known.authority });

    await expect(sql`select 1`.execute(db)).rejects.toThrow(/altnames/);
  });

  itWhere(whyNoDatabase, 'is believed again as soon as the file of its authority is right', async () => {
    const file = path.join(folder, 'authority.pem');
    fs.copyFileSync(stranger.authority, file);
    const db = connect({ host: 'localhost', sslmode: 'verify-full', sslrootcert: file });
    await expect(sql`select 1`.execute(db)).rejects.toThrow();

    fs.copyFileSync(known.authority, file);

    expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  });

  function connect({ host, ...parameters }: { host: string; sslmode: string; sslrootcert: string }): Kysely<unknown> {
    const url = new URL(server?.url ?? '');
    url.hostname = host;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const options = { name: 'tls', connectionsMax: 1, queryTimeoutMs: 10_000, acquireTimeoutMs: 10_000 };
    return keep(createDatabase<unknown>(createPool(Secret.of(url.href), options, log)), (db) => db.destroy());
  }
});

describe('a Redis that speaks TLS', () => {
  let server: RedisOverTls | undefined;

  beforeAll(async () => {
    if (whyNoRedis !== undefined) return;
    server = await startRedisOverTls(folder, known);
  });

  afterAll(async () => {
    await server?.close();
  });

  itWhere(
    whyNoRedis,
    'carries commands, a queue and its worker when its authority is the one that is named',
    async () => {
      const url = urlOf('localhost', `cafile=${known.authority}`);
      const redis = connect(url);
      await until(() => redis.status === 'ready');
      const queue = keep(createQueue<{ n: number }>('bells', redis, log), (it) => it.close());
      const heard: number[] = [];
      const connection = keep(createBlockingRedis(url, log), (it) => {
        it.disconnect();
      });
      const Job = { parse: (data: unknown) => data as { n: number } };
      keep(
        createWorker(
          'bells',
          {
            connection,
            concurrency: 1,
            parse: Job.parse,
            run: ({ n }) => {
              heard.push(n);
              return Promise.resolve();
            },
          },
          log,
        ),
        (it) => it.close(true),
      );

      await queue.add('bell', { n: 1 });
      await until(() => heard.length > 0);

      expect(heard).toEqual([1]);
    },
  );

  itWhere(whyNoRedis, 'may bear another name than its address when that name is given', async () => {
    const redis = connect(urlOf('127.0.0.1', `cafile=${known.authority}&servername=localhost`));

    await until(() => redis.status === 'ready');

    expect(await redis.ping()).toBe('PONG');
  });

  itWhere(whyNoRedis, 'is not believed when somebody else has signed for it, or for another name', async () => {
    for (const url of [
      urlOf('localhost', `cafile=${stranger.authority}`),
      urlOf('localhost', ''),
      urlOf('127.0.0.1', `cafile=${known.authority}`),
    ]) {
      const said: string[] = [];
      const redis = connect(url);
      redis.on('error', (error: Error) => said.push(error.message));
      await until(() => said.length > 0);

      expect(said[0]).toMatch(/certificate|issuer|altnames/);
      await expect(redis.ping()).rejects.toThrow();
    }
  });

  function urlOf(host: string, query: string): Secret {
    return Secret.of(`rediss://${host}:${server?.port ?? 0}?${query}`);
  }

  function connect(url: Secret): RedisConnection {
    return keep(createRedis(url, log), (it) => {
      it.disconnect();
    });
  }
});
