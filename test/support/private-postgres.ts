import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../local/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../../local/embedded-postgres.ts';
import { runMigrations } from '../../local/run-migrations.ts';

/** A migrated PostgreSQL that one test may freeze, crash and fill, because nobody else uses it. */
export interface PrivatePostgres {
  readonly url: string;
  /** `pg_ctl stop -m immediate`: every session is cut, nothing is written out; the next start recovers from its log. */
  crash(): Promise<void>;
  /** The server again, at the same address. Safe to call when it runs. */
  restart(): Promise<void>;
  /** Every process of the server stands still, connections open. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Safe to repeat. */
  close(): Promise<void>;
}

export interface PrivatePostgresOptions {
  /** Where its data lives; a directory of its own, removed at the end, unless told. */
  readonly directory?: string;
  readonly settings?: Readonly<Record<string, string>>;
}

export async function startPrivatePostgres(options: PrivatePostgresOptions = {}): Promise<PrivatePostgres> {
  const directory = options.directory ?? (await mkdtemp(path.join(os.tmpdir(), 'plantao-postgres-')));
  // As root the server runs as another user, who must get in here.
  await chmod(directory, 0o755);
  const start = async (port?: number): Promise<EmbeddedPostgres> =>
    await startEmbeddedPostgres({
      directory: path.join(directory, 'postgres'),
      ...(port === undefined ? {} : { port }),
      ...(options.settings === undefined ? {} : { settings: options.settings }),
    });
  let server = await start();
  const { url } = server;
  await runMigrations(url);
  const signal = async (name: NodeJS.Signals): Promise<void> => {
    // The postmaster first: one that stands still starts no further children.
    server.process.kill(name);
    for (const pid of await processesOf(server)) signalIfThere(pid, name);
  };
  return {
    url,
    crash: async () => {
      if (hasEnded(server)) return;
      const gone = once(server.process, 'exit');
      server.process.kill('SIGQUIT');
      await gone;
    },
    restart: async () => {
      if (hasEnded(server)) server = await start(Number(new URL(url).port));
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    close: async () => {
      if (!hasEnded(server)) await signal('SIGCONT');
      await server.stop();
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Children of the server come and go: one that has ended since they were listed needs no signal. */
function signalIfThere(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function hasEnded({ process: server }: EmbeddedPostgres): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

/** The postmaster and its children, each of which leads a process group of its own. */
async function processesOf({ process: server }: EmbeddedPostgres): Promise<readonly number[]> {
  const { pid } = server;
  if (pid === undefined) return [];
  const found = [pid];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end between the listing and the look.
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(parent) === pid) found.push(Number(name));
  }
  return found;
}
