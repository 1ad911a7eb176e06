import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../local/ports.ts';
import { findProgram } from './on-path.ts';
import { until } from './until.ts';

/** Nobody in particular: PgBouncer does not run as root. */
const NOBODY = 65_534;

export interface PgBouncer {
  /** The database of the given URL, through it. */
  readonly url: string;
  close(): Promise<void>;
}

/** The version of the PgBouncer on PATH as a number, 1.25.2 as 1.25; 0 when there is none. */
export function pgBouncerVersion(): number {
  const program = findProgram('pgbouncer');
  if (program === undefined) return 0;
  const [, major = '0', minor = '0'] =
    /PgBouncer (\d+)\.(\d+)/.exec(spawnSync(program, ['--version']).stdout.toString()) ?? [];
  return Number(`${major}.${minor.padStart(2, '0')}`);
}

/** The first that keeps prepared statements of its clients apart and alive in transaction mode. */
export const PREPARES_SINCE = 1.21;

/** A PgBouncer with a configuration of ours, led to the server of a test. */
export async function startPgBouncer(databaseUrl: string, ini: string): Promise<PgBouncer> {
  const target = new URL(databaseUrl);
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-pgbouncer-'));
  await chmod(directory, 0o755);
  const port = await freePort();
  const users = path.join(directory, 'userlist.txt');
  const file = path.join(directory, 'pgbouncer.ini');
  await writeFile(users, `"${target.username}" "${decodeURIComponent(target.password)}"\n`);
  const placed = ini
    .replace(
      /host=\S+ port=\d+ dbname=\S+/,
      `host=${target.hostname} port=${target.port} dbname=${target.pathname.slice(1)}`,
    )
    .replace(/^listen_addr = .*$/m, 'listen_addr = 127.0.0.1\nunix_socket_dir =')
    .replace(/^listen_port = .*$/m, `listen_port = ${port}`)
    .replace(/^auth_file = .*$/m, `auth_file = ${users}`);
  // An older one refuses to start on a setting that it does not know.
  const known = pgBouncerVersion() >= PREPARES_SINCE ? placed : placed.replace(/^max_prepared_statements.*$/m, '');
  await writeFile(file, known);
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const server = spawn(findProgram('pgbouncer') ?? '', [file], { ...user, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(async () => server.exitCode !== null || (await listens(port)));
  if (server.exitCode !== null) throw new Error(`PgBouncer ended: ${said}`);
  const url = new URL(target);
  url.port = String(port);
  url.hostname = '127.0.0.1';
  url.pathname = '/plantao';
  return {
    url: url.href,
    close: async () => {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  return await new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
