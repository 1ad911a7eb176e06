import { once } from 'node:events';
import net from 'node:net';

/** What a line does with what is put into it. */
type Mode = 'carry' | 'swallow' | 'refuse';

/** A line between a client and a server that can be cut, or go silent, while both ends are well. */
export class TcpProxy {
  readonly port: number;
  readonly #server: net.Server;
  readonly #lines: Set<net.Socket>;
  readonly #mode: { now: Mode };

  private constructor(parts: { server: net.Server; lines: Set<net.Socket>; mode: { now: Mode }; port: number }) {
    this.#server = parts.server;
    this.#lines = parts.lines;
    this.#mode = parts.mode;
    this.port = parts.port;
  }

  static async start(target: { host: string; port: number }): Promise<TcpProxy> {
    const lines = new Set<net.Socket>();
    const mode: { now: Mode } = { now: 'carry' };
    const server = net.createServer((near) => {
      if (mode.now === 'refuse') {
        near.destroy();
        return;
      }
      const far = net.connect(target.port, target.host);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        lines.add(from);
        from.on('data', (chunk: Buffer) => {
          if (mode.now === 'carry') to.write(chunk);
        });
        from.on('error', () => {
          from.destroy();
        });
        from.on('close', () => {
          lines.delete(from);
          to.destroy();
        });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy has no port');
    return new TcpProxy({ server, lines, mode, port: address.port });
  }

  /** The address `url`, reached through this line. */
  through(url: string): string {
    const proxied = new URL(url);
    proxied.hostname = '127.0.0.1';
    proxied.port = String(this.port);
    return proxied.href;
  }

  /** Connections stand and are made, and nothing comes through: a frozen server, a firewall that drops. */
  goSilent(): void {
    this.#mode.now = 'swallow';
  }

  /** All connections end, and none is made: a server that has died. */
  cut(): void {
    this.#mode.now = 'refuse';
    this.#endLines();
  }

  /** All is well for connections that are made from now on. Those that went silent are ended, as a server would. */
  heal(): void {
    this.#mode.now = 'carry';
    this.#endLines();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#endLines();
    await closed;
  }

  #endLines(): void {
    for (const line of this.#lines) line.destroy();
  }
}
