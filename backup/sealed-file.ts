import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deriveKey } from '../src/platform/crypto.ts';
import type { SealingKey } from '../src/platform/crypto.ts';

/*
 * A file as a row of sealed chunks, so that neither side ever holds more than one of them.
 *
 * Layout: magic (8 bytes), key id (4), salt (16); then chunks of at most 1 MiB, each with its tag (16). The key of the file
 * is derived from the backup key and the salt. A chunk's nonce is its number and whether it is the last one, and the file's
 * name is authenticated with each: a chunk that was changed, moved, left out or taken from another file does not open, nor
 * does a file that was cut short or renamed. The construction is STREAM of Hoang, Reyhanitabar, Rogaway and Vizár, as age
 * uses it. Source: github.com/C2SP/C2SP/blob/main/age.md
 */

const ALGORITHM = 'aes-256-gcm';
const MAGIC = Buffer.from('PLANTBK1');
const SALT_BYTES = 16;
const KEY_ID_BYTES = 4;
const HEADER_BYTES = MAGIC.length + KEY_ID_BYTES + SALT_BYTES;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** What is held in memory at once; a chunk cannot be used before all of it has been read. */
export const CHUNK_BYTES = 1_048_576;

type Bytes = AsyncIterable<Buffer>;

/** Seals `plain` under the first key, for the place `name` and no other. */
export async function* sealFile(key: SealingKey, name: string, plain: Bytes): Bytes {
  const salt = randomBytes(SALT_BYTES);
  const header = Buffer.concat([MAGIC, key.id, salt]);
  const fileKey = fileKeyOf(key, salt);
  const associated = Buffer.concat([header, Buffer.from(name)]);
  yield header;
  for await (const { bytes, index, isLast } of inChunks(plain, CHUNK_BYTES)) {
    const cipher = createCipheriv(ALGORITHM, fileKey, nonce(index, isLast));
    cipher.setAAD(associated);
    yield Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * Opens what {@link sealFile} made.
 *
 * @throws as soon as anything is not as it was sealed. What was yielded before is authentic, and is not the whole file.
 */
export async function* openFile(keys: readonly SealingKey[], name: string, sealed: Bytes): Bytes {
  const source = new ByteReader(sealed);
  const header = await source.take(HEADER_BYTES);
  if (header.length < HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Error(`${name} is not a sealed file, or not all of it is there`);
  }
  const keyId = header.subarray(MAGIC.length, MAGIC.length + KEY_ID_BYTES);
  const key = keys.find((candidate) => candidate.id.equals(keyId));
  if (key === undefined) throw new Error(`${name} was sealed with another key than BACKUP_KEY or BACKUP_KEY_PREVIOUS`);
  const fileKey = fileKeyOf(key, header.subarray(MAGIC.length + KEY_ID_BYTES));
  const associated = Buffer.concat([header, Buffer.from(name)]);
  for await (const { bytes, index, isLast } of inChunks(source.rest(), CHUNK_BYTES + TAG_BYTES)) {
    yield openChunk({ fileKey, associated, bytes, name }, nonce(index, isLast));
  }
}

interface SealedChunk {
  readonly fileKey: Buffer;
  readonly associated: Buffer;
  readonly bytes: Buffer;
  readonly name: string;
}

function openChunk({ fileKey, associated, bytes, name }: SealedChunk, iv: Buffer): Buffer {
  try {
    const body = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, fileKey, iv);
    decipher.setAAD(associated);
    decipher.setAuthTag(bytes.subarray(body));
    return Buffer.concat([decipher.update(bytes.subarray(0, body)), decipher.final()]);
  } catch (error) {
    throw new Error(`${name} was changed or cut short since it was sealed`, { cause: error });
  }
}

function fileKeyOf(key: SealingKey, salt: Buffer): Buffer {
  return deriveKey(key.bytes, `backup file ${salt.toString('hex')}`);
}

function nonce(index: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(NONCE_BYTES);
  bytes.writeUIntBE(index, NONCE_BYTES - 7, 6);
  bytes[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return bytes;
}

interface Chunk {
  readonly bytes: Buffer;
  readonly index: number;
  readonly isLast: boolean;
}

/** Chunks of exactly this size and one that may be smaller, which is the last. An empty source is one empty chunk. */
async function* inChunks(source: Bytes, size: number): AsyncIterable<Chunk> {
  const reader = new ByteReader(source);
  let bytes = await reader.take(size);
  for (let index = 0; ; index += 1) {
    const following = bytes.length < size ? Buffer.alloc(0) : await reader.take(size);
    const isLast = following.length === 0;
    yield { bytes, index, isLast };
    if (isLast) return;
    bytes = following;
  }
}

/** Hands a stream out in the sizes that are asked for. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(source: Bytes) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** As many bytes, or fewer where the stream ends. */
  async take(size: number): Promise<Buffer> {
    while (this.#heldBytes < size) {
      const next = await this.#source.next();
      if (next.done === true) break;
      this.#held.push(next.value);
      this.#heldBytes += next.value.length;
    }
    const all = this.#held.length === 1 ? (this.#held[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#held);
    const rest = all.subarray(Math.min(size, all.length));
    this.#held = rest.length === 0 ? [] : [rest];
    this.#heldBytes = rest.length;
    return all.subarray(0, size);
  }

  async *rest(): Bytes {
    for (const bytes of this.#held) yield bytes;
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
}
