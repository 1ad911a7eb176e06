import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { z } from 'zod';
import { freePort } from '../../local/ports.ts';
import { pause, systemClock } from '../../src/platform/time.ts';
import { NO_LIMITS, platformApi } from '../support/product-calls.ts';
import type { PlatformApi } from '../support/product-calls.ts';
import type { Takeover } from './history.ts';
import { KeptProcess } from './kept-process.ts';
import {
  CHANNELS,
  connectChannel,
  ModelAddress,
  newSecrets,
  OpenGateway,
  openOwnPool,
  providerIdOf,
  TENANTS,
} from './pipeline.ts';
import type { ChaosChannel, Mailbox, Pipeline, PipelineParts, Told } from './pipeline.ts';
import { noteOwnersAndLeases, readProduct } from './read-product.ts';

const Made = z.object({ id: z.string() });
const StrandedLine = z
  .object({ conversationId: z.string(), stuck: z.string(), repair: z.string(), time: z.iso.datetime() })
  .transform(({ time, ...line }) => ({ ...line, at: Date.parse(time) }));
const OwnerChanged = z.object({ epoch: z.int(), stillSending: z.string().optional() });

/** As an operator would set it who wants answers within ten seconds also from a model that hangs. */
const SETTINGS = {
  MODEL_TIMEOUT_MS: '2000',
  TURN_DEADLINE_MS: '8000',
  COALESCE_MIN_MS: '200',
  COALESCE_MAX_MS: '1500',
};
const TAKEOVER_ATTEMPTS_MAX = 40;
const TAKEOVER_RETRY_MS = 250;
const API_WITHIN_MS = 10_000;

interface Place {
  readonly gateway: OpenGateway;
  readonly connectionId: number;
  readonly tenantId: string;
  readonly standIns: PipelineParts['standIns'];
}

/** The product, as production runs it: a service and workers, each a process that is started again when it dies. */
export class Product implements Pipeline {
  readonly mailboxes = new Map<string, Mailbox>();
  readonly service: KeptProcess;
  readonly workers: readonly KeptProcess[];
  readonly #db: Pool;
  readonly #url: string;
  readonly #api: PlatformApi;
  /** Of the tenants and the channels, by name. */
  readonly #ids = new Map<string, string>();

  private constructor(parts: {
    service: KeptProcess;
    workers: readonly KeptProcess[];
    db: Pool;
    url: string;
    adminKey: string;
  }) {
    this.service = parts.service;
    this.workers = parts.workers;
    this.#db = parts.db;
    this.#url = parts.url;
    this.#api = platformApi(parts.url, parts.adminKey, API_WITHIN_MS);
  }

  static async start({ servers, standIns, workers: count }: PipelineParts): Promise<Product> {
    const adminKey = randomBytes(24).toString('hex');
    const { url: model } = await standIns.ask('model', {}, ModelAddress);
    const environment = {
      DATABASE_URL: servers.databaseUrl,
      REDIS_URL: servers.redisUrl,
      MASTER_KEY: randomBytes(32).toString('base64'),
      ADMIN_API_KEY: adminKey,
      GEMINI_BASE_URL: model,
      HOST: '127.0.0.1',
      OUTBOUND_PRIVATE_HOSTS: '127.0.0.1',
      SEND_PACING_MS: '0',
      ...SETTINGS,
    };
    const keep = async (name: string, file: string): Promise<{ kept: KeptProcess; port: string }> => {
      const port = String(await freePort());
      const logs = servers.folder;
      // By its key the model knows who asks.
      const own = { ...environment, GEMINI_API_KEY: name, PORT: port };
      return { port, kept: new KeptProcess({ name, file, logs, environment: own }) };
    };
    const service = await keep('service', 'src/main.ts');
    const workers: KeptProcess[] = [];
    for (let number = 1; number <= count; number += 1) {
      workers.push((await keep(`worker-${number}`, 'workers/main.ts')).kept);
    }
    const db = openOwnPool(servers.databaseUrl);
    const url = `http://127.0.0.1:${service.port}`;
    const product = new Product({ service: service.kept, workers, db, url, adminKey });
    try {
      await Promise.all([service.kept, ...workers].map((it) => it.untilReady()));
      await noteOwnersAndLeases(db);
      for (const tenant of TENANTS) await product.#open(tenant, standIns);
    } catch (error) {
      await product.close();
      throw error;
    }
    return product;
  }

