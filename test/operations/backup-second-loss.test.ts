import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest } from '@jest/globals';
import { Archive } from '../../backup/archive.ts';
import { takeBaseBackup } from '../../backup/base-backup.ts';
import { askOne, timeOf, withSession } from '../../backup/database-session.ts';
import { startDrillCluster, whyNoDrill } from '../../backup/drill/drill-cluster.ts';
import type { DrillCluster } from '../../backup/drill/drill-cluster.ts';
import { listBackups } from '../../backup/list-backups.ts';
import { giveTo, serverUser } from '../../backup/postgres-tools.ts';
import { receiveWal } from '../../backup/receive-wal.ts';
import type { ReceiverNeeds } from '../../backup/receive-wal.ts';
import { restore } from '../../backup/restore.ts';
import { Secret } from '../../src/platform/secret.ts';
import { itWhere } from '../support/it-where.ts';
import { until } from '../support/until.ts';

const QUERY_MS_MAX = 30_000;
const STREAMED_WITHIN_MS = 60_000;
/** The lock that whoever takes a base backup holds, and the one that a receiver holds for as long as its session lives. */
const BASE_LOCK = 0x706c_616e;
const RECEIVER_LOCK = 0x7077_616c;

// Servers are made, copied and restored.
jest.setTimeout(180_000);

/** Cuts the session that waits for a base backup as soon as the copy is made, as a server or a firewall does with one that is idle. */
class CutArchive extends Archive {
  url = '';
  /** The most that has lain in the clear while a piece was sealed. */
  inTheClear = 0;

  override async writeBase(...given: Parameters<Archive['writeBase']>): ReturnType<Archive['writeBase']> {
    const file = await super.writeBase(...given);
    await query(
      this.url,
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = ${BASE_LOCK}`,
    );
    return file;
  }

  override async writeLog(...given: Parameters<Archive['writeLog']>): Promise<void> {
    const spools = fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('plantao-wal-'));
    const files = spools.flatMap((spool) => fs.readdirSync(path.join(os.tmpdir(), spool)));
    this.inTheClear = Math.max(this.inTheClear, files.length);
    await super.writeLog(...given);
  }
}

async function query(url: string, text: string): Promise<unknown> {
  return await withSession(url, QUERY_MS_MAX, (session) => askOne(session, text));
}

describe('a database that is lost for the second time', () => {
  let folder: string;
  let cluster: DrillCluster;
  let archive: CutArchive;
  let closers: (() => Promise<unknown>)[];

  beforeEach(async () => {
    if (whyNoDrill() !== undefined) return;
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-second-loss-'));
    giveTo(serverUser(), folder);
    cluster = await startDrillCluster(folder);
    closers = [() => cluster.server.stop()];
    fs.mkdirSync(path.join(folder, 'archive'));
    archive = new CutArchive(path.join(folder, 'archive'), Secret.of(randomBytes(32).toString('base64')), undefined);
    archive.url = cluster.url;
    await archive.open();
  });

  afterEach(async () => {
    if (whyNoDrill() !== undefined) return;
    for (const close of closers) await close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  function receive(more: Partial<ReceiverNeeds> = {}): { readonly said: string[]; end(): Promise<void> } {
    const said: string[] = [];
    const asked = new AbortController();
    const { url } = cluster;
    const done = receiveWal(
      {
        archive,
        replicationUrl: url,
        databaseUrl: url,
        postgresBin: undefined,
        say: (line) => said.push(line),
        ...more,
      },
      asked.signal,
    );
    const end = async (): Promise<void> => {
      asked.abort();
      await done;
    };
    closers.unshift(end);
    return { said, end };
  }

  const backUp = (): Promise<unknown> =>
    takeBaseBackup({
      archive,
      replicationUrl: cluster.url,
      postgresBin: undefined,
      keep: { daily: 7, weekly: 4 },
      say: () => undefined,
    });
  const write = (what: string): Promise<unknown> => query(cluster.url, `insert into written (what) values ('${what}')`);

  itWhere(whyNoDrill(), 'is there again with all that came after it was restored for the first time', async () => {
    const { url, port } = cluster;
    // As on a machine with more memory than this one; it counts from the next start on.
    await query(url, "alter system set shared_buffers = '4TB'");
    await query(url, "alter system set huge_pages = 'on'");
    await query(url, 'create table written (what text)');
    const first = receive();
    await until(() => first.said.includes('The log is streamed'), STREAMED_WITHIN_MS);
    await backUp();
    await write('before the mistake');
    const to = await withSession(url, QUERY_MS_MAX, timeOf);
    await write('the mistake');
    await backUp();
    await first.end();
    await cluster.server.stop();
    const needs = { archive, postgresBin: undefined, say: () => undefined };
    // The backup that was taken after the mistake is out of its time.
    const restored = await restore(needs, { into: path.join(folder, 'restored'), to, port });
    closers.unshift(() => restored.server.stop());
    const second = receive();
    await until(() => second.said.includes('The log is streamed'), STREAMED_WITHIN_MS);
    await write('after the mistake');
    await second.end();
    await restored.server.stop();
    const listed: string[] = [];

    await listBackups(archive, 7, (line) => listed.push(line));
    const again = await restore(needs, { into: path.join(folder, 'again') });

    closers.unshift(() => again.server.stop());
    const written = await withSession(again.connection, QUERY_MS_MAX, (session) =>
      askOne(session, 'select array_agg(what order by what) from written'),
    );
    expect(written).toEqual(['after the mistake', 'before the mistake']);
    expect(again.gap).toBe(false);
    expect(listed).toEqual([
      expect.stringContaining('of a history that a restore has left behind'),
      expect.stringContaining('any time since'),
      expect.stringContaining('The log goes up to segment 00000002'),
    ]);
  });

  itWhere(whyNoDrill(), 'is streamed again once the server misses the session of before a break', async () => {
    const refused = 'The log is not streamed: Another receiver streams the log of this database';
    const receiver = await withSession(cluster.url, QUERY_MS_MAX, async (ghost) => {
      await ghost.query('select pg_advisory_lock($1)', [RECEIVER_LOCK]);
      const started = receive();
      await until(() => started.said.includes(refused), STREAMED_WITHIN_MS);
      return started;
    });

    await until(() => receiver.said.includes('The log is streamed'), STREAMED_WITHIN_MS);

    expect(receiver.said).toEqual([refused, 'The log is streamed']);
  });

  itWhere(whyNoDrill(), 'never has more of its log in the clear than it may, however much it catches up', async () => {
    await query(cluster.url, 'create table written (what text)');
    await query(cluster.url, "select pg_create_physical_replication_slot('plantao_backup', true)");
    for (let segment = 0; segment < 8; segment += 1) {
      await write(`in segment ${segment}`);
      await query(cluster.url, 'select pg_switch_wal()');
    }

    const receiver = receive({ spoolBytesMax: 2 * 16_777_216 });
    await until(async () => (await archive.log()).segments.length >= 8, STREAMED_WITHIN_MS);

    // Two that are whole, and the one that grows.
    expect(archive.inTheClear).toBe(3);
    expect(receiver.said).toEqual(['The log is streamed']);
  });
});
