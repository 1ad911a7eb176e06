import type { ErrorEvent, Event, Exception, StackFrame } from '@sentry/node';
import { currentContext } from './context.ts';
import { cleanText, describeError } from './error-description.ts';
import type { ErrorDescription } from './error-description.ts';
import type { LoggedError } from './logger.ts';
import type { Build } from './metrics.ts';
import { deadlineSignal } from './time.ts';

export interface ErrorReportSettings {
  readonly dsn: string;
  readonly environment: string;
  readonly build: Build;
  readonly process: string;
}

/** Sends what went wrong to a Sentry, or to anything that speaks its envelopes, e.g. GlitchTip. */
export interface ErrorReports {
  /** Never throws and never waits. */
  readonly report: (error: LoggedError) => void;
  /** Waits until what was reported is sent, for this long at most. */
  readonly close: (withinMs: number) => Promise<void>;
}

const REQUEST_TIMEOUT_MS = 5_000;
/** Reports on their way at once. With a Sentry that does not answer, all others are dropped. */
const UNDER_WAY_MAX = 20;

/** Ids and closed words of a log line, which say where to look. Whatever else a line carries stays in the log. */
const TAGS =
  'event requestId jobId tenantId channelId conversationId documentId outboxId subjectId queue stage code status work part model kind outcome'.split(
    ' ',
  );
const WORD = /^[\w.:-]{1,100}$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Enough for a phone or a CPF: an id that somebody else chose may be one. */
const MANY_DIGITS = /\d(?:[._:-]?\d){7}/;

/** Fields of an event that we make ourselves or that say which program it came from. Nothing else leaves. */
const EVENT_FIELDS = new Set(
  'event_id timestamp platform level release environment server_name sdk exception message tags contexts'.split(' '),
);

/**
 * Starts error reports.
 *
 * The package is loaded here and nowhere else, so that a process without a DSN does not carry it. Its client stands alone:
 * no integration, nothing patched, no spans, no breadcrumbs, no global state. What is sent is built here, from what the log
 * says about an error, and a last look lets only known fields pass.
 */
export async function startErrorReports(settings: ErrorReportSettings): Promise<ErrorReports> {
  const sentry = await import('@sentry/node');
  const { version, commit } = settings.build;
  const client = new sentry.NodeClient({
    dsn: settings.dsn,
    environment: settings.environment,
    release: `plantao@${version}${commit === 'unknown' ? '' : `+${commit}`}`,
    dataCollection: { userInfo: false, cookies: false, httpHeaders: false, httpBodies: [], urlQueryParams: false },
    sendClientReports: false,
    enableRuntimeChannelInjection: false,
    traceLifecycle: 'static',
    integrations: [],
    stackParser: sentry.defaultStackParser,
    // Ours, because every call has a deadline.
    transport: ({ url, headers, ...options }) =>
      sentry.createTransport({ ...options, bufferSize: UNDER_WAY_MAX }, ({ body }) => post(url, headers, body)),
    beforeSend: onlyKnownFields,
  });
  client.init();
  const parse = (stack: string) => sentry.defaultStackParser(stack);
  return {
    report: (error) => {
      client.captureEvent(eventOf(error, { process: settings.process, parse }));
    },
    close: async (withinMs) => {
      await client.close(withinMs);
    },
  };
}

interface EventMaking {
  readonly process: string;
  readonly parse: (stack: string) => StackFrame[];
}

function eventOf({ level, message, fields }: LoggedError, { process, parse }: EventMaking): Event {
  const { traceparent = '', ...ids } = currentContext();
  const said = { ...ids, ...fields };
  const tags: Record<string, string> = { process };
  for (const name of TAGS) {
    const value: unknown = Reflect.get(said, name);
    const word = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    if (WORD.test(word) && (UUID.test(word) || !MANY_DIGITS.test(word))) tags[name] = word;
  }
  // The sentences of our log are written in our code; what one of them may have been given is cleaned all the same.
  const sentence = cleanText(message);
  const event: Event = { level, tags: { ...tags, said: sentence.slice(0, 200) } };
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(traceparent) ?? [];
  if (traceId !== undefined && spanId !== undefined) {
    event.contexts = { trace: { trace_id: traceId, span_id: spanId } };
  }
  if (!(fields.err instanceof Error)) return { ...event, message: sentence };
  return { ...event, exception: { values: exceptionsOf(describeError(fields.err), parse) } };
}

/** The error and its causes; Sentry wants the first cause first. */
function exceptionsOf(error: ErrorDescription, parse: EventMaking['parse']): Exception[] {
  const { type, stack = '', cause } = error;
  const own: Exception = { type, value: wordsOf(error), stacktrace: { frames: parse(stack).map(onlyThePlace) } };
  return cause === undefined ? [own] : [...exceptionsOf(cause, parse), own];
}

/** Where an error was made, in our code and in packages. No lines of source, no values. */
function onlyThePlace({ filename, function: name, lineno, colno, in_app: isOurs, module }: StackFrame): StackFrame {
  const frame: StackFrame = {};
  if (filename !== undefined) frame.filename = filename;
  if (name !== undefined) frame.function = name;
  if (lineno !== undefined) frame.lineno = lineno;
  if (colno !== undefined) frame.colno = colno;
  if (isOurs !== undefined) frame.in_app = isOurs;
  if (module !== undefined) frame.module = module;
  return frame;
}

const WITHHELD = '[the words are in the log]';
/** What V8 says about a mistake in our code: names of the code, never values. */
const MISTAKE = new RegExp(
  [
    String.raw`^Cannot (?:read|set) properties of (?:undefined|null)(?: \((?:reading|setting) '[\w$]{1,40}'\))?$`,
    String.raw`^[\w$.]{1,80} is not (?:a function|a constructor|defined|iterable)$`,
    String.raw`^Assignment to constant variable\.$`,
    String.raw`^Maximum call stack size exceeded$`,
  ].join('|'),
);
const SQL_STATE = /^[0-9A-Z]{5}$/;

/**
 * Only words that we or the system wrote. An error that anybody may have made of anything keeps its words for itself: its
 * frames say where it was made, and the log, which stays here, what it said.
 */
function wordsOf({ type, code, message, syscall }: ErrorDescription): string {
  const isOwn = type === 'Failure' || (code !== undefined && (syscall !== undefined || SQL_STATE.test(code)));
  if (isOwn || MISTAKE.test(message)) return message;
  return code === undefined ? WITHHELD : `${code} ${WITHHELD}`;
}

/** The last look before something leaves: whatever the package, or somebody's later change, has added is taken out. */
function onlyKnownFields(event: ErrorEvent): ErrorEvent {
  const kept = Object.fromEntries(Object.entries(event).filter(([name]) => EVENT_FIELDS.has(name)));
  const { trace } = event.contexts ?? {};
  return { ...kept, type: undefined, contexts: trace === undefined ? {} : { trace } };
}

async function post(
  url: string,
  headers: Readonly<Record<string, string>> | undefined,
  body: string | Uint8Array,
): Promise<{ statusCode: number; headers: { 'x-sentry-rate-limits': string | null; 'retry-after': string | null } }> {
  const signal = deadlineSignal(REQUEST_TIMEOUT_MS);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-sentry-envelope', ...headers },
    body: typeof body === 'string' ? body : Buffer.from(body),
    redirect: 'error',
    signal,
  });
  await response.body?.cancel();
  return {
    statusCode: response.status,
    headers: {
      'x-sentry-rate-limits': response.headers.get('x-sentry-rate-limits'),
      'retry-after': response.headers.get('retry-after'),
    },
  };
}
