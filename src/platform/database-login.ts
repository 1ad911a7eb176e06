import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import type { Secret } from './secret.ts';
import { pause } from './time.ts';

/** What PostgreSQL calls a password that is not the one it has. */
const WRONG_PASSWORD = '28P01';
/**
 * The one that the file has now, the one before it, and both once more: two answers may be about the password of before the
 * change. What is begun after them is not.
 */
const LOGINS_TRIED_MAX = 4;
/** Whoever changes a password in the role and in the file does not do both at once. */
const NEXT_LOGIN_MS = 50;

/** What one connection is opened with, and how many were begun before it. */
interface Login {
  readonly url: string;
  readonly number: number;
}

/**
 * Which URL a new connection of a pool is opened with.
 *
 * PostgreSQL knows one password for a role, and a file cannot change in the same moment. So the value before the present one
 * is kept, and whichever the server refused last is not the next to be tried: the file is changed first, then the role, and
 * new connections go on. Connections that are open are not asked for a password again.
 *
 * Answers overtake each other under load, so the refusal that counts is that of the connection which was begun last: one that
 * was begun earlier, and answered later, may tell of the password that the role had before.
 */
export class DatabaseLogin {
  readonly #url: Secret;
  #refused: Login = { url: '', number: 0 };
  #begun = 0;
  #way: ClientConfig | undefined;

  constructor(url: Secret) {
    this.#url = url;
  }

  /** For one new connection. */
  begin(): Login {
    const now = this.#url.revealNow();
    const url = now === this.#refused.url ? (this.#url.revealPrevious() ?? now) : now;
    this.#begun += 1;
    return { url, number: this.#begun };
  }

  /**
   * Where a URL leads, TLS files included. While one of those is being replaced it is the way of before: the pool opens
   * connections where nobody catches what is thrown.
   */
  wayTo(url: string): ClientConfig {
    try {
      this.#way = parseIntoClientConfig(url);
    } catch (error) {
      if (this.#way === undefined) throw error;
    }
    return this.#way;
  }

  refused(login: Login): void {
    if (login.number > this.#refused.number) this.#refused = login;
  }
}

/** The class of a pool's connections: each is opened with the URL that is in force when it is opened, TLS files included. */
export function clientWith(login: DatabaseLogin): typeof Client {
  return class extends Client {
    readonly #begun: Login;

    constructor(config?: string | ClientConfig) {
      const begun = login.begin();
      super({ ...(typeof config === 'object' ? config : {}), ...login.wayTo(begun.url) });
      this.#begun = begun;
    }

    override connect(): Promise<Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<Client> | undefined {
      if (callback === undefined) return super.connect();
      super.connect((error: Error) => {
        if (isWrongPassword(error)) login.refused(this.#begun);
        callback(error);
      });
      return undefined;
    }
  };
}

/** Asks for a connection, and again when its password was refused: the next one is opened with the other. */
export async function withOtherLogin<Connection>(connect: () => Promise<Connection>): Promise<Connection> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await connect();
    } catch (error) {
      if (!isWrongPassword(error) || tried >= LOGINS_TRIED_MAX) throw error;
      await pause(NEXT_LOGIN_MS);
    }
  }
}

function isWrongPassword(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === WRONG_PASSWORD;
}
