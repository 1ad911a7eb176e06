import { once } from 'node:events';
import net from 'node:net';

/** PostgreSQL's own messages: a type (but for the first one) and a length that counts itself. */
const LENGTH_BYTES = 4;
const QUERY = 'Q';
const SYNC = 'S';
const READY = 'Z';
const TERMINATE = 'X';
const PASSWORD = 'p';

interface WireMessage {
  readonly type: string;
  readonly bytes: Buffer;
}

/**
 * A line to PostgreSQL that can stop a client between any two things it does to the database.
 *
 * Each statement has two moments: before it has reached the server, and after the server has carried it out and before the
 * client hears of it. The client's process goes on all the while; it just waits, as for a slow database.
 */
export class StatementGate {
  readonly #server: net.Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #applicationName: string;
  readonly #sockets = new Set<net.Socket>();
  #momentsLeft = Infinity;
  #held: PromiseWithResolvers<void> | undefined;
  #reached: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(server: net.Server, target: URL, applicationName: string) {
    this.#server = server;
    this.#target = { host: target.hostname, port: Number(target.port) };
    this.#applicationName = applicationName;
    server.on('connection', (near) => {
      this.#join(near).catch(() => near.destroy());
    });
  }

  /** @param applicationName whose statements are counted; everybody else's pass. */
  static async start(databaseUrl: string, applicationName: string): Promise<StatementGate> {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new StatementGate(server, new URL(databaseUrl), applicationName);
  }

  through(databaseUrl: string): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The gate has no port');
    const gated = new URL(databaseUrl);
    gated.hostname = '127.0.0.1';
    gated.port = String(address.port);
    return gated.href;
  }

  /** The client will be stopped at this moment, counted from now. */
  stopAt(moment: number): void {
    this.#momentsLeft = moment;
    this.#reached = Promise.withResolvers();
  }

  /** Resolves when the client stands still. */
  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  /** The client goes on, and is not stopped again. @returns whether it had stood still. */
  release(): boolean {
    const held = this.#held;
    this.#momentsLeft = Infinity;
    this.#held = undefined;
    held?.resolve();
    return held !== undefined;
  }

  async close(): Promise<void> {
    this.release();
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #join(near: net.Socket): Promise<void> {
    const far = net.connect(this.#target);
    for (const socket of [near, far]) {
      this.#sockets.add(socket.setNoDelay(true));
      socket
        .on('error', () => undefined)
        .on('close', () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    const isCounted = { now: false };
    await Promise.all([this.#up(near, far, isCounted), this.#down(far, near, isCounted)]);
  }

  async #up(near: net.Socket, far: net.Socket, isCounted: { now: boolean }): Promise<void> {
    let batch: Buffer[] = [];
    for await (const { type, bytes } of messagesOf(near, { hasStartup: true })) {
      batch.push(bytes);
      const isStatement = type === QUERY || type === SYNC;
      if (type === 'startup') isCounted.now = bytes.includes(`application_name\0${this.#applicationName}\0`);
      else if (isStatement && isCounted.now) await this.#moment();
      if (isStatement || ['startup', PASSWORD, TERMINATE].includes(type)) {
        far.write(Buffer.concat(batch));
        batch = [];
      }
    }
  }

  async #down(far: net.Socket, near: net.Socket, isCounted: { now: boolean }): Promise<void> {
    let isAuthenticated = false;
    for await (const { type, bytes } of messagesOf(far, { hasStartup: false })) {
      if (type === READY) {
        if (isAuthenticated && isCounted.now) await this.#moment();
        isAuthenticated = true;
      }
      near.write(bytes);
    }
  }

  async #moment(): Promise<void> {
    this.#momentsLeft -= 1;
    if (this.#momentsLeft === 0) {
      this.#held = Promise.withResolvers();
      this.#reached.resolve();
    }
    await this.#held?.promise;
  }
}

async function* messagesOf(socket: net.Socket, { hasStartup }: { hasStartup: boolean }): AsyncGenerator<WireMessage> {
  let isStartup = hasStartup;
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const typeBytes = isStartup ? 0 : 1;
      if (pending.length < typeBytes + LENGTH_BYTES) break;
      const end = typeBytes + pending.readUInt32BE(typeBytes);
      if (pending.length < end) break;
      const type = isStartup ? 'startup' : pending.toString('latin1', 0, 1);
      yield { type, bytes: pending.subarray(0, end) };
      pending = pending.subarray(end);
      isStartup = false;
    }
  }
}
