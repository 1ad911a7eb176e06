import net from 'node:net';

const HEADERS_END = Buffer.from('\r\n\r\n');

/**
 * One HTTP/1.1 connection that sends prepared bytes and reads the status of each answer, and does nothing else: a load
 * generator that shares its processors with what it measures must not be the most expensive part.
 */
export class KeepAliveLine {
  readonly #socket: net.Socket;
  #received = Buffer.alloc(0);
  #waiting: { resolve: (status: number) => void; reject: (error: Error) => void } | undefined;

  constructor(url: URL) {
    this.#socket = net.connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    this.#socket.on('data', (chunk) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#takeAnswer();
    });
    this.#socket.on('error', (error) => this.#waiting?.reject(error));
    this.#socket.on('close', () => this.#waiting?.reject(new Error('The server closed the connection')));
  }

  /** Sends a whole request and resolves with the status of its answer. One at a time. */
  async send(request: Buffer): Promise<number> {
    return await new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #takeAnswer(): void {
    const headersEnd = this.#received.indexOf(HEADERS_END);
    if (headersEnd === -1) return;
    const head = this.#received.toString('latin1', 0, headersEnd);
    const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? [];
    if (length === undefined) {
      this.#waiting?.reject(new Error('The answer has no Content-Length'));
      return;
    }
    const end = headersEnd + HEADERS_END.length + Number(length);
    if (this.#received.length < end) return;
    this.#received = this.#received.subarray(end);
    this.#waiting?.resolve(Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)));
  }
}

/** A whole POST as bytes. */
export function postBytes(url: URL, body: Buffer, headers: Readonly<Record<string, string>>): Buffer {
  const all = { host: url.host, 'content-length': String(body.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
}
