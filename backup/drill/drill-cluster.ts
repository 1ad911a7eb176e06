import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { freePort } from '../../local/ports.ts';
import { runMigrations } from '../../local/run-migrations.ts';
import { withSession } from '../database-session.ts';
import { findPostgresTools, giveTo, PROGRAMS, runTool, serverUser } from '../postgres-tools.ts';
import type { PostgresTools } from '../postgres-tools.ts';
import { startPrivateServer } from '../private-server.ts';
import type { PrivateServer } from '../private-server.ts';

/** A database of the product that is there to be destroyed. */
export interface DrillCluster {
  readonly url: string;
  readonly port: number;
  readonly data: string;
  readonly server: PrivateServer;
  readonly tools: PostgresTools;
}

const MAJORS = [18, 17, 16, 15];
const INITDB_MS_MAX = 60_000;
const READY_MS_MAX = 60_000;
const QUERY_MS_MAX = 30_000;

/** The newest PostgreSQL whose own programs are all here; undefined when there is none. */
export function findAnyTools(given: string | undefined): PostgresTools | undefined {
  for (const major of MAJORS) {
    try {
      return findPostgresTools(major, given);
    } catch {
      // The next one may be here.
    }
  }
  return undefined;
}

/** Why no drill can be held here; undefined when one can. */
export function whyNoDrill(): string | undefined {
  return findAnyTools(process.env.POSTGRES_BIN) === undefined
    ? `no PostgreSQL server of ${MAJORS.at(-1) ?? ''} or newer with ${PROGRAMS.join(', ')}`
    : undefined;
}

/** @param folder one that the server's user may enter. */
export async function startDrillCluster(folder: string): Promise<DrillCluster> {
  const tools = findAnyTools(process.env.POSTGRES_BIN);
  if (tools === undefined) throw new Error(`A drill needs a PostgreSQL server: ${whyNoDrill() ?? ''}`);
  const user = serverUser();
  const [data, passwordFile] = [path.join(folder, 'data'), path.join(folder, 'password')];
  const password = randomBytes(24).toString('base64url');
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(user, passwordFile);
  await runTool({
    program: path.join(tools.folder, 'initdb'),
    arguments: [
      '-D',
      data,
      '-U',
      'plantao',
      '--pwfile',
      passwordFile,
      '--auth=scram-sha-256',
      '--locale=C',
      '-E',
      'UTF8',
    ],
    user,
    withinMs: INITDB_MS_MAX,
  });
  fs.rmSync(passwordFile);
  const port = await freePort();
  const server = await startPrivateServer({
    tools,
    user,
    data,
    superuser: 'plantao',
    port,
    // The time of each commit is how the drill knows what has to be there.
    settings: { track_commit_timestamp: 'on', max_wal_size: '2GB', shared_buffers: '256MB' },
    readyWithinMs: READY_MS_MAX,
  });
  const root = `postgres://plantao:${password}@127.0.0.1:${port}`;
  await withSession(`${root}/postgres`, QUERY_MS_MAX, (session) => session.query('create database plantao'));
  await runMigrations(`${root}/plantao`);
  return { url: `${root}/plantao`, port, data, server, tools };
}
