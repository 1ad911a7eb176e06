import { Counter } from 'prom-client';
import { currentContext, withContext } from './context.ts';
import { registry } from './metrics.ts';

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** Ids, counts and closed words. What a customer wrote or who they are has no place in a span. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  readonly kind?: SpanKind;
  /** What this continues, where it is not the span in force. */
  readonly parent?: string | undefined;
  /** What else led to this, e.g. the other messages of a burst. What is not sane is left out. */
  readonly links?: readonly (string | undefined)[];
  readonly attributes?: SpanAttributes;
}

/** A span that is open: what is known later is added. */
export interface OpenSpan {
  set(attributes: SpanAttributes): void;
}

/** What records spans. There is one in a process, or none. */
export interface SpanRecorder {
  start(name: string, options: SpanOptions): RecordedSpan;
}

export interface RecordedSpan extends OpenSpan {
  /** As the W3C writes it, for those who continue. */
  readonly traceparent: string;
  /** @param failure a closed word, where what the span is about has failed. */
  end(failure?: string): void;
}

/** Here and not beside its use, so that it is there, and 0, where nothing is exported. */
export const failedExports = new Counter({
  name: 'plantao_trace_exports_failed_total',
  help: 'Batches of spans that the collector did not take. They are dropped.',
  registers: [registry],
});

const NO_SPAN: OpenSpan = { set: () => undefined };

let recorder: SpanRecorder | undefined;

/** From now on spans are recorded; with `undefined` none are. */
export function recordSpans(next: SpanRecorder | undefined): void {
  recorder = next;
}

/**
 * Runs `work` inside of a span. Without a recorder this is a call and a comparison.
 *
 * An error that passes ends the span with its code or its kind. Its words are not recorded: they may be somebody's.
 */
export function inSpan<T>(name: string, options: SpanOptions, work: (span: OpenSpan) => Promise<T>): Promise<T> {
  return recorder === undefined ? work(NO_SPAN) : recorded(recorder.start(name, options), work);
}

async function recorded<T>(span: RecordedSpan, work: (span: OpenSpan) => Promise<T>): Promise<T> {
  let failure: string | undefined;
  try {
    return await withContext({ traceparent: span.traceparent }, () => work(span));
  } catch (error) {
    failure = wordFor(error);
    throw error;
  } finally {
    span.end(failure);
  }
}

/** The span in force, to be kept beside what it is about, so that whoever goes on with it can continue the trace. */
export function currentTraceparent(): string | undefined {
  return recorder === undefined ? undefined : currentContext().traceparent;
}

/** Source: w3.org/TR/trace-context, 3.2. Version 00 alone, and no ids of zeros. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A trace's context as somebody gave it to us; undefined when it is not sane. */
export function saneTraceparent(given: unknown): string | undefined {
  return typeof given === 'string' && TRACEPARENT.test(given) ? given : undefined;
}

function wordFor(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const word = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return /^\w{1,60}$/.test(word) ? word : 'unknown';
}
