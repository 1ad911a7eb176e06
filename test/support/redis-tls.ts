import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { findRedisServer } from '../../local/local-redis.ts';
import { freePort } from '../../local/ports.ts';
import type { Certificates } from './certificates.ts';
import { whyNoRedisServer } from './it-where.ts';
import { until } from './until.ts';

/** A Redis that speaks TLS and nothing else. */
export interface RedisOverTls {
  readonly port: number;
  close(): Promise<void>;
}

/** @param folder where it may write. */
export async function startRedisOverTls(folder: string, server: Certificates): Promise<RedisOverTls> {
  const port = await freePort();
  const child = spawn(
    findRedisServer() ?? '',
    [
      ...['--bind', '127.0.0.1', '--port', '0', '--tls-port', String(port), '--dir', folder, '--save', ''],
      ...['--tls-cert-file', server.certificate, '--tls-key-file', server.key, '--tls-ca-cert-file', server.authority],
      ...['--tls-auth-clients', 'no', '--maxmemory-policy', 'noeviction'],
    ],
    { stdio: 'ignore' },
  );
  const gone = once(child, 'exit');
  await until(() => listens(port));
  return {
    port,
    close: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Why no Redis here speaks TLS; undefined when one does. It is a choice of whoever has built it. */
export function whyNoRedisOverTls(): string | undefined {
  const missing = whyNoRedisServer();
  if (missing !== undefined) return missing;
  const nowhere = ['--port', '0', '--tls-port', '1', '--tls-cert-file', '/nowhere'];
  const { stdout, stderr } = spawnSync(findRedisServer() ?? '', nowhere, { encoding: 'utf8', timeout: 5_000 });
  return `${stdout}${stderr}`.includes('Bad directive') ? 'a Redis server that was built without TLS' : undefined;
}
