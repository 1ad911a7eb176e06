import { ROOT_CONTEXT, SpanKind as Kind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import type { Context, Link, Span, SpanContext, Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { currentContext } from './context.ts';
import type { Build } from './metrics.ts';
import { failedExports, saneTraceparent } from './tracing.ts';
import type { RecordedSpan, SpanAttributes, SpanKind, SpanOptions, SpanRecorder } from './tracing.ts';

/*
 * The one file that knows the packages of OpenTelemetry. It is imported when there is an endpoint, and only then.
 *
 * Nothing is registered globally: no package of somebody else finds a tracer, nothing is patched, and no header of ours goes
 * to a gateway or a model. The span in force is kept where all other ids of the work are, in context.ts.
 */

export interface TraceSettings {
  /** Of the collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it: without `/v1/traces`. */
  readonly endpoint: string;
  /** The share of traces that is recorded, 0 to 1. */
  readonly share: number;
  readonly build: Build;
  readonly process: string;
}

export interface OpenTelemetry extends SpanRecorder {
  /** Sends what is recorded, for this long at most. Never rejects. */
  readonly close: (withinMs: number) => Promise<void>;
}

/** Spans that wait for the collector: some seconds at full load. Beyond that they are dropped. */
const QUEUE = { maxQueueSize: 4_096, maxExportBatchSize: 512, scheduledDelayMillis: 1_000 };
const EXPORT_TIMEOUT_MS = 5_000;
/** A link for each message of the largest burst, and for the wake. */
const LINKS_MAX = 64;

/** `ExportResultCode.SUCCESS` of @opentelemetry/core. */
const EXPORTED = 0;

/** Starts recording spans and sending them by OTLP over HTTP. */
export function startOpenTelemetry(settings: TraceSettings): OpenTelemetry {
  const { endpoint, share, build } = settings;
  const exporter = new OTLPTraceExporter({
    url: `${endpoint}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
    concurrencyLimit: 2,
  });
  const counted = {
    export: ((spans, done) => {
      exporter.export(spans, (result) => {
        const code: number = result.code;
        if (code !== EXPORTED) failedExports.inc();
        done(result);
      });
    }) satisfies OTLPTraceExporter['export'],
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
  const root = new TraceIdRatioBasedSampler(share);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.namespace': 'plantao',
      'service.name': `plantao-${settings.process}`,
      'service.version': build.version,
      'vcs.ref.head.revision': build.commit,
    }),
    // A stranger's header may name the trace; whether it is recorded is for us to say.
    sampler: new ParentBasedSampler({ root, remoteParentSampled: root, remoteParentNotSampled: root }),
    spanLimits: { linkCountLimit: LINKS_MAX, attributeValueLengthLimit: 200, attributeCountLimit: 32 },
    spanProcessors: [new BatchSpanProcessor({ exporter: counted, exportTimeoutMillis: EXPORT_TIMEOUT_MS, ...QUEUE })],
  });
  const tracer = provider.getTracer('plantao', build.version);
  return {
    start: (name, options) => startSpan(tracer, name, options),
    close: async (withinMs) => {
      const ended = Promise.withResolvers<undefined>();
      const timer = setTimeout(ended.resolve, withinMs, undefined);
      await Promise.race([provider.shutdown().catch(() => undefined), ended.promise]);
      clearTimeout(timer);
    },
  };
}

const KINDS: Readonly<Record<SpanKind, Kind>> = {
  internal: Kind.INTERNAL,
  server: Kind.SERVER,
  client: Kind.CLIENT,
  producer: Kind.PRODUCER,
  consumer: Kind.CONSUMER,
};

function startSpan(tracer: Tracer, name: string, options: SpanOptions): RecordedSpan {
  const { kind = 'internal', links = [], attributes = {} } = options;
  // What is kept in our database and queues was decided here; only a request comes from elsewhere.
  const parent = spanContextOf(options.parent ?? currentContext().traceparent, kind === 'server');
  const within: Context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
  const linked = links.flatMap((link): Link[] => {
    const context = spanContextOf(link, false);
    return context === undefined || context.spanId === parent?.spanId ? [] : [{ context }];
  });
  const span = tracer.startSpan(name, { kind: KINDS[kind], links: linked, attributes: known(attributes) }, within);
  return recordedSpan(span);
}

function recordedSpan(span: Span): RecordedSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    set: (attributes) => {
      span.setAttributes(known(attributes));
    },
    end: (failure) => {
      if (failure !== undefined) {
        span.setAttribute('error.type', failure);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

function spanContextOf(given: string | undefined, isRemote: boolean): SpanContext | undefined {
  const sane = saneTraceparent(given);
  if (sane === undefined) return undefined;
  const [, traceId = '', spanId = '', flags = '00'] = sane.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote };
}

function known(attributes: SpanAttributes): Record<string, string | number | boolean> {
  const entries = Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return Object.fromEntries(entries) as Record<string, string | number | boolean>;
}
