import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Client } from 'pg';
import { monotonicMs, pause } from '../src/platform/time.ts';
import type { Archive } from './archive.ts';
import { RECORD } from './backup-record.ts';
import { askOne, factsOf, keepSession, openSession } from './database-session.ts';
import { connectionOf, findPostgresTools, startTool } from './postgres-tools.ts';
import type { PostgresTools, Running } from './postgres-tools.ts';
import { bytesOf, endOfSegment, isHistoryName, isSegmentName, startOfSegment } from './wal-segments.ts';

export interface ReceiverNeeds {
  readonly archive: Archive;
  /** As somebody who may replicate. */
  readonly replicationUrl: string;
  /** Where the success is recorded. */
  readonly databaseUrl: string;
  readonly postgresBin: string | undefined;
  /** What of the log may lie in the clear at once, beside the segment that grows; 1 GiB unless told. */
  readonly spoolBytesMax?: number;
  readonly say: (line: string) => void;
}

/** What is lost with the database is what was committed since the last round; a round takes well under a second. */
export const SEAL_EVERY_MS = 5_000;
/** The record is itself a write, and the metric counts in minutes. */
const RECORD_EVERY_MS = 15_000;
const LOOK_EVERY_MS = 50;
const QUERY_MS_MAX = 10_000;
const RECEIVED_WITHIN_MS = 5_000;
const AGAIN_AFTER_MS = 1_000;
const AGAIN_AFTER_MS_MAX = 30_000;
/** A receiver whose line is dead waits for the server's goodbye for ever. */
const END_WITHIN_MS = 5_000;
/** 64 segments of the usual size. */
const SPOOL_BYTES_MAX = 1_073_741_824;

/** Holds back the log that is not sealed yet. Only what the archive has on its disk may be forgotten by the server. */
const GUARD = 'plantao_backup';
/** What pg_receivewal reads from. It moves as fast as that writes into its folder, which is why it guards nothing. */
const STREAM = 'plantao_backup_stream';
/** `plantao wal`, as a number for a lock of the server. */
const LOCK = 0x7077_616c;

/**
 * Streams the log of the database into the archive until `signal` ends it, over every break of either.
 *
 * Safe to start again at any time: it goes on where the archive is, because the slot {@link GUARD} makes the server keep all
 * that is not sealed. The folder in which pg_receivewal writes is temporary, and nothing is lost with it. Of two receivers
 * one waits: the other may be its own session before a break, which the server has not missed yet.
 *
 * @throws when the archive is not there at the start.
 */
export async function receiveWal(given: ReceiverNeeds, signal: AbortSignal): Promise<void> {
  const needs = { ...given, say: once(given.say) };
  await needs.archive.open();
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = monotonicMs();
    try {
      await stream(needs, signal);
    } catch (error) {
      if (monotonicMs() - startedAt > AGAIN_AFTER_MS_MAX) failures = 0;
      failures += 1;
      needs.say(`The log is not streamed: ${error instanceof Error ? error.message : String(error)}`);
      await pause(Math.min(AGAIN_AFTER_MS * 2 ** failures, AGAIN_AFTER_MS_MAX), signal).catch(() => undefined);
    }
  }
}

/** What is still as it was said last is not said again. */
function once(say: (line: string) => void): (line: string) => void {
  let last: string | undefined;
  return (line) => {
    if (line !== last) say(line);
    last = line;
  };
}

async function stream(needs: ReceiverNeeds, signal: AbortSignal): Promise<void> {
  const session = await openSession(needs.replicationUrl, QUERY_MS_MAX);
  try {
    if ((await askOne(session, 'select pg_try_advisory_lock($1)', [LOCK])) !== true) {
      throw new Error('Another receiver streams the log of this database');
    }
    await keepSession(session);
    const { major, segmentBytes } = await factsOf(session);
    const tools = findPostgresTools(major, needs.postgresBin);
    while (!signal.aborted) await fillSpool({ needs, session, tools, segmentBytes }, signal);
  } finally {
    await session.end().catch(() => undefined);
  }
}

interface Streaming {
  readonly needs: ReceiverNeeds;
  readonly session: Client;
  readonly tools: PostgresTools;
  readonly segmentBytes: number;
}

/** Streams as much as may lie in the clear at once, or until `signal`; all that has come is sealed at the end. */
async function fillSpool({ needs, session, tools, segmentBytes }: Streaming, signal: AbortSignal): Promise<void> {
  const spool = await fs.mkdtemp(path.join(os.tmpdir(), 'plantao-wal-'));
  let receiver: Running | undefined;
  try {
    await prepareSlots(needs, session);
    receiver = startReceiver(needs, tools, { spool, upTo: await endOfSpool(needs, session, segmentBytes) });
    needs.say('The log is streamed');
    const ended = signalOf(receiver);
    const round = new Round({ needs, session, spool, segmentBytes, ended });
    const isOver = AbortSignal.any([signal, ended]);
    while (!isOver.aborted) {
      await round.run();
      await pause(SEAL_EVERY_MS, isOver).catch(() => undefined);
    }
    if (!signal.aborted) await receiver.ended;
    // Asked to end, or at the end of what may lie here at once: what has come since the last round is sealed as well.
    await round.run();
  } finally {
    if (receiver !== undefined) await end(receiver);
    await fs.rm(spool, { recursive: true, force: true });
  }
}

