import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import { Agent, request } from 'undici';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import { Faults } from './faults.ts';
import type { FaultMode } from './faults.ts';
import { gatewayRoutes } from './gateway-routes.ts';
import { Lies } from './ticket-routes.ts';
import { SentMessages } from './sent-messages.ts';
import type { SentMessage } from './sent-messages.ts';
import { Tickets } from './tickets.ts';

/** The forks' own lifetime of a user's token. */
const USER_TOKEN_TTL_MS = 15 * 60_000;

/** The forks have no time limit at all; ours only ends what would never end. */
const WEBHOOK_TIMEOUT_MS = 30_000;

export interface StandInOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly host?: string;
}

/**
 * A Whaticket: an HTTP server with the API of the forks, and customers who write.
 *
 * It speaks the real wire in both directions, so that whatever works with it works with the forks as far as their source
 * tells. What it does not have: queues beyond one, tags, notes, users beyond one, and media bytes.
 */
export class WhaticketStandIn {
  readonly url: string;
  /** Of sending, and of the line itself. */
  readonly faults: Faults;
  /** Of looking at a ticket. */
  readonly lookFaults = new Faults(() => undefined);
  /** Of everything about tickets but their messages and the list of them. */
  readonly ticketFaults = new Faults(() => undefined);
  /** Of writing notes. */
  readonly noteFaults = new Faults(() => undefined);
  /** Of moving a ticket: what it answers is not what it does. */
  readonly lies = new Lies();
  /** The one user who can log in. */
  readonly login = { email: 'bot@whaticket.test', password: 'senha-do-bot' };
  /** Numbers that nobody has. */
  readonly phonesNotOnWhatsApp = new Set<string>();
  /** Webhooks nobody waits for and nobody took, as when the receiver of an echo is down. The forks lose them too. */
  lostWebhooks = 0;
  /** How often a user has logged in. */
  logins = 0;
  /** How often somebody has looked at a ticket's messages, with or without success. */
  looks = 0;
  /** How often somebody has looked at a ticket itself. */
  ticketReads = 0;
  /** How often anybody has asked anything about tickets but their messages and the list of them. */
  ticketCalls = 0;
  readonly #server: Server;
  readonly #sent: SentMessages;
  readonly #connections: Map<string, Connection>;
  readonly #userTokens: LRUCache<string, true>;
  readonly #tickets: Tickets;
  readonly #agent = new Agent({
    connections: 128,
    headersTimeout: WEBHOOK_TIMEOUT_MS,
    bodyTimeout: WEBHOOK_TIMEOUT_MS,
    maxResponseSize: 1024 * 1024,
  });
  readonly #closing = new AbortController();

  private constructor(server: Server, url: string) {
    this.url = url;
    this.#server = server;
    this.#sent = new SentMessages();
    this.#connections = new Map();
    this.#userTokens = new LRUCache({ max: 1_000, ttl: USER_TOKEN_TTL_MS });
    this.#tickets = new Tickets();
    this.faults = new Faults((mode) => {
      this.#listenUnlessOff(mode);
    });
    server.on('connection', (socket) => {
      if (this.faults.mode === 'down') {
        this.faults.take();
        socket.destroy();
      }
    });
    const app = gatewayRoutes({
      login: this.login,
      faults: this.faults,
      lookFaults: this.lookFaults,
      lies: this.lies,
      ticketFaults: this.ticketFaults,
      noteFaults: this.noteFaults,
      ticketAsked: () => {
        this.ticketCalls += 1;
      },
      sent: this.#sent,
      tickets: this.#tickets,
      connections: this.#connections,
      userTokens: this.#userTokens,
      phonesNotOnWhatsApp: this.phonesNotOnWhatsApp,
      closing: this.#closing.signal,
      newUserToken: () => {
        this.logins += 1;
        return randomBytes(24).toString('base64url');
      },
      ticketRead: () => {
        this.ticketReads += 1;
      },
      looked: () => {
        this.looks += 1;
      },
      echo: (connection, person, text) => {
        connection.echo(person, text).catch(() => {
          this.lostWebhooks += 1;
        });
      },
    });
    server.on('request', (req, res) => {
      app(req, res);
    });
  }

  static async start(options: StandInOptions = {}): Promise<WhaticketStandIn> {
    const { port = 0, host = '127.0.0.1' } = options;
    const server = createServer({ keepAliveTimeout: 30_000 });
    const { promise: listening, resolve, reject } = Promise.withResolvers<undefined>();
    server.once('error', reject);
    server.listen(port, host, () => {
      resolve(undefined);
    });
    await listening;
    const address = server.address();
    const takenPort = typeof address === 'object' && address !== null ? address.port : port;
    return new WhaticketStandIn(server, `http://${isIPv6(host) ? `[${host}]` : host}:${takenPort}`);
  }

  get sent(): readonly SentMessage[] {
    return this.#sent.list;
  }

  addConnection(options: ConnectionOptions): Connection {
    const connection = new Connection(options, {
      tickets: this.#tickets,
      post: (url, body, headers) => this.#post(url, { body, headers }),
    });
    this.#connections.set(options.token, connection);
    return connection;
  }

  /** From now on its token is nobody's. */
  removeConnection(connection: Connection): void {
    this.#connections.delete(connection.token);
  }

  /** Calls back for every message that reaches a customer; call what it returns to stop that. */
  onSent(listener: (message: SentMessage) => void): () => void {
    return this.#sent.onSent(listener);
  }

  /** Resolves when so many messages have been sent since the start, to this phone if one is given. */
  async waitForSent(count: number, options: { phone?: string; timeoutMs: number }): Promise<SentMessage[]> {
    return await this.#sent.waitFor(count, options);
  }

  /** How many messages of this customer nobody has looked at: the badge that an agent sees. */
  unreadOf(connection: Connection, phone: string): number {
    const ticket = this.#tickets.findOf(connection.name, { phone });
    return ticket?.messages.filter(({ read }) => !read).length ?? 0;
  }

  /** Lets every user's token run out, as after 15 minutes. */
  expireLogins(): void {
    this.#userTokens.clear();
  }

  #listenUnlessOff(mode: FaultMode): void {
    if (mode === 'off') this.#server.close();
    else if (!this.#server.listening) {
      const { hostname, port } = new URL(this.url);
      this.#server.listen(Number(port), hostname.replace(/^\[|\]$/g, ''));
    }
    if (mode === 'off' || mode === 'down') this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#sent.close();
    const { promise: closed, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => {
      resolve(undefined);
    });
    this.#server.closeAllConnections();
    await Promise.all([closed, this.#agent.destroy()]);
  }

  async #post(
    url: string,
    { body, headers }: { body: Buffer | string; headers: Readonly<Record<string, string>> },
  ): Promise<{ status: number; body: unknown }> {
    const answer = await request(url, { method: 'POST', headers, body, dispatcher: this.#agent });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: jsonOrText(text) };
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
