import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Archive } from '../../backup/archive.ts';
import type { BaseManifest } from '../../backup/archive.ts';
import { gapOf } from '../../backup/restore.ts';
import { overdueVerification, planRotation } from '../../backup/rotation.ts';
import type { Rotated } from '../../backup/rotation.ts';
import { CHUNK_BYTES, openFile, sealFile } from '../../backup/sealed-file.ts';
import { isOnWay, readHistory } from '../../backup/timelines.ts';
import { endOfSegment, firstGap, segmentNumber, segmentOfPlace } from '../../backup/wal-segments.ts';
import { BackupEnvironment, loadConfig } from '../../src/config.ts';
import { sealingKey } from '../../src/platform/crypto.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { registry } from '../../src/platform/metrics.ts';
import { Secret } from '../../src/platform/secret.ts';
import { BackupMeter } from '../../src/recovery/backup-age.ts';
import { createTestDatabase } from '../support/database.ts';

const KEY = sealingKey(Buffer.alloc(32, 1));
const OTHER_KEY = sealingKey(Buffer.alloc(32, 2));
const HEADER_BYTES = 28;
const SEALED_CHUNK_BYTES = CHUNK_BYTES + 16;
const SEGMENT_BYTES = 16 * 1_048_576;

async function* pieces(bytes: Buffer, size = 70_000): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const bytes of source) parts.push(bytes);
  return Buffer.concat(parts);
}

const seal = (plain: Buffer, name = 'wal/a'): Promise<Buffer> => collect(sealFile(KEY, name, pieces(plain)));
const open = (sealed: Buffer, name = 'wal/a', keys = [KEY]): Promise<Buffer> =>
  collect(openFile(keys, name, pieces(sealed)));

describe('a sealed file', () => {
  const plain = randomBytes(3 * CHUNK_BYTES + 5);

  it.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])(
    'of %i bytes opens as it was',
    async (size) => {
      const bytes = plain.subarray(0, size);

      expect((await open(await seal(bytes))).equals(bytes)).toBe(true);
    },
  );

  it('opens with the key before this one', async () => {
    expect((await open(await seal(plain), 'wal/a', [OTHER_KEY, KEY])).equals(plain)).toBe(true);
  });

  it('shows nothing of what is in it', async () => {
    const sealed = await seal(Buffer.from('Bom dia, aqui é a Ana'.repeat(100)));

    expect(sealed.includes('Ana')).toBe(false);
  });

  it('is never the same twice', async () => {
    expect((await seal(plain)).equals(await seal(plain))).toBe(false);
  });

  const chunk = (sealed: Buffer, index: number): Buffer => {
    const at = HEADER_BYTES + index * SEALED_CHUNK_BYTES;
    return sealed.subarray(at, at + SEALED_CHUNK_BYTES);
  };
  const header = (sealed: Buffer): Buffer => sealed.subarray(0, HEADER_BYTES);
  const flipped = (sealed: Buffer, at: number): Buffer => {
    const copy = Buffer.from(sealed);
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
    return copy;
  };

  it.each<[string, (sealed: Buffer) => Buffer]>([
    ['one bit of it was changed', (sealed) => flipped(sealed, HEADER_BYTES + 1_000)],
    ['one bit of its salt was changed', (sealed) => flipped(sealed, 20)],
    ['its end is missing', (sealed) => sealed.subarray(0, sealed.length - 1)],
    ['its last chunk is missing', (sealed) => sealed.subarray(0, HEADER_BYTES + 3 * SEALED_CHUNK_BYTES)],
    ['all its chunks are missing', header],
    [
      'two of its chunks were swapped',
      (sealed) =>
        Buffer.concat([header(sealed), chunk(sealed, 1), chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)]),
    ],
    [
      'one of its chunks was left out',
      (sealed) => Buffer.concat([header(sealed), chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)]),
    ],
    ['something was added', (sealed) => Buffer.concat([sealed, Buffer.alloc(40)])],
  ])('does not open when %s', async (_what, change) => {
    await expect(open(change(await seal(plain)))).rejects.toThrow('wal/a was changed or cut short since it was sealed');
  });

  it('does not open in the place of another one', async () => {
    await expect(open(await seal(plain, 'wal/b'))).rejects.toThrow('was changed');
  });

  it('does not open with another key, and says so', async () => {
    await expect(open(await seal(plain), 'wal/a', [OTHER_KEY])).rejects.toThrow('sealed with another key');
  });

  it('is told from a file that is none', async () => {
    await expect(open(Buffer.from('not sealed at all, and quite long enough'))).rejects.toThrow('is not a sealed file');
  });
});

