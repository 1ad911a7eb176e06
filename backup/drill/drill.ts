import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { Program } from '../../bench/program.ts';
import { Secret } from '../../src/platform/secret.ts';
import { monotonicMs } from '../../src/platform/time.ts';
import { until } from '../../test/support/until.ts';
import { Archive } from '../archive.ts';
import type { BaseManifest } from '../archive.ts';
import { takeBaseBackup } from '../base-backup.ts';
import { watchOver } from '../caretaker.ts';
import { askOne, withSession } from '../database-session.ts';
import { giveTo, serverUser } from '../postgres-tools.ts';
import { restore } from '../restore.ts';
import type { Restored } from '../restore.ts';
import { inspect, verify } from '../verify.ts';
import { startDrillCluster } from './drill-cluster.ts';
import type { DrillCluster } from './drill-cluster.ts';
import { DrillProduct } from './drill-product.ts';
import { assertChain, MarkerChain, readMarkers } from './marker-chain.ts';
import type { CommittedMarker } from './marker-chain.ts';
import { makeOldMessages } from './old-messages.ts';

export interface DrillOptions {
  /** Of the history that is restored; even. */
  readonly messages: number;
  readonly say: (line: string) => void;
}

export interface DrillResult {
  readonly messages: number;
  /** Markers up to a second before the table was dropped: written, and there again. */
  readonly markers: { readonly expected: number; readonly restored: number };
  /** Committed before the machine was gone, and in no archive. */
  readonly lostMs: number;
  /** From the decision to a database that answers, to every table inspected, and to an answer on a customer's phone. */
  readonly backAfterMs: number;
  readonly answeredAfterMs: number;
  readonly base: BaseManifest;
  readonly baseTookMs: number;
}

const ANA = '5511988880001';
const BIA = '5511988880002';
const CARLA = '5511988880003';
/** Of the history, so much is only in the log: the base backup is of last night. */
const IN_BASE = 0.9;
const BEFORE_THE_DROP_MS = 1_000;
const SAFE_MARKERS = 30;
const STREAMING_WITHIN_MS = 30_000;
const SEALED_WITHIN_MS = 60_000;
const QUERY_MS_MAX = 120_000;

/**
 * The disaster, and the way back. A company with customers works; somebody drops the table of messages at T; the machine is
 * lost with its disk, Redis is wiped. The database is restored to a second before T, and customers are answered from it.
 *
 * @throws when anything is not as it was: a marker too few or too many, a broken page, a customer without an answer.
 */
export async function runDrill({ messages, say }: DrillOptions): Promise<DrillResult> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-drill-'));
  const caretaker = watchOver({ folders: [folder] });
  const closers: (() => Promise<unknown>)[] = [];
  try {
    giveTo(serverUser(), folder);
    const cluster = await startDrillCluster(folder);
    closers.unshift(() => cluster.server.stop());
    const product = await DrillProduct.open(folder);
    closers.unshift(() => product.close());
    const stage = await prepare({ folder, cluster, product, messages, say, closers });
    const disaster = await strike(stage);
    return await comeBack(stage, disaster);
  } finally {
    for (const close of closers) await close();
    fs.rmSync(folder, { recursive: true, force: true });
    caretaker.dismiss();
  }
}

interface Stage {
  readonly folder: string;
  readonly cluster: DrillCluster;
  readonly product: DrillProduct;
  readonly messages: number;
  readonly say: (line: string) => void;
  readonly closers: (() => Promise<unknown>)[];
}

interface Backed extends Stage {
  readonly archive: Archive;
  readonly archiveFolder: string;
  readonly receiver: Program;
  readonly base: BaseManifest;
  readonly baseTookMs: number;
}

