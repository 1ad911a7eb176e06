import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { currentContext } from './context.ts';

export type { Logger };

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
  'err.config',
  'err.request',
  'err.response',
  'err.cause.config',
  'err.cause.request',
  'err.cause.response',
];

/** JSON lines on standard output; the context in force is added to each of them. */
export function createLogger(options: { level: string; process: string }, destination?: DestinationStream): Logger {
  return pino(
    {
      level: options.level,
      base: { process: options.process },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ ...currentContext() }),
      redact: { paths: PERSONAL_FIELDS, censor: '[redacted]' },
    },
    destination ?? pino.destination({ dest: 1, sync: false }),
  );
}