async function prepareSlots({ say }: ReceiverNeeds, session: Client): Promise<void> {
  const { rows } = await session.query<{ name: string; active: boolean; status: string | null }>(
    `select slot_name as name, active, wal_status as status from pg_replication_slots where slot_name in ($1, $2)`,
    [GUARD, STREAM],
  );
  const stream = rows.find(({ name }) => name === STREAM);
  if (stream?.active === true) throw new Error('the server still serves the receiver before this one');
  if (stream !== undefined) await session.query('select pg_drop_replication_slot($1)', [STREAM]);
  const guard = rows.find(({ name }) => name === GUARD);
  if (guard?.status === 'lost') {
    say('The server has thrown away log that was not sealed: take a base backup now, none before it reaches beyond.');
    await session.query('select pg_drop_replication_slot($1)', [GUARD]);
  }
  if (guard === undefined || guard.status === 'lost') {
    await session.query('select pg_create_physical_replication_slot($1, true)', [GUARD]);
  }
  await session.query('select pg_copy_physical_replication_slot($1, $2)', [GUARD, STREAM]);
}

/**
 * Where pg_receivewal ends, to be started again once all is sealed: it takes the log as fast as the server gives it, which
 * after a long break is faster than it can be sealed.
 */
async function endOfSpool(
  { spoolBytesMax = SPOOL_BYTES_MAX }: ReceiverNeeds,
  session: Client,
  segmentBytes: number,
): Promise<string> {
  const from = await askOne(
    session,
    `select coalesce(restart_lsn, pg_current_wal_flush_lsn())::text from pg_replication_slots where slot_name = $1`,
    [GUARD],
  );
  const segments = Math.max(1, Math.floor(spoolBytesMax / segmentBytes));
  return startOfSegment(Number(bytesOf(String(from)) / BigInt(segmentBytes)) + segments, segmentBytes);
}

function signalOf({ child, ended }: Running): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  if (child.exitCode !== null || child.signalCode !== null) abort();
  ended.then(abort, abort);
  return controller.signal;
}

async function end({ child, ended }: Running): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await ended.catch(() => undefined);
  clearTimeout(late);
}

function startReceiver(
  { replicationUrl }: ReceiverNeeds,
  tools: PostgresTools,
  { spool, upTo }: { spool: string; upTo: string },
): Running {
  const { dbname, environment } = connectionOf(replicationUrl);
  const running = startTool({
    program: path.join(tools.folder, 'pg_receivewal'),
    arguments: ['-d', dbname, '-D', spool, '-S', STREAM, '-E', upTo, '--synchronous', '--no-loop', '-w', '-s', '1'],
    environment,
    withinMs: undefined,
  });
  running.output.resume();
  return running;
}

interface RoundParts {
  readonly needs: ReceiverNeeds;
  readonly session: Client;
  readonly spool: string;
  readonly segmentBytes: number;
  /** Nothing more comes. */
  readonly ended: AbortSignal;
}

/** Seals what has come, time after time. */
class Round {
  readonly #parts: RoundParts;
  #sealedGrowing = '';
  #recordedAt = -Infinity;

  constructor(parts: RoundParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { needs, session } = this.#parts;
    const { rows } = await session.query<{ now: Date; place: string }>(
      'select clock_timestamp() as now, pg_current_wal_flush_lsn()::text as place',
    );
    const [before] = rows;
    if (before === undefined) throw new Error('The database does not say where its log is');
    const hasCome = await this.#hasCome(bytesOf(before.place));
    await this.#sealWhole();
    await this.#sealGrowing();
    // One that has become whole meanwhile is for the next round; until then some of it is in no archive.
    const isLeft = (await fs.readdir(this.#parts.spool)).some(isSegmentName);
    if (!hasCome || isLeft || monotonicMs() - this.#recordedAt < RECORD_EVERY_MS) return;
    this.#recordedAt = monotonicMs();
    // Everything that was committed before then is in the archive now.
    const record = await openSession(needs.databaseUrl, QUERY_MS_MAX);
    try {
      await record.query(RECORD, ['wal', before.now]);
    } finally {
      await record.end();
    }
  }

  /** Waits until pg_receivewal has on its disk what the server had on its own. */
  async #hasCome(place: bigint): Promise<boolean> {
    const giveUpAt = monotonicMs() + RECEIVED_WITHIN_MS;
    while (monotonicMs() < giveUpAt && !this.#parts.ended.aborted) {
      const flushed = await askOne(
        this.#parts.session,
        `select r.flush_lsn::text from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid
          where s.slot_name = $1`,
        [STREAM],
      );
      if (typeof flushed === 'string' && bytesOf(flushed) >= place) return true;
      await pause(LOOK_EVERY_MS);
    }
    return false;
  }

  async #sealWhole(): Promise<void> {
    const { needs, session, spool, segmentBytes } = this.#parts;
    const whole = (await fs.readdir(spool)).filter((name) => isSegmentName(name) || isHistoryName(name)).toSorted();
    for (const name of whole) {
      const file = path.join(spool, name);
      await needs.archive.writeLog(name, await fs.readFile(file));
      if (isSegmentName(name)) {
        const end = endOfSegment(name, segmentBytes);
        await session.query('select pg_replication_slot_advance($1, $2::pg_lsn)', [GUARD, end]);
      }
      await fs.rm(file);
    }
  }

  async #sealGrowing(): Promise<void> {
    const { needs, spool } = this.#parts;
    const growing = (await fs.readdir(spool)).find((name) => name.endsWith('.partial'));
    if (growing === undefined) return;
    const file = path.join(spool, growing);
    const stamp = await fs.stat(file, { bigint: true }).catch(() => undefined);
    // It has just become whole; the next round takes it.
    if (stamp === undefined) return;
    const state = `${growing} ${stamp.mtimeNs}`;
    if (state === this.#sealedGrowing) return;
    const bytes = await fs.readFile(file).catch(() => undefined);
    if (bytes === undefined) return;
    await needs.archive.writeGrowingLog(growing.slice(0, -'.partial'.length), bytes);
    this.#sealedGrowing = state;
  }
}
