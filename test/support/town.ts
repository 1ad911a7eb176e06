import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Worker } from 'bullmq';
import { sql } from 'kysely';
import { z } from 'zod';
import { composeService } from '../../src/compose-service.ts';
import { composeWork } from '../../src/compose-work.ts';
import type { Work } from '../../src/compose-work.ts';
import { loadConfig, ServiceEnvironment, WorkerEnvironment } from '../../src/config.ts';
import { listen } from '../../src/platform/http-server.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { closeWorkers } from '../../src/platform/queue.ts';
import { createBlockingRedis } from '../../src/platform/redis.ts';
import type { Heart } from '../../src/recovery/heartbeat.ts';
import type { GatewayProfile } from '../../src/vocabulary/gateway.ts';
import { GeminiStandIn } from '../../sandbox/gemini/gemini-stand-in.ts';
import type { SentMessage } from '../../sandbox/whaticket/sent-messages.ts';
import type { WebhookShape } from '../../sandbox/whaticket/webhook-signing.ts';
import { WhaticketStandIn } from '../../sandbox/whaticket/whaticket-stand-in.ts';
import { deliverMessagesWorker } from '../../workers/deliver-messages.ts';
import { indexDocumentWorker } from '../../workers/index-document.ts';
import { takeTurnWorker } from '../../workers/take-turn.ts';
import { createTestDatabase } from './database.ts';
import type { TestDatabase } from './database.ts';
import { TownTenant } from './town-people.ts';
import type { ApiAnswer, ApiMethod, TownStreets } from './town-people.ts';
import { WorkerProcess } from './worker-process.ts';

export interface TownOptions {
  /** Settings over the defaults of a town, which wait for nobody. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets every line of the log of service and workers, instead of standard output. */
  readonly onLog?: (line: string) => void;
  /** True: customers have never heard of the bot, so that its first words say who it is. Elsewhere they would be in every test. */
  readonly strangers?: boolean;
  /** False starts no worker: for tests that look at what intake leaves behind. */
  readonly worker?: boolean;
}

export interface TenantOptions {
  readonly slug?: string;
  readonly name?: string;
  readonly shape?: WebhookShape;
  readonly profile?: GatewayProfile;
  readonly echoes?: boolean;
  readonly onUnknown?: 'hand-over' | 'resend';
  /** Where tickets go when a person is called. */
  readonly handoff?: Readonly<Record<string, unknown>>;
  /** Whether the channel has a user of the gateway: for what goes into a ticket, and for reading back. */
  readonly login?: boolean;
  readonly articles?: readonly { title: string; text: string }[];
  /** `model` lets a model write packets. Most tests count what the model is asked, or have it scripted. */
  readonly packetWriter?: 'model' | 'rule';
  readonly auth?: { kind: 'hmac' | 'bearer' | 'url-secret'; header?: string };
}

interface TownParts {
  readonly database: TestDatabase;
  readonly gateway: WhaticketStandIn;
  readonly gemini: GeminiStandIn;
  readonly environment: Readonly<Record<string, string>>;
  readonly url: string;
  readonly redis: Redis;
  readonly heart: Heart;
  readonly onLog: ((line: string) => void) | undefined;
  /** In the order in which they are to be called. */
  readonly closers: (() => Promise<unknown>)[];
}

const ADMIN_API_KEY = randomBytes(24).toString('hex');
const Made = z.object({ id: z.string() });

/**
 * The whole product in one process, between a Whaticket and a Gemini that are servers of their own.
 *
 * Databases, queues and wires are real. Customers write through the gateway, and see what the gateway got.
 */
export class Town implements TownStreets {
  readonly database: TestDatabase;
  readonly gateway: WhaticketStandIn;
  readonly gemini: GeminiStandIn;
  readonly environment: Readonly<Record<string, string>>;
  readonly url: string;
  readonly redis: Redis;
  /** Of the service. It does not beat by itself here. */
  readonly heart: Heart;
  readonly #onLog: ((line: string) => void) | undefined;
  readonly #closers: (() => Promise<unknown>)[];
  #tenants = 0;

  private constructor(parts: TownParts) {
    this.database = parts.database;
    this.gateway = parts.gateway;
    this.gemini = parts.gemini;
    this.environment = parts.environment;
    this.url = parts.url;
    this.redis = parts.redis;
    this.heart = parts.heart;
    this.#onLog = parts.onLog;
    this.#closers = parts.closers;
  }

  static async start(options: TownOptions = {}): Promise<Town> {
    const database = await createTestDatabase();
    if (options.strangers !== true) await knowTheBot(database);
    const gateway = await WhaticketStandIn.start();
    const gemini = await GeminiStandIn.start();
    const environment = townEnvironment({ database, gemini, given: options.environment });
    const redis = new Redis(environment.REDIS_URL);
    redis.on('error', () => {
      // Some tests stop Redis on purpose.
    });
    await redis.flushdb();
    const { onLog } = options;
    const log = createLogger({ level: environment.LOG_LEVEL, process: 'town' }, destinationOf(onLog));
    const service = await composeService(loadConfig(ServiceEnvironment, environment), log);
    const server = await listen(service.app, { host: '127.0.0.1', port: 0 });
    service.health.started();
    const closers = [
      () => server.close(),
      () => service.closing.close(),
      () => gateway.close(),
      () => gemini.close(),
      () => database.close(),
    ];
    const url = `http://127.0.0.1:${server.port}`;
    const town = new Town({ database, gateway, gemini, environment, url, redis, heart: service.heart, onLog, closers });
    if (options.worker !== false) await town.startWorker();
    return town;
  }