  async takeOver(questionId: string): Promise<Takeover | undefined> {
    for (let attempt = 1; attempt <= TAKEOVER_ATTEMPTS_MAX; attempt += 1) {
      try {
        const place = await this.#placeOf(questionId);
        if (place !== undefined) {
          const path = `/api/v1/tenants/${place.tenantId}/conversations/${place.conversationId}/takeover`;
          const { epoch, stillSending } = OwnerChanged.parse(await this.#api('POST', path, {}));
          const confirmedAt = systemClock.now().getTime();
          return { conversationId: place.conversationId, epoch, confirmedAt, stillSending };
        }
      } catch {
        // A person whose click came to nothing clicks again.
      }
      await pause(TAKEOVER_RETRY_MS);
    }
    return undefined;
  }

  async isQuiet(): Promise<boolean> {
    try {
      const { rows } = await this.#db.query<{ quiet: boolean }>(
        `select not exists (select from message where author = 'customer' and settled_at is null)
            and not exists (select from outbox where state in ('pending', 'sending', 'unknown'))
            and not exists (select from echo where settled_at is null) as quiet`,
      );
      return rows[0]?.quiet === true;
    } catch {
      return false;
    }
  }

  async tell(): Promise<Told> {
    const channels = CHANNELS.map(({ name }) => [this.#ids.get(name) ?? '', name] as const);
    const stranded = this.workers.flatMap((worker) => worker.logged('promise.violated'));
    return { ...(await readProduct(this.#db, new Map(channels))), stranded: z.array(StrandedLine).parse(stranded) };
  }

  async close(): Promise<void> {
    await Promise.all([this.service, ...this.workers].map((it) => it.stop()));
    await this.#db.end();
  }

  async #open(tenant: string, standIns: PipelineParts['standIns']): Promise<void> {
    const gateway = await standIns.ask('gateway', { tenant }, OpenGateway);
    const { id } = Made.parse(await this.#api('POST', '/api/v1/tenants', { slug: tenant, name: tenant }));
    this.#ids.set(tenant, id);
    await this.#api('PATCH', `/api/v1/tenants/${id}/settings`, NO_LIMITS);
    for (const [index, channel] of CHANNELS.filter((it) => it.tenant === tenant).entries()) {
      // The gateway counts its connections in the order in which they are made.
      await this.#connect(channel, { gateway, connectionId: index + 1, tenantId: id, standIns });
    }
  }

  async #connect(channel: ChaosChannel, { gateway, connectionId, tenantId, standIns }: Place): Promise<void> {
    const { name, hasLogin, onUnknown } = channel;
    const secrets = newSecrets();
    const { url: baseUrl, email, password } = gateway;
    const known = { profile: 'launcherbr', baseUrl, token: secrets.token };
    const { id } = Made.parse(
      await this.#api('POST', `/api/v1/tenants/${tenantId}/channels`, {
        name,
        kind: 'whaticket',
        gateway: hasLogin ? { ...known, email, password, connectionId } : known,
        webhook: { auth: 'hmac', secrets: [secrets.secret] },
        onUnknown,
      }),
    );
    this.#ids.set(name, id);
    const url = `${this.#url}/webhooks/whaticket/${id}`;
    this.mailboxes.set(name, await connectChannel(standIns, channel, { ...secrets, url }));
  }

  async #placeOf(questionId: string): Promise<{ tenantId: string; conversationId: string } | undefined> {
    const { rows } = await this.#db.query<{ tenant_id: string; conversation_id: string }>(
      'select tenant_id, conversation_id from message where provider_message_id = $1',
      [providerIdOf(questionId)],
    );
    const [row] = rows;
    return row === undefined ? undefined : { tenantId: row.tenant_id, conversationId: row.conversation_id };
  }
}
