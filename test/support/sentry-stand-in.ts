import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

const Frame = z.object({ filename: z.string().optional(), function: z.string().optional() });
const SentryEvent = z.object({
  event_id: z.string(),
  level: z.string(),
  release: z.string(),
  environment: z.string(),
  message: z.string().optional(),
  tags: z.record(z.string(), z.string()),
  exception: z
    .object({
      values: z.array(
        z.object({ type: z.string(), value: z.string(), stacktrace: z.object({ frames: z.array(Frame) }).optional() }),
      ),
    })
    .optional(),
});
export type SentryEvent = z.infer<typeof SentryEvent>;

/**
 * Speaks the endpoint to which Sentry's clients send envelopes: a line for the envelope, then for each item a line that
 * says what it is and one with what it holds. Source: develop.sentry.dev/sdk/data-model/envelopes.
 */
export class SentryStandIn {
  /** Every envelope as it came, to be searched for what must not be in it. */
  readonly envelopes: string[] = [];
  readonly #server: http.Server;
  /** From now on it takes requests and never answers. */
  isSilent = false;

  private constructor() {
    this.#server = http.createServer((req, res) => void this.#take(req, res));
  }

  static async start(): Promise<SentryStandIn> {
    const standIn = new SentryStandIn();
    standIn.#server.listen(0, '127.0.0.1');
    await once(standIn.#server, 'listening');
    return standIn;
  }

  get dsn(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${'a'.repeat(32)}@127.0.0.1:${port}/1`;
  }

  get events(): readonly SentryEvent[] {
    return this.envelopes.flatMap((envelope) => {
      const [, ...items] = envelope.split('\n').filter((line) => line !== '');
      return items.flatMap((line, index) => {
        const head = z.object({ type: z.string() }).safeParse(JSON.parse(line));
        if (index % 2 === 1 || head.data?.type !== 'event') return [];
        return [SentryEvent.parse(JSON.parse(items[index + 1] ?? ''))];
      });
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    if (req.headers['content-encoding'] === 'gzip') {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      this.envelopes.push(gunzipSync(Buffer.concat(chunks)).toString());
    } else {
      this.envelopes.push(await text(req));
    }
    if (this.isSilent) return;
    res.writeHead(req.url?.startsWith('/api/1/envelope/') === true ? 200 : 404, { 'content-type': 'application/json' });
    res.end('{}');
  }
}
