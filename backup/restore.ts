import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client, ClientConfig } from 'pg';
import { monotonicMs } from '../src/platform/time.ts';
import type { Archive, ArchivedLog, BaseManifest } from './archive.ts';
import { askOne, withSession } from './database-session.ts';
import { findPostgresTools, giveTo, serverUser } from './postgres-tools.ts';
import type { PostgresTools, ServerUser } from './postgres-tools.ts';
import { startPrivateServer } from './private-server.ts';
import type { PrivateServer } from './private-server.ts';
import { findWay, isOnWay, isSegmentOnWay } from './timelines.ts';
import type { Way } from './timelines.ts';
import { firstGap, segmentNumber, segmentOfPlace } from './wal-segments.ts';

export interface RestoreNeeds {
  readonly archive: Archive;
  readonly postgresBin: string | undefined;
  readonly say: (line: string) => void;
}

export interface RestoreTarget {
  /** A folder that is not there yet, or is empty. */
  readonly into: string;
  /** The last moment to be restored; without it, everything there is. */
  readonly to?: Date | undefined;
  /** Looks at the copied files before the server has touched them. */
  readonly beforeRecovery?: (data: string, tools: PostgresTools, user: ServerUser) => Promise<void>;
  /** A port of loopback for the server; without it there is only a private socket. */
  readonly port?: number;
}

/** A restored database, its server running. */
export interface Restored {
  readonly server: PrivateServer;
  readonly tools: PostgresTools;
  readonly base: BaseManifest;
  /** How to reach the database of the product. */
  readonly connection: ClientConfig;
  /** The last commit of the log that was applied; undefined when there was none after the base backup. */
  readonly lastCommitAt: Date | undefined;
  /** Whether a segment is missing in the middle of the log; what comes after it could not be used. */
  readonly gap: boolean;
  /** From the first byte read to a server that answers. */
  readonly tookMs: number;
}

/** Log is applied at some tens of MB a second; a day of it may take an hour. */
const RECOVERY_MS_MAX = 12 * 3_600_000;
const QUERY_MS_MAX = 600_000;
/** Beside the copy there is the log, and what the server makes at its start. */
const ROOM_FACTOR = 1.1;

/**
 * Makes a database of a base backup and the log, and starts it where nobody else can reach it.
 *
 * @throws before anything is written when there is no backup for this time, no room, or something in the way. A later failure
 * leaves an unusable folder, which the message says.
 */
export async function restore(needs: RestoreNeeds, target: RestoreTarget): Promise<Restored> {
  const startedAt = monotonicMs();
  const { archive, say } = needs;
  await archive.open();
  const way = await findWay(archive, await archive.log());
  const base = await chooseBase(needs, way, target.to);
  const tools = findPostgresTools(Math.floor(base.serverVersion / 10_000), needs.postgresBin);
  const user = serverUser();
  const data = path.resolve(target.into);
  prepareFolder(data, user, base);
  say(`Base backup ${base.label}, finished ${base.finishedAt.toISOString()}`);
  try {
    await extract(archive.readBase(base), data, user);
    await target.beforeRecovery?.(data, tools, user);
    const log = await bringLog(needs, { base, way, data, user });
    const server = await startPrivateServer({
      tools,
      user,
      data,
      superuser: base.superuser,
      settings: recoverySettings(target.to, base.timeline > way.timeline ? undefined : way),
      readyWithinMs: RECOVERY_MS_MAX,
      ...(target.port === undefined ? {} : { port: target.port }),
    });
    const connection = { ...server.connection, database: base.database };
    const lastCommitAt = await withSession(connection, QUERY_MS_MAX, lastCommit).catch(async (error: unknown) => {
      await server.stop();
      throw error;
    });
    return { server, tools, base, connection, lastCommitAt, gap: log.gap, tookMs: monotonicMs() - startedAt };
  } catch (error) {
    throw new Error(`The restore failed; what is in ${data} cannot be used.${hintOf(error, target.to)}`, {
      cause: error,
    });
  }
}

async function chooseBase({ archive, say }: RestoreNeeds, way: Way, to: Date | undefined): Promise<BaseManifest> {
  const found = await archive.bases();
  for (const { label, problem } of found) if (problem !== undefined) say(`${label} cannot be used: ${problem}`);
  const whole = found.flatMap(({ manifest }) => manifest ?? []);
  const usable = whole.filter((base) => isOnWay(way, base));
  for (const { label } of whole.filter((base) => !isOnWay(way, base)))
    say(`${label} is of a history that a restore has left behind`);
  const chosen = usable.find(({ finishedAt }) => to === undefined || finishedAt <= to);
  if (chosen !== undefined) return chosen;
  const oldest = usable.at(-1)?.finishedAt.toISOString();
  throw new Error(
    oldest === undefined
      ? 'There is no base backup that can be used'
      : `There is no base backup of before then; the earliest time is ${oldest}`,
  );
}

