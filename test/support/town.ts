import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Worker } from 'bullmq';
import { composeService, composeWork } from '../../src/composition.ts';
import type { Work } from '../../src/composition.ts';
import { loadConfig, ServiceEnvironment, WorkerEnvironment } from '../../src/config.ts';
import { listen } from '../../src/platform/http-server.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createBlockingRedis } from '../../src/platform/redis.ts';
import { pause } from '../../src/platform/time.ts';
import { GeminiStandIn } from '../../sandbox/gemini/gemini-stand-in.ts';
import type { Connection } from '../../sandbox/whaticket/connection.ts';
import type { WebhookShape } from '../../sandbox/whaticket/webhook-signing.ts';
import { WhaticketStandIn } from '../../sandbox/whaticket/whaticket-stand-in.ts';
import { deliverMessagesWorker } from '../../workers/deliver-messages.ts';
import { indexDocumentWorker } from '../../workers/index-document.ts';
import { takeTurnWorker } from '../../workers/take-turn.ts';
import { createTestDatabase } from './database.ts';
import type { TestDatabase } from './database.ts';

export interface TownOptions {
  /** Settings over the defaults of a town, which wait for nobody. */
  readonly environment?: Readonly<Record<string, string>>;
  /** False starts no worker: for tests that look at what intake leaves behind. */
  readonly worker?: boolean;
}

export interface TenantOptions {
  readonly slug?: string;
  readonly name?: string;
  readonly shape?: WebhookShape;
  readonly profile?: 'community' | 'launcherbr' | 'ticketz' | 'hosted';
  readonly echoes?: boolean;
  readonly onUnknown?: 'hand-over' | 'resend';
  readonly articles?: readonly { title: string; text: string }[];
  readonly auth?: { kind: 'hmac' | 'bearer' | 'url-secret'; header?: string };
}

const ADMIN_API_KEY = randomBytes(24).toString('hex');

/**
 * The whole product in one process, between a Whaticket and a Gemini that are servers of their own.
 *
 * Databases, queues and wires are real. Customers write through the gateway, and see what the gateway got.
 */
export class Town {
  readonly database: TestDatabase;
  readonly gateway: WhaticketStandIn;
  readonly gemini: GeminiStandIn;
  readonly environment: Readonly<Record<string, string>>;
  readonly url: string;
  readonly redis: Redis;
  readonly #closers: (() => Promise<unknown>)[];
  #tenants = 0;

  private constructor(parts: Omit<TownParts, 'closers'> & { closers: (() => Promise<unknown>)[] }) {
    this.database = parts.database;
    this.gateway = parts.gateway;
    this.gemini = parts.gemini;
    this.environment = parts.environment;
    this.url = parts.url;
    this.redis = parts.redis;
    this.#closers = parts.closers;
  }

  static async start(options: TownOptions = {}): Promise<Town> {
    const database = await createTestDatabase();
    const gateway = await WhaticketStandIn.start();
    const gemini = await GeminiStandIn.start();
    const redisUrl = redisUrlOfThisFile();
    const redis = new Redis(redisUrl);
    redis.on('error', () => {
      // Some tests stop Redis on purpose.
    });
    await redis.flushdb();
    const environment = {
      DATABASE_URL: database.url,
      REDIS_URL: redisUrl,
      MASTER_KEY: randomBytes(32).toString('base64'),
      ADMIN_API_KEY,
      GEMINI_API_KEY: 'a-key-of-the-stand-in',
      GEMINI_BASE_URL: gemini.url,
      MODEL_TIMEOUT_MS: '2000',
      TURN_DEADLINE_MS: '8000',
      COALESCE_MIN_MS: '0',
      COALESCE_MAX_MS: '0',
      SEND_PACING_MS: '0',
      OUTBOUND_PRIVATE_HOSTS: '127.0.0.1',
      LOG_LEVEL: process.env.TOWN_LOG ?? 'silent',
      ...options.environment,
    };
    const log = createLogger({ level: environment.LOG_LEVEL, process: 'town' });
    const service = await composeService(loadConfig(ServiceEnvironment, environment), log);
    const server = await listen(service.app, { host: '127.0.0.1', port: 0 });
    service.health.started();
    const closers: (() => Promise<unknown>)[] = [
      () => server.close(),
      () => service.closing.close(),
      () => gateway.close(),
      () => gemini.close(),
      () => database.close(),
    ];
    const url = `http://127.0.0.1:${server.port}`;
    const town = new Town({ database, gateway, gemini, environment, url, redis, closers });
    if (options.worker !== false) await town.startWorker();
    return town;
  }

