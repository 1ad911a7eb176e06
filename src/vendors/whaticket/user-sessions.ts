import type { AxiosInstance } from 'axios';
import { LRUCache } from 'lru-cache';
import { sha256 } from '../../platform/crypto.ts';
import type { Logger } from '../../platform/logger.ts';
import { Secret } from '../../platform/secret.ts';
import type { GatewayConnection } from '../../vocabulary/gateway.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { failureFromAnswer, printableError } from './gateway-failure.ts';
import { callGateway } from './gateway-call.ts';
import type { GatewayAnswer } from './gateway-call.ts';
import { errorIn, PROFILES } from './gateway-profiles.ts';
import { firstText, objectIn } from './wire-values.ts';

export type Login = NonNullable<GatewayConnection['login']>;

/** The forks' tokens live 15 minutes; one that is used a minute before its end does not end on the way. */
const TOKEN_TTL_MS = 14 * 60_000;

/** Users of gateways whose tokens are kept; the one unused for longest logs in again. */
const TOKENS_MAX = 1_000;

/** What a token gets as its answer when it has run out. Any other 401 or 403 is about what the user may do. */
const EXPIRED_TEXTS = ['ERR_SESSION_EXPIRED', 'Invalid token', 'ERR_UNAUTHORIZED'];

/**
 * The tokens of gateway users, for what the token of a connection cannot do.
 *
 * A user logs in once for all who wait for it, and again when its token has run out.
 */
export class UserSessions {
  readonly #client: AxiosInstance;
  readonly #log: Logger;
  readonly #tokens = new LRUCache<string, Secret>({ max: TOKENS_MAX, ttl: TOKEN_TTL_MS });
  /** No longer than the callers that wait. */
  readonly #loggingIn = new Map<string, Promise<Secret>>();

  constructor(client: AxiosInstance, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /**
   * Calls as the user; logs in again once when the token turns out to have run out.
   *
   * @param call makes the call. A refused token is refused before the gateway does anything, so the second call doubles nothing.
   * @throws {Failure} when the user cannot log in. Nothing of the call itself was sent then.
   */
  async call(
    connection: GatewayConnection & { readonly login: Login },
    call: (token: string) => Promise<GatewayAnswer>,
    signal: AbortSignal,
  ): Promise<GatewayAnswer> {
    const token = await this.#tokenFor(connection, signal);
    const answer = await call(token.reveal());
    if (!isExpired(answer)) return answer;
    const key = keyOf(connection);
    // Somebody else may have logged in again meanwhile.
    if (this.#tokens.get(key) === token) this.#tokens.delete(key);
    return await call((await this.#tokenFor(connection, signal)).reveal());
  }

  async #tokenFor(connection: GatewayConnection & { readonly login: Login }, signal: AbortSignal): Promise<Secret> {
    signal.throwIfAborted();
    const key = keyOf(connection);
    const known = this.#tokens.get(key);
    if (known !== undefined) return known;
    let login = this.#loggingIn.get(key);
    if (login === undefined) {
      login = this.#logIn(connection, key).finally(() => this.#loggingIn.delete(key));
      this.#loggingIn.set(key, login);
    }
    return await orAborted(login, signal);
  }

  /** Not bound to anybody's signal: others may wait for the same login. The client's timeout ends it. */
  async #logIn(connection: GatewayConnection & { readonly login: Login }, key: string): Promise<Secret> {
    const { email, password } = connection.login;
    const answer = await this.#post(connection.baseUrl, { email, password: password.reveal() });
    const token = firstText(objectIn(answer.body)?.token);
    if (answer.status >= 200 && answer.status < 300 && token !== undefined) {
      const secret = Secret.of(token);
      this.#tokens.set(key, secret);
      this.#log.info({ event: 'gateway.logged-in', profile: connection.profile }, 'Logged in at a gateway');
      return secret;
    }
    const failure = failureFromAnswer(PROFILES[connection.profile], answer);
    const detail = { ...failure.detail, step: 'login', error: printableError(answer.body) };
    throw new Failure(failure.code === 'GATEWAY_OUTCOME_UNKNOWN' ? 'GATEWAY_UNREACHABLE' : failure.code, detail);
  }

  /** A login that may or may not have worked says nothing to a customer, so it is simply a gateway out of reach. */
  async #post(baseUrl: string, body: Readonly<Record<string, string>>): Promise<GatewayAnswer> {
    try {
      return await callGateway(this.#client, { baseUrl, path: '/auth/login', body }, new AbortController().signal);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new Failure('GATEWAY_UNREACHABLE', { ...error.detail, step: 'login' }, { cause: error.cause });
    }
  }
}

/** The password is part of it: whoever changes it in the settings is not served by the old login. */
function keyOf(connection: GatewayConnection & { readonly login: Login }): string {
  const { email, password } = connection.login;
  return `${connection.baseUrl}\n${email}\n${sha256(password.reveal()).toString('hex')}`;
}

function isExpired(answer: GatewayAnswer): boolean {
  if (answer.status !== 401 && answer.status !== 403) return false;
  const text = errorIn(answer.body) ?? '';
  return EXPIRED_TEXTS.some((beginning) => text.startsWith(beginning));
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(signal.reason instanceof Error ? signal.reason : new Error('Aborted'));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