function prepareFolder(data: string, user: ServerUser, base: BaseManifest): void {
  if (fs.existsSync(data) && fs.readdirSync(data).length > 0) {
    throw new Error(`${data} is not empty, and nothing is ever restored over something else`);
  }
  fs.mkdirSync(data, { recursive: true });
  const { bavail, bsize } = fs.statfsSync(data);
  const wanted = base.file.plainBytes * ROOM_FACTOR;
  if (bavail * bsize < wanted) {
    const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1_048_576)} MiB`;
    throw new Error(`${data} has room for ${megabytes(bavail * bsize)}, and ${megabytes(wanted)} are needed`);
  }
  fs.chmodSync(data, 0o700);
  giveTo(user, data);
}

/** The files belong to the user as whom the server runs, whoever owned them there. */
async function extract(tar: AsyncIterable<Buffer>, data: string, user: ServerUser): Promise<void> {
  const child = spawn('tar', ['-x', '-f', '-', '-C', data, '--no-same-owner'], {
    ...user,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: RECOVERY_MS_MAX,
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const gone = once(child, 'close');
  try {
    await pipeline(Readable.from(tar), child.stdin);
  } catch (error) {
    child.kill('SIGKILL');
    await gone;
    throw error;
  }
  const [code] = (await gone) as [number | null];
  if (code !== 0) throw new Error(`tar ended with code ${String(code)}: ${said.trim()}`);
}

interface Extracted {
  readonly base: BaseManifest;
  readonly way: Way;
  readonly data: string;
  readonly user: ServerUser;
}

/**
 * Puts the log that was streamed since the base backup where the server finds it.
 *
 * All of it lies in the clear beside the copy until the server has recovered: the server needs no key, and no program of
 * ours, to read it.
 */
async function bringLog(needs: RestoreNeeds, { base, way, data, user }: Extracted): Promise<{ gap: boolean }> {
  const { archive, say } = needs;
  const log = await archive.log();
  const { segmentBytes } = base;
  const end = segmentOfPlace(base.endLsn, segmentBytes);
  const isLater = (name: string): boolean => segmentNumber(name, segmentBytes) > end;
  const whole = log.segments.filter(isLater);
  const growing = log.partial.filter((name) => isLater(name) && !log.segments.includes(name));
  const put = (name: string, bytes: Buffer): void => {
    const file = path.join(data, 'pg_wal', name);
    fs.writeFileSync(file, bytes, { mode: 0o600 });
    giveTo(user, file);
  };
  for (const name of log.histories) put(name, await archive.readLog(name));
  for (const name of whole) put(name, await archive.readLog(name));
  for (const name of growing) put(name, await archive.readGrowingLog(name));
  // recovery.signal makes the server recover from an archive; where that is, recoverySettings() says.
  fs.writeFileSync(path.join(data, 'recovery.signal'), '');
  giveTo(user, path.join(data, 'recovery.signal'));
  say(`Log: ${whole.length} segments and ${growing.length} that still grew`);
  const gap = gapOf(log, way, base);
  if (gap !== undefined) say(`Segment number ${gap} of the log is missing: nothing behind it can be restored`);
  return { gap: gap !== undefined };
}

/** The number of the first segment that is missing between the base backup and the end of the log. */
export function gapOf(log: ArchivedLog, way: Way, base: BaseManifest): number | undefined {
  const { segmentBytes } = base;
  const present = [...log.segments, ...log.partial].filter((name) => isSegmentOnWay(way, name, segmentBytes));
  const numbers = present.map((name) => segmentNumber(name, segmentBytes));
  return firstGap(segmentOfPlace(base.endLsn, segmentBytes), numbers);
}

/** The archive is in pg_wal already, where the server looks when its command finds nothing. */
function recoverySettings(to: Date | undefined, way: Way | undefined): Record<string, string> {
  return {
    restore_command: 'false',
    // "latest" looks for one history after the other, and would stop where one was not kept.
    recovery_target_timeline: way === undefined ? 'latest' : String(way.timeline),
    recovery_target_action: 'promote',
    // Names of zones, Z among them, are not known yet when the server reads this.
    ...(to === undefined ? {} : { recovery_target_time: to.toISOString().replace('Z', '+00') }),
  };
}

async function lastCommit(session: Client): Promise<Date | undefined> {
  const at = await askOne(session, 'select pg_last_xact_replay_timestamp()');
  return at instanceof Date ? at : undefined;
}

function hintOf(error: unknown, to: Date | undefined): string {
  const isShort = error instanceof Error && error.message.includes('recovery ended before configured recovery target');
  if (!isShort || to === undefined) return '';
  return ` The log does not reach ${to.toISOString()}: without --to everything that there is is restored.`;
}