  /** Another worker, in this process. */
  async startWorker(environment: Readonly<Record<string, string>> = {}): Promise<Work> {
    const config = loadConfig(WorkerEnvironment, { ...this.environment, ...environment });
    const log = createLogger({ level: config.logLevel, process: 'town-worker' });
    const work = await composeWork(config, log);
    const connection = createBlockingRedis(config.redisUrl, log);
    const parts = { work, connection, concurrency: config.concurrency, log };
    const workers: Worker[] = [takeTurnWorker(parts), deliverMessagesWorker(parts), indexDocumentWorker(parts)];
    work.sweeper.start();
    work.health.started();
    this.#closers.unshift(async () => {
      work.hurry();
      await Promise.all(workers.map((worker) => worker.close()));
      connection.disconnect();
      await work.closing.close();
    });
    return work;
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
    this.redis.disconnect();
  }

  /** A call of the API, as the platform unless another key is given. */
  async api(method: string, path: string, body?: unknown, key = ADMIN_API_KEY): Promise<{ status: number; body: any }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  /** A client company with a channel through the gateway, made by the API as people make it. */
  async tenant(options: TenantOptions = {}): Promise<TownTenant> {
    this.#tenants += 1;
    const slug = options.slug ?? `padaria-${this.#tenants}`;
    const tenant = await this.api('POST', '/api/v1/tenants', { slug, name: options.name ?? 'Padaria da Vila' });
    const auth = options.auth ?? { kind: 'hmac' };
    const secret = randomBytes(24).toString('hex');
    const token = randomBytes(16).toString('hex');
    const profile = options.profile ?? 'launcherbr';
    const channel = await this.api('POST', `/api/v1/tenants/${tenant.body.id}/channels`, {
      name: 'Principal',
      kind: 'whaticket',
      gateway: {
        profile,
        baseUrl: this.gateway.url,
        token,
        email: this.gateway.login.email,
        password: this.gateway.login.password,
      },
      webhook: { auth: auth.kind, ...(auth.header === undefined ? {} : { header: auth.header }), secrets: [secret] },
      onUnknown: options.onUnknown ?? 'hand-over',
    });
    if (channel.status !== 201) throw new Error(`The channel was not made: ${JSON.stringify(channel.body)}`);
    const connection = this.gateway.addConnection({
      name: slug,
      profile,
      token,
      webhook: {
        url: `${this.url}/webhooks/whaticket/${channel.body.id}`,
        shape: options.shape ?? 'W1',
        auth: { kind: auth.kind, secret, ...(auth.header === undefined ? {} : { header: auth.header }) },
      },
      echoes: options.echoes ?? false,
    });
    const made = new TownTenant(this, { id: tenant.body.id, channelId: channel.body.id, secret, connection });
    for (const article of options.articles ?? []) await made.learn(article);
    return made;
  }
}

interface TownParts {
  readonly database: TestDatabase;
  readonly gateway: WhaticketStandIn;
  readonly gemini: GeminiStandIn;
  readonly environment: Readonly<Record<string, string>>;
  readonly url: string;
  readonly redis: Redis;
  readonly closers: (() => Promise<unknown>)[];
}

export class TownTenant {
  readonly id: string;
  readonly channelId: string;
  readonly secret: string;
  readonly connection: Connection;
  readonly #town: Town;

