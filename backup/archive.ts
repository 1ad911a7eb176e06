import { createHash, createHmac } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { deriveKey, equalInConstantTime, masterKeys } from '../src/platform/crypto.ts';
import type { SealingKey } from '../src/platform/crypto.ts';
import type { Secret } from '../src/platform/secret.ts';
import { openFile, sealFile } from './sealed-file.ts';
import { isHistoryName, isSegmentName } from './wal-segments.ts';

/** What is known of a base backup. Written last: a backup without it is not finished, and does not count. */
export const BaseManifest = z.strictObject({
  label: z.string().regex(/^\d{8}T\d{6}Z$/),
  startedAt: z.coerce.date(),
  /** By the database's clock; from here on the database can be restored to any moment of the log. */
  finishedAt: z.coerce.date(),
  systemIdentifier: z.string(),
  serverVersion: z.int(),
  database: z.string(),
  superuser: z.string(),
  segmentBytes: z.int(),
  /** Every restore begins the next one; a server begins with the first. */
  timeline: z.int().min(1).default(1),
  startLsn: z.string(),
  endLsn: z.string(),
  file: z.strictObject({ bytes: z.int(), plainBytes: z.int(), sha256: z.string() }),
});
export type BaseManifest = z.infer<typeof BaseManifest>;

export interface FoundBase {
  readonly label: string;
  /** Undefined when it is not finished, or when `problem` says what is wrong with it. */
  readonly manifest: BaseManifest | undefined;
  readonly problem: string | undefined;
  readonly verifiedAt: Date | undefined;
}

export interface ArchivedLog {
  /** Whole segments, in the order of their names. */
  readonly segments: readonly string[];
  /** Segments that were still growing when they were sealed, without their ending `.partial`. */
  readonly partial: readonly string[];
  readonly histories: readonly string[];
}

const PARTIAL = '.partial';
const SEALED = '.sealed';
const UNFINISHED = '.unfinished';
const MANIFEST = 'manifest';
const VERIFIED = 'verified';
const BASE_FILE = 'base.tar';
const READ_BYTES = 1_048_576;

/**
 * The directory of the backups: `bases/<label>/` and `wal/`, everything compressed, then sealed.
 *
 * A file gets its name when all of it is on the disk, so that what has a name is whole. Nothing is ever written over but a
 * segment that was still growing.
 */
export class Archive {
  readonly #directory: string;
  readonly #keys: readonly [SealingKey, ...SealingKey[]];

  constructor(directory: string, key: Secret, keyPrevious: Secret | undefined) {
    this.#directory = directory;
    const [current, ...previous] = masterKeys(key, keyPrevious);
    if (current === undefined) throw new Error('There is no backup key');
    this.#keys = [current, ...previous];
  }

