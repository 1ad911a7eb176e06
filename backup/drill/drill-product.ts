import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Program } from '../../bench/program.ts';
import { startLocalRedis } from '../../local/local-redis.ts';
import type { LocalRedis } from '../../local/local-redis.ts';
import { freePort } from '../../local/ports.ts';
import { GeminiStandIn } from '../../sandbox/gemini/gemini-stand-in.ts';
import type { Connection } from '../../sandbox/whaticket/connection.ts';
import { WhaticketStandIn } from '../../sandbox/whaticket/whaticket-stand-in.ts';
import { isReady, platformApi } from '../../test/support/product-calls.ts';
import type { PlatformApi } from '../../test/support/product-calls.ts';
import { until } from '../../test/support/until.ts';
import { watchOver } from '../caretaker.ts';
import type { Caretaker } from '../caretaker.ts';

const WithId = z.object({ id: z.string() });
const Document = z.object({ state: z.string() });
const START_WITHIN_MS = 30_000;
const INDEX_WITHIN_MS = 30_000;
const ANSWER_WITHIN_MS = 60_000;

const ARTICLE = {
  title: 'Horário de funcionamento',
  text: 'A loja da Vila abre de segunda a sábado, das 7h às 20h. Aos domingos, das 8h às 13h.',
};

/** The product in processes of its own, between stand-ins and beside a Redis that may be wiped. */
export class DrillProduct {
  readonly redis: LocalRedis;
  readonly #caretaker: Caretaker;
  readonly #gateway: WhaticketStandIn;
  readonly #gemini: GeminiStandIn;
  readonly #logs: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #url: string;
  readonly #api: PlatformApi;
  #connection: Connection | undefined;
  #programs: Program[] = [];
  #caretakers: Caretaker[] = [];
  #started = 0;

  private constructor(parts: {
    redis: LocalRedis;
    caretaker: Caretaker;
    gateway: WhaticketStandIn;
    gemini: GeminiStandIn;
    logs: string;
    port: number;
  }) {
    this.redis = parts.redis;
    this.#caretaker = parts.caretaker;
    this.#gateway = parts.gateway;
    this.#gemini = parts.gemini;
    this.#logs = parts.logs;
    const adminApiKey = randomBytes(24).toString('hex');
    this.#url = `http://127.0.0.1:${parts.port}`;
    this.#api = platformApi(this.#url, adminApiKey);
    this.#environment = {
      REDIS_URL: parts.redis.url,
      // Kept apart from the database, and the same before and after: without it nobody could be answered.
      MASTER_KEY: randomBytes(32).toString('base64'),
      ADMIN_API_KEY: adminApiKey,
      GEMINI_API_KEY: 'a-key-of-the-stand-in',
      GEMINI_BASE_URL: parts.gemini.url,
      HOST: '127.0.0.1',
      PORT: String(parts.port),
      OUTBOUND_PRIVATE_HOSTS: '127.0.0.1',
      COALESCE_MIN_MS: '0',
      COALESCE_MAX_MS: '0',
      SEND_PACING_MS: '0',
    };
  }

  /** @param folder for the logs and for Redis. */
  static async open(folder: string): Promise<DrillProduct> {
    const redis = await startLocalRedis(`${folder}/redis`);
    const caretaker = watchOver({ processes: redis.process.pid === undefined ? [] : [redis.process.pid] });
    const gateway = await WhaticketStandIn.start();
    const gemini = await GeminiStandIn.start();
    gemini.answers('Abrimos às 7h e fechamos às 20h, de segunda a sábado.', 0.9);
    return new DrillProduct({ redis, caretaker, gateway, gemini, logs: folder, port: await freePort() });
  }

  async startService(databaseUrl: string): Promise<void> {
    await this.#start('src/main.ts', { ...this.#environment, DATABASE_URL: databaseUrl });
  }

  async startWorker(databaseUrl: string): Promise<Program> {
    const port = String(await freePort());
    return await this.#start('workers/main.ts', { ...this.#environment, DATABASE_URL: databaseUrl, PORT: port });
  }

  /** Ends what runs on the database that is about to go. */
  async killAll(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    this.#programs = [];
    for (const caretaker of this.#caretakers) caretaker.dismiss();
    this.#caretakers = [];
  }

  /** A company with a channel and an article, made by the API as people make it. Needs a worker. */
  async makeCompany(): Promise<{ tenantId: string; channelId: string }> {
    const { id: tenantId } = await this.#make('/api/v1/tenants', { slug: 'padaria', name: 'Padaria da Vila' });
    const [secret, token] = [randomBytes(24).toString('hex'), randomBytes(16).toString('hex')];
    const { id: channelId } = await this.#make(`/api/v1/tenants/${tenantId}/channels`, {
      name: 'Principal',
      kind: 'whaticket',
      gateway: { profile: 'launcherbr', baseUrl: this.#gateway.url, token },
      webhook: { auth: 'hmac', secrets: [secret] },
      onUnknown: 'hand-over',
    });
    this.#connection = this.#gateway.addConnection({
      name: 'padaria',
      profile: 'launcherbr',
      token,
      webhook: { url: `${this.#url}/webhooks/whaticket/${channelId}`, shape: 'W1', auth: { kind: 'hmac', secret } },
      echoes: false,
    });
    const documents = `/api/v1/tenants/${tenantId}/knowledge/documents`;
    const { id } = await this.#make(documents, ARTICLE);
    await until(
      async () => Document.parse(await this.#api('GET', `${documents}/${id}`)).state === 'ready',
      INDEX_WITHIN_MS,
    );
    return { tenantId, channelId };
  }

  /** Somebody asks, and the webhook must be taken. */
  async writes(name: string, phone: string): Promise<void> {
    const answer = await this.#connection?.customerWrites({ phone, name, text: 'Que horas vocês abrem?' });
    if (answer?.status !== 200) throw new Error(`${name} wrote, and was answered ${String(answer?.status)}`);
  }

  /** How many messages have reached this phone. */
  heard(phone: string): number {
    return this.#gateway.sent.filter((message) => message.phone === phone).length;
  }

  async untilHeard(phone: string): Promise<void> {
    await until(() => this.heard(phone) > 0, ANSWER_WITHIN_MS);
  }

  async close(): Promise<void> {
    await this.killAll();
    await this.#gateway.close();
    await this.#gemini.close();
    await this.redis.stop();
    this.#caretaker.dismiss();
  }

  async #start(file: string, environment: Readonly<Record<string, string>>): Promise<Program> {
    this.#started += 1;
    const program = new Program({ name: `product-${this.#started}`, file, environment, logs: this.#logs });
    this.#programs.push(program);
    this.#caretakers.push(watchOver({ processes: [program.pid] }));
    await until(async () => {
      if (!program.isRunning) throw new Error(`${file} ended while it was starting: ${program.lastWords}`);
      return await isReady(`http://127.0.0.1:${environment.PORT ?? ''}`);
    }, START_WITHIN_MS);
    return program;
  }

  async #make(path: string, body: unknown): Promise<{ id: string }> {
    return WithId.parse(await this.#api('POST', path, body));
  }
}
