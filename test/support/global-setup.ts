import { chmod, mkdtemp, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';
import { startEmbeddedPostgres } from '../../local/embedded-postgres.ts';
import { startLocalRedis } from '../../local/local-redis.ts';
import { runMigrations } from '../../local/run-migrations.ts';
import { servers } from './servers.ts';

/** A file system in memory. */
const MEMORY = '/dev/shm';
/** What must be free there, and of memory: a whole run holds some 600 MB. */
const MEMORY_BYTES_MIN = 3 * 1_024 ** 3;

/**
 * One PostgreSQL and one Redis for the whole run. The migrated database becomes a template, from which every test file
 * clones its own in a few milliseconds.
 *
 * `TEST_DATABASE_URL` (a superuser's) runs the suite on another PostgreSQL, e.g. the oldest version that is supported.
 */
export default async function setup(): Promise<void> {
  const directory = await mkdtemp(path.join(await temporaryRoot(), 'plantao-test-'));
  // As root the server runs as another user, who must get in here.
  await chmod(directory, 0o755);
  // Everything that tests leave lying goes with it at the end.
  process.env.TMPDIR = directory;
  const given = process.env.TEST_DATABASE_URL;
  if (given === undefined) {
    servers.postgres = await startEmbeddedPostgres({
      directory: path.join(directory, 'postgres'),
      settings: { fsync: 'off', max_connections: '300' },
    });
  }
  servers.redis = await startLocalRedis(path.join(directory, 'redis'));
  servers.directory = directory;

  const url = given ?? servers.postgres?.url ?? '';
  await migrate(url);
  process.env.PLANTAO_TEST_DATABASE_URL = url;
  // The tests start the product's processes some hundred times, and each would compile the same modules.
  process.env.NODE_COMPILE_CACHE = path.join(directory, 'compile-cache');
  process.env.PLANTAO_TEST_REDIS_URL = servers.redis.url;
  process.env.PLANTAO_TEST_REDIS_IS_REAL = String(servers.redis.isReal);
}

/** In memory where there is plenty: a database is cloned there in 20 ms, and in 300 on a slow disk. */
async function temporaryRoot(): Promise<string> {
  const room = await statfs(MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return Math.min(room, os.freemem()) >= MEMORY_BYTES_MIN ? MEMORY : os.tmpdir();
}

async function migrate(url: string): Promise<void> {
  const admin = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: url, max: 1 }) }),
  });
  await sql`drop database if exists plantao_template with (force)`.execute(admin);
  await sql`create database plantao_template`.execute(admin);
  await admin.destroy();
  const template = new URL(url);
  template.pathname = '/plantao_template';
  await runMigrations(template.href);
}
