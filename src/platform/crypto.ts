import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
  createSecretKey,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Secret } from './secret.ts';

const ALGORITHM = 'aes-256-gcm';
const FORMAT = 1;
const KEY_ID_BYTES = 4;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_ID_BYTES + IV_BYTES;

/** Where a sealed value lives. It is authenticated with the value, so that a copy elsewhere does not open. */
export interface SealedPlace {
  readonly tenantId: string;
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

/** A 256-bit key and the four bytes by which a sealed value names it. */
export interface SealingKey {
  readonly id: Buffer;
  readonly bytes: Buffer;
}

export function sealingKey(bytes: Buffer): SealingKey {
  if (bytes.length !== 32) throw new RangeError('A sealing key is 32 bytes long');
  return { id: createHash('sha256').update(bytes).digest().subarray(0, KEY_ID_BYTES), bytes };
}

/**
 * Encrypts and authenticates with AES-256-GCM.
 *
 * Layout: format (1 byte), key id (4), IV (12, random), tag (16), ciphertext.
 */
export function seal(key: SealingKey, plain: string | Buffer, place: SealedPlace): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key.bytes, iv);
  cipher.setAAD(associatedData(place));
  const body = Buffer.concat([
    typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain),
    cipher.final(),
  ]);
  return Buffer.concat([Buffer.from([FORMAT]), key.id, iv, cipher.getAuthTag(), body]);
}

/** Whether this value says that it was sealed with this key. */
export function isSealedWith(key: SealingKey, sealed: Buffer): boolean {
  return sealed.subarray(1, 1 + KEY_ID_BYTES).equals(key.id);
}

/**
 * Opens what {@link seal} made.
 *
 * @param keys the keys that may have been used; the value names its own.
 * @throws when no key fits, a byte was changed, or the value was sealed for another place.
 */
export function unseal(keys: readonly SealingKey[], sealed: Buffer, place: SealedPlace): Buffer {
  if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed[0] !== FORMAT) throw new Error('This is not a sealed value');
  const key = keys.find((candidate) => isSealedWith(candidate, sealed));
  if (key === undefined) throw new Error('The key that sealed this value is not known');
  const decipher = createDecipheriv(ALGORITHM, key.bytes, sealed.subarray(1 + KEY_ID_BYTES, HEADER_BYTES));
  decipher.setAAD(associatedData(place));
  decipher.setAuthTag(sealed.subarray(HEADER_BYTES, HEADER_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES + TAG_BYTES)), decipher.final()]);
}

/** The master keys in force: the current one first, then the one that is being rotated out, where there is one. */
export function masterKeys(current: Secret, previous: Secret | undefined): readonly SealingKey[] {
  return keysOf([current.reveal(), previous?.reveal()]);
}

/** The same as their files have them at this moment, and the one before, which a file may have lost a second too early. */
export function masterKeysNow(current: Secret, previous: Secret | undefined): readonly SealingKey[] {
  return keysOf([current.revealNow(), previous?.revealNow(), current.revealPrevious(), previous?.revealPrevious()]);
}

function keysOf(values: readonly (string | undefined)[]): readonly SealingKey[] {
  return values.flatMap((value) =>
    value === undefined || value === '' ? [] : [sealingKey(Buffer.from(value, 'base64'))],
  );
}

/** A key for one purpose, derived from another with HKDF-SHA256. */
export function deriveKey(key: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), purpose, 32));
}

/** Such a key for HMACs, in the form that costs a sixth of the raw bytes at every use [measured: 2.2 µs, not 12.9]. */
export function deriveHmacKey(key: Buffer, purpose: string): KeyObject {
  return createSecretKey(deriveKey(key, purpose));
}

/** A keyed fingerprint: finds a value again without storing it, and means nothing without the key. */
export function blindIndex(key: KeyObject, value: string): Buffer {
  return createHmac('sha256', key).update(value).digest();
}

/**
 * A UUID (version 8) that is always the same for the same key and value.
 *
 * Two processes that meet the same person at the same instant mint the same id, so neither has to read first.
 */
export function derivedUuid(key: KeyObject, value: string): string {
  const bytes = blindIndex(key, value).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Compares in a time that depends on the lengths only. */
export function equalInConstantTime(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

export function sha256(value: string | Buffer): Buffer {
  return hash('sha256', value, 'buffer');
}

function associatedData(place: SealedPlace): Buffer {
  return Buffer.from([place.tenantId, place.table, place.column, place.rowId].join('|'));
}
