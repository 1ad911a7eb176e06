import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { z } from 'zod';
import { freePort } from '../local/ports.ts';
import { runMigrations } from '../local/run-migrations.ts';
import { DEMO_ARTICLES } from '../sandbox/demo/articles.ts';
import { DEMO_COMPANY } from '../sandbox/demo/company.ts';
import { isReady, NO_LIMITS, platformApi } from '../test/support/product-calls.ts';
import type { PlatformApi } from '../test/support/product-calls.ts';
import { until } from '../test/support/until.ts';
import type { Ground } from './ground.ts';
import type { Program } from './program.ts';

const WithId = z.object({ id: z.string() });
const Documents = z.object({ items: z.array(z.object({ state: z.string() })) });
const Addresses = z.object({ gateway: z.string(), gemini: z.string(), email: z.string(), password: z.string() });

const START_WITHIN_MS = 20_000;
const INDEX_WITHIN_MS = 30_000;

export interface Channel {
  readonly url: string;
  readonly secret: string;
  readonly token: string;
}

/** The product in processes of its own, on an empty database, between stand-ins. One for each section. */
export class Street {
  readonly db: Client;
  readonly standIns: Program;
  readonly service: Program;
  /** Where each process of the product serves its metrics, by the name of its program. */
  readonly metrics = new Map<string, string>();
  readonly #ground: Ground;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #url: string;
  readonly #api: PlatformApi;
  readonly #closers: (() => Promise<unknown>)[];

  private constructor(parts: {
    ground: Ground;
    db: Client;
    standIns: Program;
    service: Program;
    environment: Readonly<Record<string, string>>;
    closers: (() => Promise<unknown>)[];
  }) {
    this.#ground = parts.ground;
    this.db = parts.db;
    this.standIns = parts.standIns;
    this.service = parts.service;
    this.#environment = parts.environment;
    this.#url = `http://127.0.0.1:${parts.environment.PORT ?? ''}`;
    this.#api = platformApi(this.#url, parts.environment.ADMIN_API_KEY ?? '');
    this.#closers = parts.closers;
    this.metrics.set('service', `${this.#url}/metrics`);
  }

  /**
   * @param name also that of its database.
   * @param standInsFile the program of the world around it.
   */
  static async open(ground: Ground, name: string, standInsFile = 'bench/stand-ins.ts'): Promise<Street> {
    const closers: (() => Promise<unknown>)[] = [];
    try {
      const databaseUrl = await ground.createDatabase(name);
      await runMigrations(databaseUrl);
      const db = new Client({ connectionString: databaseUrl });
      await db.connect();
      closers.unshift(() => db.end());
      const standIns = ground.start({ name: `${name}-stand-ins`, file: standInsFile, takesCommands: true });
      closers.unshift(() => standIns.stop());
      const { gemini } = await standIns.ask('addresses', {}, Addresses);
      const environment = { ...ground.environment, DATABASE_URL: databaseUrl, GEMINI_BASE_URL: gemini };
      const port = String(await freePort());
      const service = ground.start({
        name: `${name}-service`,
        file: 'src/main.ts',
        environment: { ...environment, PORT: port },
        isProduct: true,
      });
      closers.unshift(() => service.stop());
      await untilReady(service, port);
      return new Street({ ground, db, standIns, service, environment: { ...environment, PORT: port }, closers });
    } catch (error) {
      for (const close of closers) await close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
  }

  async startWorker(name: string): Promise<Program> {
    const port = String(await freePort());
    const environment = { ...this.#environment, PORT: port };
    const worker = this.#ground.start({ name, file: 'workers/main.ts', environment, isProduct: true });
    this.#closers.unshift(() => worker.stop());
    await untilReady(worker, port);
    this.metrics.set(name, `http://127.0.0.1:${port}/metrics`);
    return worker;
  }

  /** The demo company without its limits on contacts: two thousand customers here write like two million. */
  async tenant(): Promise<string> {
    const { id } = WithId.parse(await this.#api('POST', '/api/v1/tenants', DEMO_COMPANY));
    await this.#api('PATCH', `/api/v1/tenants/${id}/settings`, NO_LIMITS);
    return id;
  }

  async channel(
    tenantId: string,
    name: string,
    options: { echoes?: boolean; onUnknown?: 'hand-over' | 'resend' } = {},
  ): Promise<Channel> {
    const [secret, token] = [randomBytes(24).toString('hex'), randomBytes(16).toString('hex')];
    const { gateway } = await this.standIns.ask('addresses', {}, Addresses);
    const { id } = WithId.parse(
      await this.#api('POST', `/api/v1/tenants/${tenantId}/channels`, {
        name,
        kind: 'whaticket',
        gateway: { profile: 'launcherbr', baseUrl: gateway, token },
        webhook: { auth: 'hmac', secrets: [secret] },
        onUnknown: options.onUnknown ?? 'hand-over',
      }),
    );
    const channel = { url: `${this.#url}/webhooks/whaticket/${id}`, secret, token };
    await this.standIns.ask('connect', { ...channel, name, echoes: options.echoes ?? false }, z.unknown());
    return channel;
  }

  /** Needs a worker. */
  async learnArticles(tenantId: string): Promise<void> {
    const documents = `/api/v1/tenants/${tenantId}/knowledge/documents`;
    for (const article of DEMO_ARTICLES) await this.#api('POST', documents, article);
    await until(async () => {
      const { items } = Documents.parse(await this.#api('GET', `${documents}?limit=100`));
      return items.length === DEMO_ARTICLES.length && items.every((document) => document.state === 'ready');
    }, INDEX_WITHIN_MS);
  }
}

async function untilReady(program: Program, port: string): Promise<void> {
  await until(async () => {
    if (!program.isRunning) throw new Error(`${program.name} ended while it was starting: ${program.lastWords}`);
    return await isReady(`http://127.0.0.1:${port}`);
  }, START_WITHIN_MS);
}
