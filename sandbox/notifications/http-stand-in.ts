import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Mode } from './mode.ts';

export interface ReceivedPost {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface GivenAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server on loopback that is somebody else's: what it answers to a post is its vendor's business. */
export abstract class HttpStandIn {
  mode: Mode = 'none';
  /** Every post that came, whatever became of it. */
  readonly posts: ReceivedPost[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#take(request, response);
    });
  }

  protected abstract answer(post: ReceivedPost): GivenAnswer;

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const post = { path: request.url ?? '', headers: request.headers, body: await text(request) };
    this.posts.push(post);
    if (this.mode === 'silent') return;
    const given: GivenAnswer = request.method === 'POST' ? this.answer(post) : { status: 405, body: '' };
    const { status, body, headers } = given;
    response.writeHead(status, { 'Content-Type': 'text/plain', ...headers }).end(body);
  }
}
