import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest } from '@jest/globals';
import { Archive } from '../../backup/archive.ts';
import { takeBaseBackup } from '../../backup/base-backup.ts';
import { startDrillCluster, whyNoDrill } from '../../backup/drill/drill-cluster.ts';
import type { DrillCluster } from '../../backup/drill/drill-cluster.ts';
import { giveTo, serverUser } from '../../backup/postgres-tools.ts';
import { isRunning } from '../../local/processes.ts';
import { Secret } from '../../src/platform/secret.ts';
import { itWhere } from '../support/it-where.ts';
import { until } from '../support/until.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

// A server is made, copied and restored.
jest.setTimeout(60_000);

describe('a verification that is killed in the middle', () => {
  let folder: string;
  let temporary: string;
  let cluster: DrillCluster;

  beforeEach(async () => {
    if (whyNoDrill() !== undefined) return;
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-killed-'));
    giveTo(serverUser(), folder);
    temporary = path.join(folder, 'tmp');
    fs.mkdirSync(temporary);
    giveTo(serverUser(), temporary);
    cluster = await startDrillCluster(folder);
  });

  afterEach(async () => {
    if (whyNoDrill() !== undefined) return;
    await cluster.server.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  itWhere(
    whyNoDrill(),
    'leaves no server behind and no copy of the data, also when nobody asked it first',
    async () => {
      const environment = await backUp();
      const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'backup/command.ts', 'verify'], {
        cwd: ROOT,
        env: { PATH: process.env.PATH, TMPDIR: temporary, ...environment },
        stdio: 'ignore',
      });
      const gone = once(child, 'exit');
      await until(() => serverIn(temporary) !== undefined || child.exitCode !== null);
      const server = serverIn(temporary) ?? 0;

      child.kill('SIGKILL');
      await gone;
      await until(() => !isRunning(server) && fs.readdirSync(temporary).length === 0);

      expect(child.signalCode).toBe('SIGKILL');
      expect(server).toBeGreaterThan(0);
      expect(serverIn(folder)).toBeDefined();
    },
  );

  async function backUp(): Promise<Readonly<Record<string, string>>> {
    const directory = path.join(folder, 'archive');
    fs.mkdirSync(directory);
    const key = randomBytes(32).toString('base64');
    const archive = new Archive(directory, Secret.of(key), undefined);
    await archive.open();
    await takeBaseBackup({
      archive,
      replicationUrl: cluster.url,
      postgresBin: undefined,
      keep: { daily: 7, weekly: 4 },
      say: () => undefined,
    });
    return { DATABASE_URL: cluster.url, BACKUP_DIRECTORY: directory, BACKUP_KEY: key };
  }
});

/** The process of the server whose data lies somewhere in this folder. */
function serverIn(folder: string): number | undefined {
  const [lock] = fs.globSync('**/postmaster.pid', { cwd: folder });
  if (lock === undefined) return undefined;
  const [pid = ''] = fs.readFileSync(path.join(folder, lock), 'utf8').split('\n');
  return pid === '' ? undefined : Number(pid);
}