  /** @throws when the directory is not there: a mount that is away must not become a folder of the local disk. */
  async open(): Promise<void> {
    const found = await fs.stat(this.#directory).catch(() => undefined);
    if (found?.isDirectory() !== true) throw new Error(`BACKUP_DIRECTORY is not there: ${this.#directory}`);
    for (const folder of ['bases', 'wal']) await fs.mkdir(this.#at(folder), { recursive: true, mode: 0o700 });
  }

  async writeBase(label: string, tar: AsyncIterable<Buffer>): Promise<BaseManifest['file']> {
    await fs.mkdir(this.#at('bases', label), { mode: 0o700 });
    return await this.#write(`bases/${label}/${BASE_FILE}`, tar);
  }

  /** The base backup counts from here on. */
  async finishBase(manifest: BaseManifest): Promise<void> {
    const text = JSON.stringify(manifest);
    const key = this.#keys[0];
    const name = this.#at('bases', manifest.label, MANIFEST);
    await writeWhole(name, `${text}\n${key.id.toString('hex')} ${macOf(key, text).toString('hex')}\n`);
  }

  /** The tar file of a base backup. Fails at its end when it is not the one that the manifest describes. */
  readBase({ label, file }: BaseManifest): AsyncIterable<Buffer> {
    return this.#read(`bases/${label}/${BASE_FILE}`, file.sha256);
  }

  async markVerified(label: string, at: Date): Promise<void> {
    await writeWhole(this.#at('bases', label, VERIFIED), `${at.toISOString()}\n`);
  }

  /** Newest first, the unfinished and the unreadable among them. */
  async bases(): Promise<readonly FoundBase[]> {
    const labels = (await fs.readdir(this.#at('bases'))).filter((name) => /^\d{8}T\d{6}Z$/.test(name));
    return await Promise.all(
      labels
        .toSorted()
        .toReversed()
        .map((label) => this.#findBase(label)),
    );
  }

  async removeBase(label: string): Promise<void> {
    // Without its manifest it is no backup any more, also if this ends half way.
    await fs.rm(this.#at('bases', label, MANIFEST), { force: true });
    await fs.rm(this.#at('bases', label), { recursive: true, force: true });
  }

  async log(): Promise<ArchivedLog> {
    const names = (await fs.readdir(this.#at('wal')))
      .flatMap((file) => (file.endsWith(SEALED) ? [file.slice(0, -SEALED.length)] : []))
      .toSorted();
    return {
      segments: names.filter(isSegmentName),
      partial: names.flatMap((name) => (name.endsWith(PARTIAL) ? [name.slice(0, -PARTIAL.length)] : [])),
      histories: names.filter(isHistoryName),
    };
  }

  /**
   * Keeps a piece of the log. Safe to repeat with the same bytes.
   *
   * @throws when another piece of this name is there already: two databases that went different ways share a directory.
   */
  async writeLog(name: string, bytes: Buffer): Promise<void> {
    const kept = await this.readLog(name).catch(() => undefined);
    if (kept === undefined) await this.#write(`wal/${name}`, bytes);
    else if (!kept.equals(bytes)) {
      throw new Error(`${name} is kept already, with other content: this directory belongs to another database`);
    }
    await fs.rm(this.#at('wal', `${name}${PARTIAL}${SEALED}`), { force: true });
  }

  /** Keeps what there is of a segment that still grows, in place of what there was of it. */
  async writeGrowingLog(name: string, bytes: Buffer): Promise<void> {
    await this.#write(`wal/${name}${PARTIAL}`, bytes);
  }

  async readLog(name: string): Promise<Buffer> {
    return await collect(this.#read(`wal/${name}`));
  }

  async readGrowingLog(name: string): Promise<Buffer> {
    return await collect(this.#read(`wal/${name}${PARTIAL}`));
  }

  async removeLog(name: string): Promise<void> {
    await fs.rm(this.#at('wal', `${name}${SEALED}`), { force: true });
  }

  async #findBase(label: string): Promise<FoundBase> {
    const verified = await fs.readFile(this.#at('bases', label, VERIFIED), 'utf8').catch(() => undefined);
    const verifiedAt = verified === undefined ? undefined : new Date(verified.trim());
    const text = await fs.readFile(this.#at('bases', label, MANIFEST), 'utf8').catch(() => undefined);
    if (text === undefined) return { label, manifest: undefined, problem: undefined, verifiedAt };
    try {
      return { label, manifest: this.#openManifest(label, text), problem: undefined, verifiedAt };
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'its manifest cannot be read';
      return { label, manifest: undefined, problem, verifiedAt };
    }
  }

  #openManifest(label: string, text: string): BaseManifest {
    const [body = '', signature = ''] = text.split('\n');
    const [keyId, mac = ''] = signature.split(' ');
    const key = this.#keys.find((candidate) => candidate.id.toString('hex') === keyId);
    if (key === undefined) throw new Error('its manifest was signed with another key');
    if (!equalInConstantTime(macOf(key, body), Buffer.from(mac, 'hex'))) throw new Error('its manifest was changed');
    const manifest = BaseManifest.parse(JSON.parse(body));
    if (manifest.label !== label) throw new Error('its manifest is of another backup');
    return manifest;
  }

  async #write(name: string, plain: AsyncIterable<Buffer> | Buffer): Promise<BaseManifest['file']> {
    const file = this.#at(`${name}${SEALED}`);
    const hash = createHash('sha256');
    const whole = { bytes: 0 };
    const sealed = { bytes: 0 };
    const handle = await fs.open(`${file}${UNFINISHED}`, 'w', 0o600);
    try {
      await pipeline(
        counted(Buffer.isBuffer(plain) ? inOnePiece(plain) : plain, whole),
        createZstdCompress(),
        (source: AsyncIterable<Buffer>) => sealFile(this.#keys[0], name, source),
        async (source: AsyncIterable<Buffer>) => {
          for await (const bytes of counted(source, sealed)) {
            hash.update(bytes);
            await handle.writeFile(bytes);
          }
        },
      );
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(`${file}${UNFINISHED}`, file);
    await syncFolder(path.dirname(file));
    return { bytes: sealed.bytes, plainBytes: whole.bytes, sha256: hash.digest('hex') };
  }

  async *#read(name: string, sha256?: string): AsyncIterable<Buffer> {
    const hash = createHash('sha256');
    const sealed = createReadStream(this.#at(`${name}${SEALED}`), { highWaterMark: READ_BYTES });
    const plain = createZstdDecompress();
    const done = pipeline(
      sealed,
      async function* (source: AsyncIterable<Buffer>) {
        for await (const bytes of source) {
          hash.update(bytes);
          yield bytes;
        }
      },
      (source: AsyncIterable<Buffer>) => openFile(this.#keys, name, source),
      plain,
    );
    // It is told below, and by the stream itself.
    done.catch(() => undefined);
    for await (const bytes of plain) yield bytes as Buffer;
    await done;
    if (sha256 !== undefined && hash.digest('hex') !== sha256) {
      throw new Error(`${name} is not the file that the manifest describes`);
    }
  }

  #at(...parts: readonly string[]): string {
    return path.join(this.#directory, ...parts);
  }
}

function macOf(key: SealingKey, text: string): Buffer {
  return createHmac('sha256', deriveKey(key.bytes, 'backup manifest')).update(text).digest();
}

// eslint-disable-next-line @typescript-eslint/require-await -- a stream is what is asked for
async function* inOnePiece(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes;
}

async function* counted(source: AsyncIterable<Buffer>, count: { bytes: number }): AsyncIterable<Buffer> {
  for await (const bytes of source) {
    count.bytes += bytes.length;
    yield bytes;
  }
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const bytes of source) parts.push(bytes);
  return Buffer.concat(parts);
}

async function writeWhole(file: string, text: string): Promise<void> {
  const handle = await fs.open(`${file}${UNFINISHED}`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(`${file}${UNFINISHED}`, file);
  await syncFolder(path.dirname(file));
}

/** A new name is on the disk only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