describe('the archive', () => {
  let folder: string;
  let archive: Archive;
  const key = Secret.of(randomBytes(32).toString('base64'));
  const manifest: BaseManifest = {
    label: '20261121T030000Z',
    startedAt: new Date('2026-11-21T03:00:00Z'),
    finishedAt: new Date('2026-11-21T03:01:00Z'),
    systemIdentifier: '7',
    serverVersion: 150_014,
    database: 'plantao',
    superuser: 'postgres',
    segmentBytes: SEGMENT_BYTES,
    timeline: 1,
    startLsn: '0/2000028',
    endLsn: '0/2000100',
    file: { bytes: 0, plainBytes: 0, sha256: '' },
  };

  beforeEach(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-archive-'));
    archive = new Archive(folder, key, undefined);
    await archive.open();
  });

  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  async function backUp(bytes = randomBytes(10_000)): Promise<BaseManifest> {
    const file = await archive.writeBase(manifest.label, pieces(bytes));
    const finished = { ...manifest, file };
    await archive.finishBase(finished);
    return finished;
  }

  it('gives back what it was given', async () => {
    const bytes = randomBytes(10_000);
    const finished = await backUp(bytes);

    expect((await collect(archive.readBase(finished))).equals(bytes)).toBe(true);
    expect((await archive.bases())[0]?.manifest).toEqual(finished);
  });

  it('does not count a backup that was not finished', async () => {
    await archive.writeBase(manifest.label, pieces(randomBytes(100)));

    expect(await archive.bases()).toMatchObject([{ label: manifest.label, manifest: undefined, problem: undefined }]);
  });

  it('does not believe a manifest that somebody has changed', async () => {
    await backUp();
    const file = path.join(folder, 'bases', manifest.label, 'manifest');
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('"plantao"', '"outro"'));

    expect((await archive.bases())[0]).toMatchObject({ manifest: undefined, problem: 'its manifest was changed' });
  });

  it('does not take an older file of the same backup for it', async () => {
    const finished = await backUp();

    const other = { ...finished, file: { ...finished.file, sha256: '0'.repeat(64) } };

    await expect(collect(archive.readBase(other))).rejects.toThrow('is not the file that the manifest describes');
  });

  it('keeps a segment once, and refuses another one of the same name', async () => {
    const name = '000000010000000000000003';
    await archive.writeGrowingLog(name, Buffer.from('half'));
    await archive.writeLog(name, Buffer.from('whole'));
    await archive.writeLog(name, Buffer.from('whole'));

    await expect(archive.writeLog(name, Buffer.from('another'))).rejects.toThrow('belongs to another database');
    expect((await archive.readLog(name)).toString()).toBe('whole');
    expect(await archive.log()).toEqual({ segments: [name], partial: [], histories: [] });
  });

  it('is not made where the mount is away', async () => {
    const away = new Archive(path.join(folder, 'away'), key, undefined);

    await expect(away.open()).rejects.toThrow('BACKUP_DIRECTORY is not there');
  });
});

describe('the rotation', () => {
  const base = (day: string, more: Partial<Rotated> = {}): Rotated => ({
    label: day,
    finishedAt: new Date(`${day.slice(0, 10)}T${day.slice(11, 13) === '' ? '03' : day.slice(11, 13)}:00:00Z`),
    firstSegment: Number(day.slice(8, 10)),
    isVerified: false,
    ...more,
  });

  it('keeps the newest of each of the last days and weeks', () => {
    const days = ['02', '03', '09', '10', '16', '17', '18', '19', '20', '21'].map((day) => base(`2026-11-${day}`));

    const plan = planRotation(days, { daily: 3, weekly: 3 });

    // The 2nd, 9th and 16th of November 2026 are Mondays.
    expect(plan.remove.toSorted()).toEqual(['2026-11-02', '2026-11-09', '2026-11-16', '2026-11-17', '2026-11-18']);
    expect(plan.logFrom).toBe(19);
  });

  it('keeps one of a day, once the others are a day older than the newest', () => {
    const day = [base('2026-11-21T03'), base('2026-11-21T15')];

    expect(planRotation(day, { daily: 7, weekly: 4 }).remove).toEqual([]);
    expect(planRotation([...day, base('2026-11-22T02')], { daily: 7, weekly: 4 }).remove).toEqual([]);
    expect(planRotation([...day, base('2026-11-22T03')], { daily: 7, weekly: 4 }).remove).toEqual(['2026-11-21T03']);
  });

  it('says when the log is kept for a verification that was long ago', () => {
    const verified = [base('2026-11-01'), base('2026-11-05')];

    expect(overdueVerification(verified, { daily: 7, now: new Date('2026-11-19T03:00:00Z') })).toBeUndefined();
    expect(overdueVerification(verified, { daily: 7, now: new Date('2026-11-19T03:00:01Z') })).toMatch(
      'Nothing newer than 2026-11-05 was verified',
    );
    expect(overdueVerification([], { daily: 7, now: new Date() })).toBeUndefined();
  });

  it('never lets the last one go, nor the last one that was verified, however old', () => {
    const bases = [base('2026-11-01', { isVerified: true }), base('2026-11-20'), base('2026-11-21')];

    const plan = planRotation(bases, { daily: 1, weekly: 0 });

    expect(plan).toEqual({ remove: ['2026-11-20'], logFrom: 1 });
  });

  it('lets nothing go when there is nothing', () => {
    expect(planRotation([], { daily: 1, weekly: 1 })).toEqual({ remove: [], logFrom: undefined });
  });
});

