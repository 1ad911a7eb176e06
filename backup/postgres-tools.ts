import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio, SpawnOptions } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';

/** PostgreSQL's own programs, of one major version. */
export interface PostgresTools {
  readonly folder: string;
  readonly major: number;
}

/** The user as whom a server and what belongs to it runs; nothing of it when we are an ordinary user ourselves. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

export const PROGRAMS = ['pg_basebackup', 'pg_receivewal', 'pg_verifybackup', 'pg_amcheck', 'pg_waldump', 'postgres'];

const LAST_WORDS_CHARACTERS = 2_000;

/**
 * Finds the programs of a server's major version: another one's refuse, or write what the server cannot read.
 *
 * @throws saying where it looked and what each place lacks.
 */
export function findPostgresTools(major: number, given: string | undefined): PostgresTools {
  const places =
    given === undefined
      ? [
          `/usr/lib/postgresql/${major}/bin`,
          `/usr/pgsql-${major}/bin`,
          `/usr/local/opt/postgresql@${major}/bin`,
          `/opt/homebrew/opt/postgresql@${major}/bin`,
          ...(process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== ''),
        ]
      : [given];
  const looked: string[] = [];
  for (const folder of new Set(places)) {
    const missing = PROGRAMS.filter((program) => !fs.existsSync(path.join(folder, program)));
    const found = missing.length === 0 ? majorOf(folder) : undefined;
    if (found === major) return { folder, major };
    if (missing.length === PROGRAMS.length && given === undefined) continue;
    looked.push(
      `  ${folder}: ${found === undefined ? `lacks ${missing.join(', ')}` : `is of PostgreSQL ${String(found)}`}`,
    );
  }
  throw new Error(
    [
      `The programs of PostgreSQL ${major} are not here (Debian: postgresql-${major}; or set POSTGRES_BIN).`,
      ...looked,
    ].join('\n'),
  );
}

function majorOf(folder: string): number | undefined {
  const { stdout } = spawnSync(path.join(folder, 'pg_basebackup'), ['--version'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  const [, major] = /\(PostgreSQL\) (\d+)/.exec(stdout) ?? [];
  return major === undefined ? undefined : Number(major);
}

/** PostgreSQL refuses to run as root. As root it runs as `postgres`, else as `nobody`; anybody else runs it themself. */
export function serverUser(): ServerUser {
  if (process.getuid?.() !== 0) return {};
  const users = fs.readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL does not run as root, and there is no user "postgres" or "nobody"');
}

/** Gives a file or a folder to the user as whom the server runs. */
export function giveTo({ uid, gid }: ServerUser, file: string): void {
  if (uid !== undefined && gid !== undefined) fs.chownSync(file, uid, gid);
}

export interface Run {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: ServerUser;
  /** A program that is not done by then is killed. Undefined: whoever started it ends it. */
  readonly withinMs: number | undefined;
}

/** A program that runs; what it says on standard error is kept, its output is for whoever started it. */
export interface Running {
  readonly output: Readable;
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves with what it said. @throws with its last words when it fails or takes too long. */
  readonly ended: Promise<string>;
}

export function startTool(run: Run): Running {
  const { program, environment, user = {}, withinMs } = run;
  const options: SpawnOptions = {
    ...user,
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C', ...environment },
    ...(withinMs === undefined ? {} : { timeout: withinMs, killSignal: 'SIGKILL' }),
  };
  const child = spawn(program, run.arguments, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-LAST_WORDS_CHARACTERS);
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const name = path.basename(program);
      if (code === 0) resolve(said);
      else reject(new Error(`${name} ended with ${signal ?? `code ${String(code)}`}: ${said.trim()}`));
    });
  });
  // Whoever reads the output first hears of a failure there; this one is asked afterwards.
  ended.catch(() => undefined);
  return { output: child.stdout, child, ended };
}

/** Runs a program to its end. Returns what it wrote, output first. */
export async function runTool(run: Run): Promise<string> {
  const { output, ended } = startTool(run);
  let written = '';
  output.on('data', (bytes: Buffer) => {
    written = (written + bytes.toString()).slice(-LAST_WORDS_CHARACTERS);
  });
  const said = await ended.catch((error: unknown) => {
    throw written === '' ? error : new Error(`${String(error)}\n${written}`, { cause: error });
  });
  return `${written}${said}`;
}

/** How a program reaches a database: the password goes by its environment, because everybody can read its arguments. */
export function connectionOf(url: string): { readonly dbname: string; readonly environment: Record<string, string> } {
  const open = new URL(url);
  const password = decodeURIComponent(open.password);
  open.password = '';
  return { dbname: open.href, environment: password === '' ? {} : { PGPASSWORD: password } };
}
