import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const Value = z.union([
  z.object({ stringValue: z.string() }).transform((it) => it.stringValue),
  z.object({ intValue: z.union([z.number(), z.string()]) }).transform((it) => Number(it.intValue)),
  z.object({ doubleValue: z.number() }).transform((it) => it.doubleValue),
  z.object({ boolValue: z.boolean() }).transform((it) => it.boolValue),
]);
const Attributes = z
  .array(z.object({ key: z.string(), value: Value }))
  .default([])
  .transform((all) => Object.fromEntries(all.map(({ key, value }) => [key, value])));
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number().transform((kind) => KINDS[kind]),
  attributes: Attributes,
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
  status: z.object({ code: z.number().optional() }).default({}),
});
export type CollectedSpan = z.infer<typeof Span> & { readonly service: unknown };
const Request = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
});

/**
 * Takes traces as a collector of OpenTelemetry does: OTLP over HTTP, in JSON.
 * Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP".
 */
export class CollectorStandIn {
  readonly spans: CollectedSpan[] = [];
  /** Every request as it came, to be searched for what must not be in it. */
  readonly bodies: string[] = [];
  /** From now on it takes requests and never answers. */
  isSilent = false;
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((req, res) => void this.#take(req, res));
  }

  static async start(): Promise<CollectorStandIn> {
    const standIn = new CollectorStandIn();
    standIn.#server.listen(0, '127.0.0.1');
    await once(standIn.#server, 'listening');
    return standIn;
  }

  get endpoint(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  named(name: string | RegExp): readonly CollectedSpan[] {
    return this.spans.filter((span) => (typeof name === 'string' ? span.name === name : name.test(span.name)));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const body = await text(req);
    this.bodies.push(body);
    if (this.isSilent) return;
    if (req.method !== 'POST' || req.url !== '/v1/traces') {
      res.writeHead(404).end();
      return;
    }
    for (const { resource, scopeSpans } of Request.parse(JSON.parse(body)).resourceSpans) {
      const spans = scopeSpans.flatMap((scope) => scope.spans);
      this.spans.push(...spans.map((span) => ({ ...span, service: resource.attributes['service.name'] })));
    }
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }
}