describe('the log', () => {
  it('is counted through the end of its names', () => {
    expect(segmentNumber('0000000100000000000000FF', SEGMENT_BYTES)).toBe(255);
    expect(segmentNumber('000000020000000100000000', SEGMENT_BYTES)).toBe(256);
    expect(endOfSegment('0000000100000000000000FF', SEGMENT_BYTES)).toBe('1/0');
    expect(segmentOfPlace('1/0', SEGMENT_BYTES)).toBe(255);
    expect(segmentOfPlace('1/1', SEGMENT_BYTES)).toBe(256);
  });

  it('has a gap where a segment is missing before others', () => {
    expect(firstGap(2, [3, 4, 5])).toBeUndefined();
    expect(firstGap(2, [3, 5])).toBe(4);
    expect(firstGap(2, [4])).toBe(3);
    expect(firstGap(2, [1])).toBeUndefined();
  });
});

describe('the log of a database that was restored to an earlier moment', () => {
  const HISTORY = '1\t0/5000100\tbefore 2026-11-21 15:00:00+00\n\n# a comment\n2\t0/8000000\tno recovery target\n';
  const way = { timeline: 3, leftAt: readHistory(HISTORY) };

  it.each([
    [1, '0/5000100', true],
    [1, '0/5000101', false],
    [2, '0/7000000', true],
    [2, '0/8000028', false],
    [3, '0/9000000', true],
    [4, '0/1000000', true],
  ])('leads on from a base backup of timeline %i that ends at %s: %s', (timeline, endLsn, isOn) => {
    expect(isOnWay(way, { timeline, endLsn })).toBe(isOn);
  });

  it('has a gap where only a timeline that was left has the segment', () => {
    const base = {
      label: '20261121T030000Z',
      startedAt: new Date(),
      finishedAt: new Date(),
      systemIdentifier: '7',
      serverVersion: 150_014,
      database: 'plantao',
      superuser: 'postgres',
      segmentBytes: SEGMENT_BYTES,
      timeline: 1,
      startLsn: '0/3000028',
      endLsn: '0/3000100',
      file: { bytes: 0, plainBytes: 0, sha256: '' },
    };
    const log = (...names: readonly string[]) => ({
      segments: names.map((name) => `0000000${name.slice(0, 1)}000000000000000${name.slice(1)}`),
      partial: [],
      histories: [],
    });

    expect(gapOf(log('14', '15', '16', '25', '26', '27', '38'), way, base)).toBeUndefined();
    expect(gapOf(log('14', '15', '16', '26', '27', '38'), way, base)).toBe(5);
    expect(gapOf(log('14', '15', '16', '25', '27', '38'), way, base)).toBe(6);
  });
});

describe('the settings of backups', () => {
  it('are all complained of at once, without their values', () => {
    const wrong = { BACKUP_DIRECTORY: 'here', BACKUP_KEY: 'c2hvcnQ=', BACKUP_KEEP_DAILY: '0' };

    expect(() => loadConfig<unknown>(BackupEnvironment, wrong)).toThrow(
      /DATABASE_URL is required[^]*BACKUP_DIRECTORY must be an absolute path[^]*BACKUP_KEY must be 32 bytes[^]*BACKUP_KEEP_DAILY/,
    );
    expect(() => loadConfig<unknown>(BackupEnvironment, wrong)).not.toThrow(/c2hvcnQ=/);
  });
});

describe('the metrics of backups', () => {
  it('tell when each kind last succeeded, and how far behind the log is', async () => {
    const database = await createTestDatabase();
    const meter = new BackupMeter({ db: database.db, log: createLogger({ level: 'silent', process: 'test' }) });
    try {
      await meter.measure();
      const before = await registry.metrics();
      await database.db
        .insertInto('backup_record')
        .values([
          { kind: 'verify', succeeded_at: new Date('2026-11-20T00:00:00Z') },
          { kind: 'wal', succeeded_at: new Date(Date.now() - 600_000) },
        ])
        .execute();
      await meter.measure();
      const after = await registry.metrics();

      expect(before).not.toMatch(/^plantao_wal_archive_lag_seconds/m);
      expect(after).toContain('plantao_backup_last_success_timestamp_seconds{kind="verify"} 1795132800');
      expect(Number(/^plantao_wal_archive_lag_seconds (.+)$/m.exec(after)?.[1])).toBeGreaterThan(590);
    } finally {
      await meter.close();
      await database.close();
    }
  });
});