/** A company at work, its backup of last night, and the log since. */
async function prepare(stage: Stage): Promise<Backed> {
  const { folder, cluster, product, messages, say, closers } = stage;
  await product.startService(cluster.url);
  const worker = await product.startWorker(cluster.url);
  const company = await product.makeCompany();
  await product.writes('Ana', ANA);
  await product.untilHeard(ANA);
  await until(() => isNothingUnderWay(cluster.url));
  await worker.stop();
  const last = 2 * Math.round((messages * IN_BASE) / 2);
  await makeOldMessages(cluster.url, company, { from: 1, to: last });
  const archiveFolder = path.join(folder, 'archive');
  fs.mkdirSync(archiveFolder);
  const key = randomBytes(32).toString('base64');
  const archive = new Archive(archiveFolder, Secret.of(key), undefined);
  const receiver = new Program({
    name: 'wal',
    file: 'backup/command.ts',
    arguments: ['wal'],
    // Killed, it leaves its temporary folder, which then goes with the drill's.
    environment: { DATABASE_URL: cluster.url, BACKUP_DIRECTORY: archiveFolder, BACKUP_KEY: key, TMPDIR: folder },
    logs: folder,
  });
  const caretaker = watchOver({ processes: [receiver.pid] });
  closers.unshift(async () => {
    await receiver.kill();
    caretaker.dismiss();
  });
  await until(() => isStreaming(cluster.url, receiver), STREAMING_WITHIN_MS);
  const startedAt = monotonicMs();
  const keep = { daily: 7, weekly: 4 };
  const base = await takeBaseBackup({ archive, replicationUrl: cluster.url, postgresBin: undefined, keep, say });
  const baseTookMs = monotonicMs() - startedAt;
  await verify({ archive, postgresBin: undefined, say: () => undefined });
  say('It was verified');
  await makeOldMessages(cluster.url, company, { from: last + 1, to: messages });
  say(`${messages} old messages, a tenth of them since the base backup`);
  return { ...stage, archive, archiveFolder, receiver, base, baseTookMs };
}

interface Disaster {
  readonly droppedAt: Date;
  readonly lostAtMs: number;
  readonly messages: number;
  readonly markers: readonly CommittedMarker[];
}

async function strike({ cluster, product, archiveFolder, receiver, say, folder }: Backed): Promise<Disaster> {
  await product.writes('Bia', BIA);
  const messages = await withSession(cluster.url, QUERY_MS_MAX, countMessages);
  const chain = await MarkerChain.start(cluster.url);
  // The second before the drop is full of markers, and so is some time before it.
  await until(() => chain.written >= SAFE_MARKERS);
  const startedAt = monotonicMs();
  await until(() => monotonicMs() - startedAt > BEFORE_THE_DROP_MS);
  const droppedAt = await withSession(cluster.url, QUERY_MS_MAX, async (session) => {
    await session.query('drop table message cascade');
    return dateOf(await askOne(session, 'select clock_timestamp()'));
  });
  say(`The table of messages was dropped at ${droppedAt.toISOString()}`);
  await until(() => newestLog(archiveFolder) > droppedAt.getTime(), SEALED_WITHIN_MS);
  const afterSeal = chain.written;
  // Some of what follows is in no archive: that is what a lost machine costs.
  await until(() => chain.written > afterSeal + SAFE_MARKERS);
  const markers = await chain.finish();
  const lostAtMs = markers.at(-1)?.committedAtMs ?? droppedAt.getTime();
  await receiver.kill();
  await product.killAll();
  await cluster.server.stop();
  fs.rmSync(cluster.data, { recursive: true, force: true });
  const redis = new Redis(product.redis.url);
  await redis.flushall();
  redis.disconnect();
  fs.rmSync(path.join(folder, 'wal.log'), { force: true });
  say('The machine is gone with its disk, and Redis is empty');
  return { droppedAt, lostAtMs, messages, markers };
}

async function comeBack(stage: Backed, disaster: Disaster): Promise<DrillResult> {
  const { folder, cluster, product, archive, say } = stage;
  const to = new Date(disaster.droppedAt.getTime() - BEFORE_THE_DROP_MS);
  say(`Restoring to ${to.toISOString()}`);
  const decidedAt = monotonicMs();
  const needs = { archive, postgresBin: undefined, say };
  const restored = await restore(needs, { into: path.join(folder, 'restored'), to, port: cluster.port });
  stage.closers.unshift(() => restored.server.stop());
  const backAfterMs = monotonicMs() - decidedAt;
  await product.startService(cluster.url);
  await product.startWorker(cluster.url);
  await product.writes('Carla', CARLA);
  await product.untilHeard(CARLA);
  const answeredAfterMs = monotonicMs() - decidedAt;
  say(`A customer was answered ${(answeredAfterMs / 1_000).toFixed(1)} s after the decision to restore`);
  await assertNothingLost(product);
  const markers = await compare(restored, disaster, to);
  await product.killAll();
  await inspect(restored, say);
  const lostMs = await measureLoss(stage, disaster);
  const { base, baseTookMs, messages } = stage;
  return { messages, markers, lostMs, backAfterMs, answeredAfterMs, base, baseTookMs };
}

