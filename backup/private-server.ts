import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ClientConfig } from 'pg';
import { monotonicMs, pause } from '../src/platform/time.ts';
import { watchOver } from './caretaker.ts';
import { giveTo } from './postgres-tools.ts';
import type { PostgresTools, ServerUser } from './postgres-tools.ts';

/** A server over a folder of data, which only we can reach. */
export interface PrivateServer {
  /** As whom and over which socket to come in, without a database. */
  readonly connection: ClientConfig;
  /** Where its socket is, for programs. */
  readonly socket: string;
  /** Writes everything out and ends. Safe to repeat. */
  stop(): Promise<void>;
}

export interface PrivateServerOptions {
  readonly tools: PostgresTools;
  readonly user: ServerUser;
  readonly data: string;
  /** Who may do everything. */
  readonly superuser: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** A port of loopback, on which passwords are asked for. Without one there is only the socket. */
  readonly port?: number;
  /** From the start until it is open to all, recovery included. */
  readonly readyWithinMs: number;
}

const PORT = 5432;
const LOOK_EVERY_MS = 20;
const STOP_WITHIN_MS = 60_000;
const LAST_WORDS_CHARACTERS = 2_000;

/** A restored server must touch nothing that the one it was copied from touches, whatever its own settings say. */
const ALONE = {
  archive_mode: 'off',
  archive_command: '',
  primary_conninfo: '',
  primary_slot_name: '',
  shared_preload_libraries: '',
  synchronous_standby_names: '',
  ssl: 'off',
  // Those of a machine that may be larger than this one.
  shared_buffers: '128MB',
  huge_pages: 'off',
  // Nobody is let in before the recovery is at its end.
  hot_standby: 'off',
  lc_messages: 'C',
  log_min_messages: 'log',
  logging_collector: 'off',
  log_destination: 'stderr',
  timezone: 'UTC',
};

/**
 * Starts a server with settings and doors of its own, and waits until it has recovered.
 *
 * @throws with the server's last words when it ends instead, or takes too long.
 */
export async function startPrivateServer(options: PrivateServerOptions): Promise<PrivateServer> {
  const { tools, user, data, superuser, port } = options;
  // A socket's path may have a hundred characters, so it does not lie beside the data.
  const socket = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-server-'));
  giveTo(user, socket);
  const doors = path.join(socket, 'doors.conf');
  const config = path.join(socket, 'server.conf');
  const log = path.join(socket, 'server.log');
  fs.writeFileSync(doors, DOORS);
  fs.writeFileSync(config, '');
  const settings = {
    ...ALONE,
    ...options.settings,
    config_file: config,
    hba_file: doors,
    ident_file: config,
    listen_addresses: port === undefined ? '' : '127.0.0.1',
    port: String(port ?? PORT),
    unix_socket_directories: socket,
    unix_socket_permissions: '0700',
  };
  const output = fs.openSync(log, 'a');
  const child = spawn(
    path.join(tools.folder, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...user, cwd: '/', env: { LC_ALL: 'C' }, stdio: ['ignore', output, output] },
  );
  fs.closeSync(output);
  const caretaker = watchOver({ processes: child.pid === undefined ? [] : [child.pid], folders: [socket] });
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<void> => {
    if (!hasEnded()) {
      const gone = once(child, 'exit');
      // SIGINT is the fast shutdown: sessions are cut, everything is written out.
      child.kill('SIGINT');
      const late = setTimeout(() => child.kill('SIGQUIT'), STOP_WITHIN_MS);
      await gone;
      clearTimeout(late);
    }
    fs.rmSync(socket, { recursive: true, force: true });
    caretaker.dismiss();
  };
  try {
    await untilReady(() => isReady(data, hasEnded), { log, withinMs: options.readyWithinMs });
  } catch (error) {
    await stop();
    throw error;
  }
  return { connection: { host: socket, port: port ?? PORT, user: superuser }, socket, stop };
}

const DOORS = [
  'local all all trust',
  'local replication all trust',
  'host all all 127.0.0.1/32 scram-sha-256',
  'host replication all 127.0.0.1/32 scram-sha-256',
  '',
].join('\n');

function isReady(data: string, hasEnded: () => boolean): 'ready' | 'ended' | 'not yet' {
  if (hasEnded()) return 'ended';
  // The eighth line of the lock file is the server's own account of its state.
  const lock = path.join(data, 'postmaster.pid');
  const isOpen = fs.existsSync(lock) && fs.readFileSync(lock, 'utf8').split('\n')[7]?.trim() === 'ready';
  return isOpen ? 'ready' : 'not yet';
}

async function untilReady(
  look: () => 'ready' | 'ended' | 'not yet',
  { log, withinMs }: { log: string; withinMs: number },
): Promise<void> {
  const giveUpAt = monotonicMs() + withinMs;
  for (;;) {
    const state = look();
    if (state === 'ready') return;
    const lastWords = (): string => fs.readFileSync(log, 'utf8').slice(-LAST_WORDS_CHARACTERS).trim();
    if (state === 'ended') throw new Error(`The server ended instead of starting:\n${lastWords()}`);
    if (monotonicMs() > giveUpAt) throw new Error(`The server did not become ready in time:\n${lastWords()}`);
    await pause(LOOK_EVERY_MS);
  }
}