  /** Another worker, in this process. */
  async startWorker(environment: Readonly<Record<string, string>> = {}): Promise<Work> {
    const config = loadConfig(WorkerEnvironment, { ...this.environment, ...environment });
    const log = createLogger({ level: config.logLevel, process: 'town-worker' }, destinationOf(this.#onLog));
    const work = await composeWork(config, log);
    const connection = createBlockingRedis(config.redisUrl, log);
    const parts = { work, connection, concurrency: config.concurrency, log };
    const workers: Worker[] = [takeTurnWorker(parts), deliverMessagesWorker(parts), indexDocumentWorker(parts)];
    work.sweeper.start();
    work.health.started();
    this.#closers.unshift(async () => {
      work.hurry();
      await closeWorkers(workers, connection);
      connection.disconnect();
      await work.closing.close();
    });
    return work;
  }

  /** Another worker, in a process of its own that can be killed. */
  async startWorkerProcess(environment: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const worker = await WorkerProcess.start({ ...this.environment, ...environment });
    this.#closers.unshift(() => worker.kill());
    return worker;
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
    this.redis.disconnect();
  }

  sent(): readonly SentMessage[] {
    return this.gateway.sent;
  }

  /** A call of the API, as the platform unless another key is given. */
  async api(
    method: ApiMethod,
    path: string,
    { body, key = ADMIN_API_KEY }: { body?: unknown; key?: string } = {},
  ): Promise<ApiAnswer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed: unknown = text === '' ? undefined : JSON.parse(text);
    return { status: response.status, body: parsed };
  }

  /** A client company with a channel through the gateway, made by the API as people make it. */
  async tenant(options: TenantOptions = {}): Promise<TownTenant> {
    this.#tenants += 1;
    const { slug = `padaria-${this.#tenants}`, name = 'Padaria da Vila', profile = 'launcherbr' } = options;
    const { id } = await this.#make('/api/v1/tenants', { slug, name });
    await this.api('PATCH', `/api/v1/tenants/${id}/settings`, {
      body: { packetWriter: options.packetWriter ?? 'rule' },
    });
    const auth = options.auth ?? { kind: 'hmac' };
    const header = auth.header === undefined ? {} : { header: auth.header };
    const [secret, token] = [randomBytes(24).toString('hex'), randomBytes(16).toString('hex')];
    const { id: channelId } = await this.#make(`/api/v1/tenants/${id}/channels`, {
      name: 'Principal',
      kind: 'whaticket',
      gateway: { profile, baseUrl: this.gateway.url, token, ...(options.login === true ? this.gateway.login : {}) },
      webhook: { auth: auth.kind, ...header, secrets: [secret] },
      onUnknown: options.onUnknown ?? 'hand-over',
      ...(options.handoff === undefined ? {} : { handoff: options.handoff }),
    });
    const connection = this.gateway.addConnection({
      name: slug,
      profile,
      token,
      webhook: {
        url: `${this.url}/webhooks/whaticket/${channelId}`,
        shape: options.shape ?? 'W1',
        auth: { kind: auth.kind, secret, ...header },
      },
      echoes: options.echoes ?? false,
    });
    const made = new TownTenant(this, { id, channelId, secret, connection });
    for (const article of options.articles ?? []) await made.learn(article);
    return made;
  }

  async #make(path: string, body: unknown): Promise<z.infer<typeof Made>> {
    const answer = await this.api('POST', path, { body });
    if (answer.status !== 201) throw new Error(`POST ${path} was answered ${JSON.stringify(answer)}`);
    return Made.parse(answer.body);
  }
}

/** Whoever writes here for the first time has been told before that an assistant answers. */
async function knowTheBot({ db }: TestDatabase): Promise<void> {
  await sql`alter table conversation alter column introduced_at set default now()`.execute(db);
}

interface Surroundings {
  readonly database: TestDatabase;
  readonly gemini: GeminiStandIn;
  readonly given: Readonly<Record<string, string>> | undefined;
}

function townEnvironment({ database, gemini, given }: Surroundings) {
  return {
    DATABASE_URL: database.url,
    REDIS_URL: redisUrlOfThisFile(),
    MASTER_KEY: randomBytes(32).toString('base64'),
    ADMIN_API_KEY,
    GEMINI_API_KEY: 'a-key-of-the-stand-in',
    GEMINI_BASE_URL: gemini.url,
    // Longer than a busy machine lets this process stand still: a call that ran out of time would be asked again, and counted.
    MODEL_TIMEOUT_MS: '20000',
    TURN_DEADLINE_MS: '30000',
    COALESCE_MIN_MS: '0',
    COALESCE_MAX_MS: '0',
    SEND_PACING_MS: '0',
    OUTBOUND_PRIVATE_HOSTS: '127.0.0.1',
    LOG_LEVEL: process.env.TOWN_LOG ?? 'silent',
    ...given,
  };
}

function destinationOf(write: ((line: string) => void) | undefined) {
  return write === undefined ? undefined : { write };
}

/** Files that run at the same time use different databases of the one Redis. */
function redisUrlOfThisFile(): string {
  const url = new URL(process.env.PLANTAO_TEST_REDIS_URL ?? '');
  url.pathname = `/${Number(process.env.JEST_WORKER_ID ?? '1') % 16}`;
  return url.href;
}
