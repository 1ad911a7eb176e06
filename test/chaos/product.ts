import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { z } from 'zod';
import { freePort } from '../../local/ports.ts';
import { pause, systemClock } from '../../src/platform/time.ts';
import type { Takeover } from './history.ts';
import { KeptProcess } from './kept-process.ts';
import { CHANNELS, providerIdOf, TENANTS } from './pipeline.ts';
import type { ChaosChannel, Mailbox, Pipeline, PipelineParts, Told } from './pipeline.ts';
import { noteOwnerChanges, readProduct } from './read-product.ts';

const Made = z.object({ id: z.string() });
const Gateway = z.object({ url: z.string() });
const OwnerChanged = z.object({ epoch: z.int(), stillSending: z.string().optional() });

/** As an operator would set it who wants answers within ten seconds also from a model that hangs. */
const SETTINGS = {
  MODEL_TIMEOUT_MS: '2000',
  TURN_DEADLINE_MS: '8000',
  COALESCE_MIN_MS: '200',
  COALESCE_MAX_MS: '1500',
};
/** Five hundred customers here write like fifty thousand. */
const NO_LIMITS = { contactPerMinute: 0, contactPerDay: 0, loopBreaker: 0 };
const QUERY_WITHIN_MS = 4_000;
const TAKEOVER_ATTEMPTS_MAX = 40;
const TAKEOVER_RETRY_MS = 250;
const API_WITHIN_MS = 10_000;

/** The product, as production runs it: a service and workers, each a process that is started again when it dies. */
export class Product implements Pipeline {
  readonly mailboxes = new Map<string, Mailbox>();
  readonly service: KeptProcess;
  readonly workers: readonly KeptProcess[];
  readonly #db: Pool;
  readonly #url: string;
  readonly #adminKey: string;
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
    this.#adminKey = parts.adminKey;
  }

  static async start({ servers, standIns, workers: count }: PipelineParts): Promise<Product> {
    const adminKey = randomBytes(24).toString('hex');
    const { url: model } = await standIns.ask('model', {}, Gateway);
    const environment = {
      DATABASE_URL: servers.databaseUrl,
      REDIS_URL: servers.redisUrl,
      MASTER_KEY: randomBytes(32).toString('base64'),
      ADMIN_API_KEY: adminKey,
      GEMINI_API_KEY: 'a-key-of-the-stand-in',
      GEMINI_BASE_URL: model,
      HOST: '127.0.0.1',
      OUTBOUND_PRIVATE_HOSTS: '127.0.0.1',
      SEND_PACING_MS: '0',
      ...SETTINGS,
    };
    const keep = async (name: string, file: string): Promise<{ kept: KeptProcess; port: string }> => {
      const port = String(await freePort());
      const logs = servers.folder;
      return { port, kept: new KeptProcess({ name, file, logs, environment: { ...environment, PORT: port } }) };
    };
    const service = await keep('service', 'src/main.ts');
    const workers: KeptProcess[] = [];
    for (let number = 1; number <= count; number += 1) {
      workers.push((await keep(`worker-${number}`, 'workers/main.ts')).kept);
    }
    const db = new Pool({
      connectionString: servers.databaseUrl,
      max: 4,
      connectionTimeoutMillis: QUERY_WITHIN_MS,
      query_timeout: QUERY_WITHIN_MS,
    });
    // Faults cut these lines, too. Whoever asks is told, and asks again.
    db.on('error', () => undefined);
    const url = `http://127.0.0.1:${service.port}`;
    const product = new Product({ service: service.kept, workers, db, url, adminKey });
    try {
      await Promise.all([service.kept, ...workers].map((it) => it.untilReady()));
      await noteOwnerChanges(db);
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
    return await readProduct(this.#db, new Map(channels));
  }

  async close(): Promise<void> {
    await Promise.all([this.service, ...this.workers].map((it) => it.stop()));
    await this.#db.end();
  }

  async #open(tenant: string, standIns: PipelineParts['standIns']): Promise<void> {
    const { url: gateway } = await standIns.ask('gateway', { tenant }, Gateway);
    const { id } = Made.parse(await this.#api('POST', '/api/v1/tenants', { slug: tenant, name: tenant }));
    this.#ids.set(tenant, id);
    await this.#api('PATCH', `/api/v1/tenants/${id}/settings`, NO_LIMITS);
    for (const channel of CHANNELS.filter((it) => it.tenant === tenant)) {
      await this.#connect(channel, { gateway, tenantId: id, standIns });
    }
  }

  async #connect(
    channel: ChaosChannel,
    { gateway, tenantId, standIns }: { gateway: string; tenantId: string; standIns: PipelineParts['standIns'] },
  ): Promise<void> {
    const { name, tenant, shape, hasEcho, onUnknown } = channel;
    const [secret, token] = [randomBytes(24).toString('hex'), randomBytes(16).toString('hex')];
    const { id } = Made.parse(
      await this.#api('POST', `/api/v1/tenants/${tenantId}/channels`, {
        name,
        kind: 'whaticket',
        gateway: { profile: 'launcherbr', baseUrl: gateway, token },
        webhook: { auth: 'hmac', secrets: [secret] },
        onUnknown,
      }),
    );
    this.#ids.set(name, id);
    const url = `${this.#url}/webhooks/whaticket/${id}`;
    this.mailboxes.set(name, { url, secret, shape });
    await standIns.ask('connect', { tenant, channel: name, token, url, secret, shape, hasEcho }, z.unknown());
  }

  async #placeOf(questionId: string): Promise<{ tenantId: string; conversationId: string } | undefined> {
    const { rows } = await this.#db.query<{ tenant_id: string; conversation_id: string }>(
      'select tenant_id, conversation_id from message where provider_message_id = $1',
      [providerIdOf(questionId)],
    );
    const [row] = rows;
    return row === undefined ? undefined : { tenantId: row.tenant_id, conversationId: row.conversation_id };
  }

  async #api(method: string, path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#adminKey}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(API_WITHIN_MS),
      body: JSON.stringify(body),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  }
}
