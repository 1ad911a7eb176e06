import { z } from 'zod';
import type { Address } from '../../vocabulary/message.ts';
import { storableText } from '../../vocabulary/message.ts';

/** Something between braces. Its fields are unknown until one of the readers below has looked at them. */
export type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectIn(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

/** The first of them that is a text with something in it. */
export function firstText(...values: readonly unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === 'string' && value !== '');
}

/** Real ids are at most some 60 characters. A longer one is no id: cut short, two of them could become the same. */
const ID_CHARACTERS_MAX = 256;

function idIn(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  if (typeof value !== 'string' || value === '' || value.length > ID_CHARACTERS_MAX) return undefined;
  return storableText(value);
}

/** Between these a number or a date is a time; outside it is something else, and a wrong time is worse than none. */
const EARLIEST_MS = Date.UTC(2009, 0, 1);
const LATEST_MS = Date.UTC(2100, 0, 1);

/** Seconds since 1970 stay below this until the year 5138; what is above counts milliseconds. */
const SECONDS_MAX = 1e11;

function timeFromCount(count: number): Date | undefined {
  const ms = count > SECONDS_MAX ? count : count * 1_000;
  return ms >= EARLIEST_MS && ms < LATEST_MS ? new Date(ms) : undefined;
}

/**
 * A point in time, in any of the ways the forks write one: seconds or milliseconds, as a number, as digits in a string
 * or as the two halves of a protobuf 64-bit integer; or ISO 8601.
 */
export function timeIn(value: unknown): Date | undefined {
  if (typeof value === 'number') return timeFromCount(value);
  if (typeof value === 'string') {
    if (/^\d{9,14}(\.\d+)?$/.test(value)) return timeFromCount(Number(value));
    if (!/^\d{4}-\d\d-\d\d[T ][\d:.,+\-Z ]{5,25}$/.test(value)) return undefined;
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? undefined : timeFromCount(ms);
  }
  const halves = objectIn(value);
  if (halves === undefined || typeof halves.low !== 'number') return undefined;
  const high = typeof halves.high === 'number' ? halves.high : 0;
  return timeFromCount((high >>> 0) * 2 ** 32 + (halves.low >>> 0));
}

/** Fields of the wire. Each reads what it can and is undefined otherwise: one odd field must not lose a message. */
export const WireText = z.string().optional().catch(undefined);
/** Anything: whoever uses it looks at it. */
export const WireAny = z.unknown().optional();
export const WireId = z.unknown().transform(idIn).optional();
export const WireTime = z.unknown().transform(timeIn).optional();
export const WireObject = z.unknown().transform(objectIn).optional();
/** Some forks and relays write flags as text. */
export const WireFlag = z
  .unknown()
  .transform((value) => value === true || value === 'true' || value === 1 || value === '1')
  .optional();

/** Whom an event is about. */
export interface Reached {
  /** At most one phone and one LID, the phone first. */
  readonly addresses: readonly Address[];
  readonly isGroup: boolean;
}

/** WhatsApp ids of groups are 18 digits long or longer; no phone number is. */
const GROUP_DIGITS_MIN = 18;

const GROUP_SERVERS = ['g.us', 'broadcast', 'newsletter'];
const PHONE_SERVERS = ['s.whatsapp.net', 'c.us', 'hosted'];
const LID_SERVERS = ['lid', 'hosted.lid'];

/**
 * Reads the names that one event gives to one chat, best first.
 *
 * A name is a WhatsApp id (`5511988887777:3@s.whatsapp.net`, `201122334455667@lid`) or a phone number as people write it.
 * Phone and LID come in either order, and the pair may be swapped: what counts is the server behind the `@`.
 */
export function reach(names: readonly unknown[]): Reached {
  const read = names.map(nameIn);
  const phone = read.find((name) => name?.kind === 'phone');
  const lid = read.find((name) => name?.kind === 'lid');
  // A fork that knows only the LID writes its digits where the phone belongs. Nobody is reached under them.
  const isRealPhone = phone !== undefined && phone.value !== lid?.value;
  const addresses: Address[] = [];
  if (isRealPhone) addresses.push({ kind: 'phone', value: phone.value });
  if (lid !== undefined) addresses.push({ kind: 'lid', value: lid.value });
  return { addresses, isGroup: read.some((name) => name?.kind === 'group') };
}

/** The name of a field that holds a LID, which some forks write without its server. */
export function lidName(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? `${value}@lid` : value;
}

interface Name {
  readonly kind: 'phone' | 'lid' | 'group';
  readonly value: string;
}

function nameIn(value: unknown): Name | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || text.length > 128) return undefined;
  const at = text.lastIndexOf('@');
  return at === -1 ? bareNumber(text) : whatsAppId(text.slice(0, at), text.slice(at + 1).toLowerCase());
}

function bareNumber(text: string): Name | undefined {
  const digits = text.replace(/[\s().+-]/g, '');
  if (!/^\d{8,}$/.test(digits)) return undefined;
  if (digits.length >= GROUP_DIGITS_MIN) return { kind: 'group', value: digits };
  return digits.length <= 15 ? { kind: 'phone', value: digits } : undefined;
}

function whatsAppId(user: string, server: string): Name | undefined {
  if (GROUP_SERVERS.includes(server)) return { kind: 'group', value: user };
  // Behind the digits there may be an agent and a device, which say which of a person's apps it was.
  const digits = /^\+?(\d{1,20})(?:_\d+)?(?::\d+)?$/.exec(user)?.[1];
  if (digits === undefined) return undefined;
  if (LID_SERVERS.includes(server)) return { kind: 'lid', value: digits };
  const isPhone = PHONE_SERVERS.includes(server) && digits.length >= 5 && digits.length <= 15;
  return isPhone ? { kind: 'phone', value: digits } : undefined;
}
