import { startErrorReports } from './error-reports.ts';
import { createLogger } from './logger.ts';
import type { Logger } from './logger.ts';
import type { Build } from './metrics.ts';
import type { Secret } from './secret.ts';
import { recordSpans } from './tracing.ts';

export interface ObservationSettings {
  readonly logLevel: string;
  readonly build: Build;
  readonly sentry: { readonly dsn: Secret; readonly environment: string } | undefined;
  readonly traces: { readonly endpoint: string; readonly share: number } | undefined;
}

export interface Observation {
  readonly log: Logger;
  /** Sends what is still here, for so many milliseconds at most. Absent where nothing leaves the process but its log. */
  readonly close: ((withinMs: number) => Promise<void>) | undefined;
}

/**
 * What others may see of a process: its log, and, where somebody has said where to, its errors and its traces. What is not
 * asked for is not even loaded.
 */
export async function startObservation(settings: ObservationSettings, process: string): Promise<Observation> {
  const { sentry, traces, build } = settings;
  const errors =
    sentry === undefined
      ? undefined
      : await startErrorReports({ dsn: sentry.dsn.reveal(), environment: sentry.environment, build, process });
  const spans =
    traces === undefined
      ? undefined
      : (await import('./open-telemetry.ts')).startOpenTelemetry({ ...traces, build, process });
  recordSpans(spans);
  const log = createLogger({ level: settings.logLevel, process, report: errors?.report });
  if (errors === undefined && spans === undefined) return { log, close: undefined };
  const close = async (withinMs: number): Promise<void> => {
    await Promise.allSettled([errors?.close(withinMs), spans?.close(withinMs)]);
  };
  return { log, close };
}