/** Bia had written and not been answered when everything went; Ana had been answered, and must not be once more. */
async function assertNothingLost(product: DrillProduct): Promise<void> {
  await product.untilHeard(BIA);
  for (const [name, phone] of Object.entries({ Ana: ANA, Bia: BIA, Carla: CARLA })) {
    if (product.heard(phone) !== 1) throw new Error(`${name} was answered ${product.heard(phone)} times`);
  }
}

/** Exactly what was committed up to then is there, and nothing of what came after. */
async function compare(restored: Restored, disaster: Disaster, to: Date): Promise<DrillResult['markers']> {
  const expected = disaster.markers.filter(({ committedAtMs }) => committedAtMs <= to.getTime());
  return await withSession(restored.connection, QUERY_MS_MAX, async (session) => {
    const found = await readMarkers(session);
    assertChain(found);
    const [last, lastFound] = [expected.at(-1), found.at(-1)];
    if (found.length !== expected.length || last?.hash !== lastFound?.hash) {
      throw new Error(`${expected.length} markers were committed by then, and ${found.length} are there`);
    }
    // Carla's question, and the answers to hers and to Bia's, came afterwards.
    const messages = (await countMessages(session)) - 3;
    if (messages !== disaster.messages)
      throw new Error(`${disaster.messages} messages were there, and ${messages} are`);
    return { expected: expected.length, restored: found.length };
  });
}

/** Restores all there is, beside the other one: what is missing at its end is what the archive did not have yet. */
async function measureLoss({ folder, archive }: Backed, disaster: Disaster): Promise<number> {
  const needs = { archive, postgresBin: undefined, say: () => undefined };
  const all = await restore(needs, { into: path.join(folder, 'all') });
  try {
    return await withSession(all.connection, QUERY_MS_MAX, async (session) => {
      if ((await askOne(session, "select to_regclass('message')::text")) !== null) {
        throw new Error('The table that was dropped is there at the end of the log');
      }
      const found = await readMarkers(session);
      assertChain(found);
      const last = disaster.markers.find(({ n }) => n === found.at(-1)?.n);
      return disaster.lostAtMs - (last?.committedAtMs ?? 0);
    });
  } finally {
    await all.server.stop();
  }
}

async function isNothingUnderWay(url: string): Promise<boolean> {
  return await withSession(url, QUERY_MS_MAX, async (session) => {
    const open = await askOne(
      session,
      `select (select count(*) from outbox where state in ('pending', 'sending', 'unknown')) +
              (select count(*) from message where author = 'customer' and settled_at is null)`,
    );
    return open === '0';
  });
}

async function isStreaming(url: string, receiver: Program): Promise<boolean> {
  if (!receiver.isRunning) throw new Error(`The receiver ended: ${receiver.lastWords}`);
  return await withSession(url, QUERY_MS_MAX, async (session) => {
    const isActive =
      "select exists (select from pg_replication_slots where slot_name = 'plantao_backup_stream' and active)";
    return (await askOne(session, isActive)) === true;
  });
}

async function countMessages(session: Parameters<typeof askOne>[0]): Promise<number> {
  return Number(await askOne(session, 'select count(*) from message'));
}

function newestLog(archiveFolder: string): number {
  const folder = path.join(archiveFolder, 'wal');
  return Math.max(0, ...fs.readdirSync(folder).map((name) => modifiedMs(path.join(folder, name))));
}

/** A file that has just got its name from another one counts at the next look. */
function modifiedMs(file: string): number {
  return file.endsWith('.sealed') ? (fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) : 0;
}

function dateOf(value: unknown): Date {
  if (value instanceof Date) return value;
  throw new Error(`${String(value)} is not a time`);
}
