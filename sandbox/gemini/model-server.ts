import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Faults } from './faults.ts';
import type { Fault } from './faults.ts';
import { composeReply, fillSchema } from './grounded-brain.ts';

/** A request as it came, for assertions. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: unknown;
  readonly bytes: number;
}

/** What the model is to say instead of what its brain would. `raw` is its text as it stands, JSON or not. */
export type ScriptedAnswer =
  { readonly text: string; readonly confidence?: number; readonly wantsHuman?: boolean } | { readonly raw: string };

export interface Prompt {
  readonly system: string;
  readonly lastUserText: string;
  /** The provider's schema of the answer, when one was asked for. */
  readonly schema: unknown;
}

/** What the model said, or why it stopped before it said anything. */
export type Said = { readonly text: string } | { readonly stopped: 'empty' | 'max-tokens' | 'safety' | 'blocked' };

export interface WireAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How one provider writes down what all of them do. */
export interface Dialect {
  /** The refusal of a request whose key, path, model or form is wrong. */
  refuse(request: SeenRequest): WireAnswer | undefined;
  /** The answer to a request that needs no brain, e.g. for an embedding. */
  compute(request: SeenRequest): WireAnswer | undefined;
  prompt(request: SeenRequest): Prompt;
  say(said: Said, request: SeenRequest): WireAnswer;
  failure(status: 429 | 500 | 503, fault: Fault): WireAnswer;
}

export interface ModelServerOptions {
  readonly port?: number;
  readonly host?: string;
  /** What it says to whatever is not scripted; unless told, what the passages of the prompt say. */
  readonly think?: typeof composeReply;
}

/** Requests remembered for assertions; a load test makes many more. */
const REQUESTS_KEPT = 1_000;
const BODY_BYTES_MAX = 20 * 1_024 * 1_024;
const HUGE_BYTES = 20 * 1_024 * 1_024;
const NO_FAULT: Fault = { mode: 'none' };
const HUGE_TEXT_PLACE = '[twenty megabytes]';
const HUGE_CHUNK = 'a'.repeat(64 * 1_024);

