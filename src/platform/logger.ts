import { pino } from 'pino';
import type { DestinationStream, Logger, LoggerOptions } from 'pino';
import { currentContext } from './context.ts';
import { describeError } from './error-description.ts';
import { NoiseLimit } from './noise-limit.ts';

export type { Logger };

/** Something that went wrong, as it was logged. */
export interface LoggedError {
  readonly level: 'error' | 'fatal';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface LoggerSettings {
  readonly level: string;
  /** Which of our programs this is. */
  readonly process: string;
  /** Told of every line of the levels `error` and `fatal` that is written. Must not throw. */
  readonly report?: ((error: LoggedError) => void) | undefined;
}

/** Fields that carry what a person wrote or who they are. They belong in the database, never in a log. */
const PERSONAL_FIELDS = [
  'text',
  'body',
  'phone',
  'number',
  'name',
  'address',
  'token',
  'password',
  'secret',
  'authorization',
];

/** An operator sees what is wrong in the first lines; a storm of thousands only hides the others. */
const NOISE_LIMIT = { linesMax: 20, windowMs: 10_000, kindsMax: 200 };
/** What strangers can cause as often as they like, although it is no more than information. */
const NOISY_EVENTS: ReadonlySet<unknown> = new Set(['request.refused']);

const WARN = 40;
const ERROR = 50;
const FATAL = 60;

/**
 * JSON lines on standard output; the context in force is added to each of them.
 *
 * Errors are described by what is known to be harmless. Of warnings and errors that are alike, the first of every ten
 * seconds are written, and the others are counted.
 */
export function createLogger(settings: LoggerSettings, destination?: DestinationStream): Logger {
  return pino(
    {
      level: settings.level,
      base: { process: settings.process },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: contextFields,
      serializers: { err: (error: unknown) => describeError(error) },
      redact: { paths: PERSONAL_FIELDS, censor: '[redacted]' },
      hooks: { logMethod: lineFilter(settings) },
    },
    destination ?? pino.destination({ dest: 1, sync: false }),
  );
}

function contextFields(): object {
  const { traceparent, ...ids } = currentContext();
  return traceparent === undefined ? ids : { ...ids, traceId: traceparent.slice(3, 35) };
}

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>;

function lineFilter({ report }: LoggerSettings): LogMethod {
  const noise = new NoiseLimit(NOISE_LIMIT);
  return function filter(args, method, level) {
    const [first, second] = args as readonly unknown[];
    const fields = isFields(first) ? first : {};
    if (level >= WARN || NOISY_EVENTS.has(fields.event)) {
      const sentence = typeof first === 'string' ? first : second;
      const message = typeof sentence === 'string' ? sentence : '';
      const tell = (leftOut: number): void => {
        method.apply(this, [
          { event: 'log.left-out', leftOut, like: message },
          'Lines were counted instead of written',
        ]);
      };
      // What ends the process is said in any case.
      if (level < FATAL && !noise.admits(kindOf(level, message, fields), tell)) return;
      if (level >= ERROR) report?.({ level: level >= FATAL ? 'fatal' : 'error', message, fields });
    }
    method.apply(this, args);
  };
}

function isFields(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === 'object' && given !== null;
}

/** Lines are alike that say the same for the same reason; whom they are about makes no difference. */
function kindOf(level: number, message: string, fields: Readonly<Record<string, unknown>>): string {
  const { event, reason, code, outcome, err } = fields;
  const error = err instanceof Error ? [err.name, 'code' in err ? err.code : ''] : [];
  return [level, message, event, reason, code, outcome, ...error].map((part) => wordOf(part)).join('|');
}

function wordOf(part: unknown): string {
  return typeof part === 'string' || typeof part === 'number' ? String(part).slice(0, 100) : '';
}
