import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { Pool } from 'pg';
import { freePort } from '../../../local/ports.ts';
import { pause, systemClock } from '../../../src/platform/time.ts';
import type { Received, Takeover } from '../history.ts';
import { KeptProcess } from '../kept-process.ts';
import {
  CHANNELS,
  connectChannel,
  ModelAddress,
  newSecrets,
  OpenGateway,
  openOwnPool,
  providerIdOf,
  TENANTS,
} from '../pipeline.ts';
import type { Mailbox, Pipeline, PipelineParts, Told } from '../pipeline.ts';
import { readNaive } from './read-naive.ts';

const TABLES = [
  'create table contact (channel text, phone text, human_at timestamptz, primary key (channel, phone))',
  `create table message (id text primary key, channel text not null, phone text not null, text text not null,
     received_at timestamptz not null default now(), settled text, settled_at timestamptz)`,
];
const TAKEOVER_ATTEMPTS_MAX = 40;
const TAKEOVER_RETRY_MS = 250;

/** A job for each message, answered and sent in the job: what the product is compared with, under the same faults. */
export class Naive implements Pipeline {
  readonly mailboxes: ReadonlyMap<string, Mailbox>;
  readonly service: KeptProcess;
  readonly workers: readonly KeptProcess[];
  readonly #db: Pool;
  readonly #queue: Queue;
  readonly #redis: Redis;
  readonly #url: string;

  private constructor(parts: {
    mailboxes: ReadonlyMap<string, Mailbox>;
    service: KeptProcess;
    workers: readonly KeptProcess[];
    db: Pool;
    redis: Redis;
    url: string;
  }) {
    this.mailboxes = parts.mailboxes;
    this.service = parts.service;
    this.workers = parts.workers;
    this.#db = parts.db;
    this.#redis = parts.redis;
    this.#queue = new Queue('answer', { connection: parts.redis });
    this.#queue.on('error', () => undefined);
    this.#url = parts.url;
  }

  static async start({ servers, standIns, workers: count }: PipelineParts): Promise<Naive> {
    const databaseUrl = await createTables(servers.databaseUrl);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { url: model } = await standIns.ask('model', {}, ModelAddress);
    const { channels, mailboxes } = await connectChannels(standIns, url);
    const environment = {
      DATABASE_URL: databaseUrl,
      REDIS_URL: servers.redisUrl,
      MODEL_URL: model,
      CHANNELS: JSON.stringify(channels),
    };
    const keep = (name: string, file: string, ownPort: number): KeptProcess =>
      new KeptProcess({
        name,
        file,
        logs: servers.folder,
        environment: { ...environment, MODEL_KEY: name, PORT: String(ownPort) },
      });
    const service = keep('naive-service', 'test/chaos/naive/service.ts', port);
    const workers: KeptProcess[] = [];
    for (let number = 1; number <= count; number += 1) {
      workers.push(keep(`naive-worker-${number}`, 'test/chaos/naive/worker.ts', await freePort()));
    }
    const db = openOwnPool(databaseUrl);
    const redis = new Redis(servers.redisUrl, { maxRetriesPerRequest: 1, commandTimeout: 2_000 });
    redis.on('error', () => undefined);
    const naive = new Naive({ mailboxes, service, workers, db, redis, url });
    try {
      await Promise.all([service, ...workers].map((it) => it.untilReady()));
    } catch (error) {
      await naive.close();
      throw error;
    }
    return naive;
  }

  async takeOver(questionId: string): Promise<Takeover | undefined> {
    for (let attempt = 1; attempt <= TAKEOVER_ATTEMPTS_MAX; attempt += 1) {
      const place = await this.#tryTakeover(questionId).catch(() => undefined);
      if (place !== undefined) {
        const confirmedAt = systemClock.now().getTime();
        return { conversationId: place, epoch: 1, confirmedAt, stillSending: undefined };
      }
      await pause(TAKEOVER_RETRY_MS);
    }
    return undefined;
  }

  async isQuiet(): Promise<boolean> {
    try {
      return (await this.#queue.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized')) === 0;
    } catch {
      return false;
    }
  }

  async tell(received: readonly Received[]): Promise<Told> {
    return await readNaive(this.#db, received);
  }

  async close(): Promise<void> {
    await Promise.all([this.service, ...this.workers].map((it) => it.stop()));
    this.#redis.disconnect();
    await this.#db.end();
  }

  async #tryTakeover(questionId: string): Promise<string | undefined> {
    const id = providerIdOf(questionId);
    const response = await fetch(`${this.#url}/takeover/${id}`, { method: 'POST', signal: AbortSignal.timeout(5_000) });
    if (!response.ok) return undefined;
    const { rows } = await this.#db.query<{ place: string }>(
      `select channel || ' ' || phone as place from message where id = $1`,
      [id],
    );
    return rows[0]?.place;
  }
}

async function createTables(serverUrl: string): Promise<string> {
  const server = new Client({ connectionString: serverUrl });
  await server.connect();
  await server.query('create database naive');
  await server.end();
  const url = new URL(serverUrl);
  url.pathname = '/naive';
  const client = new Client({ connectionString: url.href });
  await client.connect();
  for (const table of TABLES) await client.query(table);
  await client.end();
  return url.href;
}

async function connectChannels(standIns: PipelineParts['standIns'], url: string) {
  const channels: Record<string, { secret: string; token: string; gateway: string }> = {};
  const mailboxes = new Map<string, Mailbox>();
  for (const tenant of TENANTS) {
    const { url: gateway } = await standIns.ask('gateway', { tenant }, OpenGateway);
    for (const channel of CHANNELS.filter((it) => it.tenant === tenant)) {
      const { name } = channel;
      const secrets = newSecrets();
      channels[name] = { ...secrets, gateway };
      mailboxes.set(name, await connectChannel(standIns, channel, { ...secrets, url: `${url}/webhooks/${name}` }));
    }
  }
  return { channels, mailboxes };
}