/** A model provider on a port of this machine: a script, faults, and a brain for whatever is not scripted. */
export class ModelServer {
  readonly faults = new Faults();
  readonly #dialect: Dialect;
  readonly #server: http.Server;
  readonly #closing = new AbortController();
  readonly #requests: SeenRequest[] = [];
  #always: ScriptedAnswer | undefined;
  #next: (ScriptedAnswer | Fault)[] = [];
  #hugeBytesSent = 0;
  #url = '';
  #think = composeReply;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
    this.#server = http.createServer((req, res) => {
      this.#answer(req, res).catch(() => {
        res.destroy();
      });
    });
  }

  async listen(options: ModelServerOptions): Promise<void> {
    this.#think = options.think ?? composeReply;
    this.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
    await once(this.#server, 'listening');
    const { address, port, family } = this.#server.address() as AddressInfo;
    this.#url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  get url(): string {
    return this.#url;
  }

  /** The last requests, oldest first. */
  get requests(): readonly SeenRequest[] {
    return this.#requests;
  }

  /** How much of its huge answers the other side has let itself be sent. */
  get hugeBytesSent(): number {
    return this.#hugeBytesSent;
  }

  /** From now on the model says this; without arguments it thinks for itself again. */
  answers(text?: string, confidence = 0.9, options: { wantsHuman?: boolean } = {}): void {
    this.#always = text === undefined ? undefined : { text, confidence, wantsHuman: options.wantsHuman ?? false };
  }

  /** What becomes of the next requests, one each. */
  nextAnswers(next: readonly (ScriptedAnswer | Fault)[]): void {
    this.#next = [...next];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = Promise.withResolvers<unknown>();
    this.#server.close(closed.resolve);
    this.#server.closeAllConnections();
    await closed.promise;
  }

  async #answer(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const text = await readText(req);
    const request: SeenRequest = {
      method: req.method ?? 'GET',
      path: req.url ?? '/',
      headers: req.headers,
      body: parsedOrUndefined(text),
      bytes: Buffer.byteLength(text),
    };
    this.#requests.push(request);
    if (this.#requests.length > REQUESTS_KEPT) this.#requests.shift();
    const refusal = this.#dialect.refuse(request);
    if (refusal !== undefined) {
      send(res, refusal);
      return;
    }
    const computed = this.#dialect.compute(request);
    // The script is for what the model says; a fault that is set strikes every kind of request.
    const next = computed === undefined ? this.#next.shift() : undefined;
    const fault = next === undefined ? this.faults.take() : 'mode' in next ? next : NO_FAULT;
    const scripted = next !== undefined && !('mode' in next) ? next : this.#always;
    const says = (): WireAnswer => computed ?? this.#dialect.say({ text: this.#text(request, scripted) }, request);
    await this.#answerWith(fault, { request, says, res });
  }

  async #answerWith(
    fault: Fault,
    { request, says, res }: { request: SeenRequest; says: () => WireAnswer; res: http.ServerResponse },
  ): Promise<void> {
    if (fault.delayMs !== undefined) await delay(fault.delayMs, undefined, { signal: this.#closing.signal });
    switch (fault.mode) {
      case 'none':
      case 'slow':
        send(res, says());
        return;
      case 'down':
        res.destroy();
        return;
      case 'hang':
        return;
      case '429':
      case '429-per-day':
        send(res, this.#dialect.failure(429, fault));
        return;
      case '500':
      case '503':
        send(res, this.#dialect.failure(fault.mode === '500' ? 500 : 503, fault));
        return;
      case 'invalid-json':
        send(res, this.#dialect.say({ text: '{"reply": "Olá, tudo b' }, request));
        return;
      case 'empty':
      case 'max-tokens':
      case 'safety':
      case 'blocked':
        send(res, this.#dialect.say({ stopped: fault.mode }, request));
        return;
      case 'huge':
        await this.#sendHuge(this.#dialect.say({ text: HUGE_TEXT_PLACE }, request), res);
        return;
      case 'html':
        send(res, {
          status: 200,
          body: '<!doctype html><title>Proxy</title>',
          headers: { 'content-type': 'text/html' },
        });
        return;
    }
  }

  #text(request: SeenRequest, scripted: ScriptedAnswer | undefined): string {
    if (scripted !== undefined && 'raw' in scripted) return scripted.raw;
    const prompt = this.#dialect.prompt(request);
    const composed =
      scripted === undefined
        ? this.#think(prompt.system, prompt.lastUserText)
        : {
            reply: scripted.text,
            confidence: scripted.confidence ?? 0.9,
            wantsHuman: scripted.wantsHuman ?? false,
          };
    return fillSchema(prompt.schema, composed);
  }

  /** An answer in the provider's own envelope whose text never seems to end. */
  async #sendHuge(envelope: WireAnswer, res: http.ServerResponse): Promise<void> {
    const [before = '', after = ''] = envelope.body.split(HUGE_TEXT_PLACE);
    res.writeHead(envelope.status, { 'content-type': 'application/json' });
    const words = function* (this: ModelServer): Generator<string> {
      yield before;
      for (let sent = 0; sent < HUGE_BYTES; sent += HUGE_CHUNK.length) {
        this.#hugeBytesSent += HUGE_CHUNK.length;
        yield HUGE_CHUNK;
      }
      yield after;
    };
    await pipeline(words.call(this), res);
  }
}

export function json(status: number, body: unknown): WireAnswer {
  return { status, body: JSON.stringify(body) };
}

function send(res: http.ServerResponse, answer: WireAnswer): void {
  res.writeHead(answer.status, {
    'content-type': 'application/json; charset=UTF-8',
    'content-length': Buffer.byteLength(answer.body),
    ...answer.headers,
  });
  res.end(answer.body);
}

async function readText(req: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new RangeError('The request is larger than 20 MB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
