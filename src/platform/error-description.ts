/** What may be said about an error outside of the process, by its chain of causes. */
export interface ErrorDescription {
  readonly type: string;
  /** Its words without what looks like somebody's: see {@link cleanText}. */
  readonly message: string;
  readonly code?: string;
  /** The frames alone: the first lines of a stack repeat the words. */
  readonly stack?: string;
  readonly [field: string]: unknown;
  readonly cause?: ErrorDescription;
}

/** More says no more: what is that long quotes something. */
const MESSAGE_CHARACTERS_MAX = 500;
const FRAMES_MAX = 30;
const CAUSES_MAX = 5;

/**
 * Fields that hold names of ours or closed words. An error may carry anything else as well: the request with its
 * credentials, the answer with somebody's message, the row that broke a rule.
 */
const TELLING_FIELDS = ['code', 'syscall', 'constraint', 'table', 'column', 'status', 'reason'] as const;
const SHORT_WORD = /^[\w.:-]{1,100}$/;

/** Describes an error by what is known to be harmless; everything else about it stays in the process. */
export function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: '[not an error]' };
  const { cause } = error;
  return {
    type: SHORT_WORD.test(error.name) ? error.name : 'Error',
    message: cleanText(error.message),
    ...tellingFields(error),
    ...('detail' in error && isFields(error.detail) ? { detail: cleanFields(error.detail) } : {}),
    stack: framesOf(error),
    ...(cause === undefined || cause === null || depth >= CAUSES_MAX ? {} : { cause: describeError(cause, depth + 1) }),
  };
}

/**
 * Takes out of words about an error what may be somebody's.
 *
 * What is quoted is a value and goes, unless it is a name of ours with an underscore; so do addresses' query strings,
 * e-mail addresses, tokens, and digits enough for a phone, a CPF or a card, however they are grouped.
 */
export function cleanText(text: string): string {
  const cleaned = text
    .slice(0, MESSAGE_CHARACTERS_MAX * 4)
    .replace(QUOTED, (quoted: string, offset: number, all: string) =>
      isOwnName(quoted, all.slice(0, offset)) ? quoted : '[quoted]',
    )
    .replace(/\?[^\s?]*=[^\s]*/g, '?[query]')
    .replace(/\/\/[^\s/@]*@/g, '//[user]@')
    .replace(/[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+/gu, '[e-mail]')
    .replace(/\b(bearer|basic)\s+\S+/gi, '$1 [secret]')
    .replace(/\b(token|key|secret|password|authorization)(\s{0,3}[:=]\s{0,3})\S+/gi, '$1$2[secret]')
    .replace(UUID_OR_TOKEN, (word) => (UUID.test(word) || !/\d/.test(word) ? word : '[token]'))
    .replace(DIGITS, (digits, offset: number, all: string) =>
      isHarmless(digits, { offset, all }) ? digits : '[digits]',
    );
  return cleaned.length > MESSAGE_CHARACTERS_MAX ? `${cleaned.slice(0, MESSAGE_CHARACTERS_MAX)}…` : cleaned;
}

/** A quotation mark inside of a word is an apostrophe, and a quote that does not end was cut off with its end. */
const QUOTED = /(?<!\w)(?:"[^"]*"|'[^']*'(?!\w)|`[^`]*`|“[^”]*”|‘[^’]*’|«[^»]*»|["'`“‘«].*$)/gs;

/** A table, a constraint, or what V8 says that a mistake in the code was about. */
function isOwnName(quoted: string, before: string): boolean {
  if (/^"[a-z]+(?:_[a-z0-9]+)+"$/.test(quoted)) return true;
  return /\((?:reading|setting) $/.test(before) && /^'[A-Za-z_$][\w$]{0,40}'$/.test(quoted);
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const UUID_OR_TOKEN = /(?<![\w/.-])[\w-]{24,}(?![\w/.-])/g;
/** Eight digits and more, with at most three signs between two of them. A phone without its area code has eight. */
const DIGITS = /\+?\(?\d(?:[\s()./_-]{0,3}\d){7,}/g;
const IP_ADDRESS = /^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

function isHarmless(digits: string, { offset, all }: { offset: number; all: string }): boolean {
  if (IP_ADDRESS.test(digits)) return true;
  // The last part of a UUID may be all digits.
  const around = all.slice(Math.max(0, offset - 24), offset + digits.length + 36);
  return (around.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi) ?? []).some((uuid) => uuid.includes(digits));
}

function tellingFields(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of TELLING_FIELDS) {
    const value: unknown = Reflect.get(error, name);
    if (typeof value === 'number' || (typeof value === 'string' && SHORT_WORD.test(value))) {
      fields[name] = typeof value === 'string' ? cleanText(value) : value;
    }
  }
  return fields;
}

/** The detail of a failure is made of ids and closed words; what a mistake may have put there is cleaned all the same. */
function cleanFields(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(detail)) {
    if (typeof value === 'string') fields[name] = cleanText(value);
    else if (typeof value === 'number' || typeof value === 'boolean') fields[name] = value;
  }
  return fields;
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A function's name and its place, as V8 writes them; a sentence between the two is none. */
const FRAME =
  /^ {4}at (?:(?:async|new|get|set|static) )*(?:[\w$.<>#]+(?: \[as [\w$.]+\])? \()?(?:[^\s()]+:\d+:\d+|<anonymous>|native|index \d+)\)?$/;

function framesOf({ message, stack = '' }: Error): string {
  // The words come before the frames, and may look like some.
  const begin = message === '' ? -1 : stack.indexOf(message);
  const behind = begin === -1 ? stack : stack.slice(begin + message.length);
  const lines = behind.split('\n').filter((line) => FRAME.test(line));
  return lines.slice(0, FRAMES_MAX).join('\n');
}
