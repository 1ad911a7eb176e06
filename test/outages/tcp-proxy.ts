import { once } from 'node:events';
import net from 'node:net';
import { pause } from '../../src/platform/time.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** To the server, from it, or both. */
type Direction = 'up' | 'down';

/** What is wrong with a line. What is not named is well. */
export interface LineFault {
  /** Where it is wrong; both ways unless told. */
  readonly direction?: Direction;
  /** Every piece comes this much later, give or take the jitter. */
  readonly latencyMs?: number;
  readonly jitterMs?: number;
  readonly bytesPerSecond?: number;
  /** Pieces are cut into slices of so many bytes. */
  readonly sliceBytes?: number;
  /** After so many bytes the line ends, in the middle of whatever it was carrying. */
  readonly limitBytes?: number;
  /** The first piece is answered with a reset (RST) instead of being carried. */
  readonly resets?: boolean;
  /** Pieces are taken and never arrive. */
  readonly swallows?: boolean;
  /** Once something with these words has gone up, on any connection, nothing comes down any more. */
  readonly deafAfter?: string;
}

/** Nothing that is carried holds it. */
const NEVER = '\u0000never\u0000';
/** A line that is well. */
const WELL: LineFault = {};
/** How often in a second a slow line lets something through. */
const STEPS_PER_SECOND = 20;

/** A line between a client and a server that can be cut, slowed or silenced while both ends are well. */
export class TcpProxy {
  readonly port: number;
  readonly #server: net.Server;
  readonly #lines = new Set<net.Socket>();
  readonly #closing = new AbortController();
  #targets: readonly Target[];
  #next = 0;
  #fault: LineFault = WELL;
  #refuses = false;

  private constructor(server: net.Server, port: number, targets: readonly Target[]) {
    this.#server = server;
    this.port = port;
    this.#targets = targets;
    server.on('connection', (near) => {
      void this.#join(near);
    });
  }

  /** Several targets take turns; one that refuses is passed over, as a load balancer does. */
  static async start(...targets: readonly Target[]): Promise<TcpProxy> {
    const server = net.createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy has no port');
    return new TcpProxy(server, address.port, targets);
  }

  /** The address `url`, reached through this line. */
  through(url: string): string {
    const proxied = new URL(url);
    proxied.hostname = '127.0.0.1';
    proxied.port = String(this.port);
    return proxied.href;
  }

  /** Where connections lead that are made from now on. Those that stand stay where they are. */
  leadTo(...targets: readonly Target[]): void {
    this.#targets = targets;
  }

  /** Connections stand and are made, and nothing comes through: a frozen server, a firewall that drops. */
  goSilent(): void {
    this.misbehave({ swallows: true });
  }

  /** From now on, also for connections that stand. */
  misbehave(fault: LineFault): void {
    this.#fault = fault;
  }

  /** All connections end, and none is made: a server that has died. */
  cut(): void {
    this.#refuses = true;
    this.#endLines();
  }

  /** All is well for connections that are made from now on. Those that stand are ended, as a server would. */
  heal(): void {
    this.#refuses = false;
    this.#fault = WELL;
    this.#endLines();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#endLines();
    await closed;
  }

  async #join(near: net.Socket): Promise<void> {
    this.#lines.add(near);
    near.on('error', () => near.destroy());
    near.on('close', () => this.#lines.delete(near));
    const far = this.#refuses ? undefined : await this.#reach();
    if (far === undefined || near.destroyed) {
      near.destroy();
      far?.destroy();
      return;
    }
    this.#lines.add(far);
    far.on('error', () => far.destroy());
    far.on('close', () => this.#lines.delete(far));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    void this.#carry(near, far, 'up');
    void this.#carry(far, near, 'down');
  }

  async #reach(): Promise<net.Socket | undefined> {
    const first = this.#next % Math.max(1, this.#targets.length);
    this.#next += 1;
    for (const target of [...this.#targets.slice(first), ...this.#targets.slice(0, first)]) {
      const far = net.connect(target.port, target.host);
      try {
        await once(far, 'connect');
        return far;
      } catch {
        // Nobody listens there: the next one, or nobody at all.
        far.destroy();
      }
    }
    return undefined;
  }

  /** Carries what one end says to the other, piece by piece and in order, as well as the line can. */
  async #carry(from: net.Socket, to: net.Socket, direction: Direction): Promise<void> {
    let carried = 0;
    try {
      for await (const piece of from as AsyncIterable<Buffer>) {
        if (direction === 'up' && piece.includes(this.#fault.deafAfter ?? NEVER)) {
          this.misbehave({ direction: 'down', swallows: true });
        }
        const fault = (this.#fault.direction ?? direction) === direction ? this.#fault : WELL;
        if (fault.swallows === true) continue;
        if (fault.resets === true) {
          from.resetAndDestroy();
          to.resetAndDestroy();
          return;
        }
        const room = (fault.limitBytes ?? Infinity) - carried;
        carried += piece.length;
        await this.#deliver(piece.subarray(0, room), to, fault);
        if (piece.length >= room) break;
      }
      to.end();
    } catch {
      // An end is gone, or the test is over: the other one is told by the close of this.
    } finally {
      from.destroy();
    }
  }

  async #deliver(piece: Buffer, to: net.Socket, fault: LineFault): Promise<void> {
    const { latencyMs = 0, jitterMs = 0, bytesPerSecond } = fault;
    const lateMs = latencyMs + (2 * Math.random() - 1) * jitterMs;
    if (lateMs > 0) await pause(lateMs, this.#closing.signal);
    const sliceBytes =
      fault.sliceBytes ?? (bytesPerSecond === undefined ? piece.length : Math.ceil(bytesPerSecond / STEPS_PER_SECOND));
    for (let at = 0; at < piece.length; at += sliceBytes) {
      if (to.destroyed) return;
      const slice = piece.subarray(at, at + sliceBytes);
      if (bytesPerSecond !== undefined) await pause((slice.length * 1_000) / bytesPerSecond, this.#closing.signal);
      // Each slice is a packet of its own: the next one goes when this one has gone.
      await new Promise((resolve) => to.write(slice, resolve));
    }
  }

  #endLines(): void {
    for (const line of this.#lines) line.destroy();
  }
}