  constructor(town: Town, parts: { id: string; channelId: string; secret: string; connection: Connection }) {
    this.#town = town;
    this.id = parts.id;
    this.channelId = parts.channelId;
    this.secret = parts.secret;
    this.connection = parts.connection;
  }

  customer(name: string, phone: string): Customer {
    return new Customer(this.#town, this, { name, phone });
  }

  /** Adds an article and waits until it can be found. */
  async learn(article: { title: string; text: string }): Promise<string> {
    const path = `/api/v1/tenants/${this.id}/knowledge/documents`;
    const made = await this.#town.api('POST', path, article);
    await until(async () => (await this.#town.api('GET', `${path}/${made.body.id}`)).body.state === 'ready');
    return made.body.id;
  }

  async conversations(): Promise<any[]> {
    return (await this.#town.api('GET', `/api/v1/tenants/${this.id}/conversations`)).body.items;
  }

  async messages(conversationId: string): Promise<any[]> {
    return (
      await this.#town.api('GET', `/api/v1/tenants/${this.id}/conversations/${conversationId}/messages?limit=100`)
    ).body.items;
  }

  async deadLetters(): Promise<any[]> {
    return (await this.#town.api('GET', `/api/v1/tenants/${this.id}/dead-letters`)).body.items;
  }
}

export class Customer {
  readonly name: string;
  readonly phone: string;
  readonly tenant: TownTenant;
  readonly #town: Town;

  constructor(town: Town, tenant: TownTenant, person: { name: string; phone: string }) {
    this.#town = town;
    this.tenant = tenant;
    this.name = person.name;
    this.phone = person.phone;
  }

  /** Writes, and returns what the webhook was answered. */
  async writes(
    text: string,
    more: { providerMessageId?: string; at?: Date; kind?: 'text' | 'audio' | 'image' | 'document' | 'sticker' } = {},
  ) {
    return await this.tenant.connection.customerWrites({ phone: this.phone, name: this.name, text, ...more });
  }

  async sends(kind: 'audio' | 'image' | 'document' | 'sticker') {
    return await this.tenant.connection.customerWrites({ phone: this.phone, name: this.name, kind });
  }

  /** What has reached this customer's phone, in order. */
  received(): readonly string[] {
    return this.#town.gateway.sent
      .filter((message) => message.phone === this.phone && message.token === this.tenant.connection.token)
      .map((message) => message.text);
  }

  /** Waits until this many messages have reached the phone. */
  async hears(count: number, timeoutMs = 15_000): Promise<readonly string[]> {
    await until(() => this.received().length >= count, timeoutMs);
    return this.received();
  }

  async conversation(): Promise<any> {
    const all = await this.tenant.conversations();
    for (const conversation of all) if (conversation.contact?.name === this.name) return conversation;
    return all[0];
  }

  async messages(): Promise<any[]> {
    return await this.tenant.messages((await this.conversation()).id);
  }

  /** How each of this customer's messages ended, in order; null while it has not. */
  async settled(): Promise<(string | null)[]> {
    return (await this.messages())
      .filter((message) => message.author === 'customer')
      .map((message) => message.settled?.kind ?? null);
  }

  /** Waits until every message of this customer has ended somehow. */
  async isSettled(timeoutMs = 15_000): Promise<void> {
    await until(async () => {
      const settled = (await this.conversation()) === undefined ? [null] : await this.settled();
      return settled.length > 0 && settled.every((kind) => kind !== null);
    }, timeoutMs);
  }
}

/** Waits for a condition, looking often. Fails with the condition's own words when it takes too long. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const giveUp = AbortSignal.timeout(timeoutMs);
  while (!(await condition())) {
    if (giveUp.aborted) throw new Error(`Within ${timeoutMs} ms it did not come true that: ${condition.toString()}`);
    await pause(10);
  }
}

/** Files that run at the same time use different databases of the one Redis. */
export function redisUrlOfThisFile(): string {
  const url = new URL(process.env.PLANTAO_TEST_REDIS_URL ?? '');
  url.pathname = `/${Number(process.env.JEST_WORKER_ID ?? '1') % 16}`;
  return url.href;
}
