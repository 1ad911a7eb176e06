import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../local/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../local/embedded-postgres.ts';
import { startLocalRedis } from '../local/local-redis.ts';
import type { LocalRedis } from '../local/local-redis.ts';
import { Program } from './program.ts';
import type { ProgramOptions } from './program.ts';

export interface GroundOptions {
  /** Where service and workers leave a processor profile when they end. */
  readonly profiles?: string | undefined;
}

/** What all sections stand on: a PostgreSQL that really writes, a Redis, a temporary folder, and every process started. */
export class Ground {
  readonly postgres: EmbeddedPostgres;
  readonly redis: LocalRedis;
  readonly logs: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly #options: GroundOptions;
  readonly #programs: Program[] = [];
  readonly #folder: string;

  private constructor(parts: {
    postgres: EmbeddedPostgres;
    redis: LocalRedis;
    folder: string;
    options: GroundOptions;
  }) {
    this.postgres = parts.postgres;
    this.redis = parts.redis;
    this.#folder = parts.folder;
    this.#options = parts.options;
    this.logs = parts.folder;
    this.environment = {
      REDIS_URL: parts.redis.url,
      MASTER_KEY: randomBytes(32).toString('base64'),
      ADMIN_API_KEY: randomBytes(24).toString('hex'),
      GEMINI_API_KEY: 'a-key-of-the-stand-in',
      HOST: '127.0.0.1',
      OUTBOUND_PRIVATE_HOSTS: '127.0.0.1',
      COALESCE_MIN_MS: '0',
      COALESCE_MAX_MS: '0',
      SEND_PACING_MS: '0',
    };
  }

  static async open(options: GroundOptions = {}): Promise<Ground> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-bench-'));
    // PostgreSQL may run as another user, who has to pass through here.
    fs.chmodSync(folder, 0o755);
    let postgres: EmbeddedPostgres | undefined;
    try {
      postgres = await startEmbeddedPostgres({ directory: path.join(folder, 'postgres') });
      const redis = await startLocalRedis(path.join(folder, 'redis'));
      return new Ground({ postgres, redis, folder, options });
    } catch (error) {
      await postgres?.stop();
      fs.rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  start({ isProduct = false, ...program }: Omit<ProgramOptions, 'logs'> & { isProduct?: boolean }): Program {
    const { profiles } = this.#options;
    const nodeFlags =
      isProduct && profiles !== undefined
        ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${program.name}.cpuprofile`]
        : [];
    const started = new Program({ ...program, logs: this.logs, nodeFlags });
    this.#programs.push(started);
    return started;
  }

  /** An empty database, and nothing left in Redis of the one before. */
  async createDatabase(name: string): Promise<string> {
    const redis = new Redis(this.redis.url);
    await redis.flushall();
    redis.disconnect();
    const client = new Client({ connectionString: this.postgres.url });
    await client.connect();
    try {
      await client.query(`create database ${client.escapeIdentifier(`bench_${name}`)}`);
    } finally {
      await client.end();
    }
    const url = new URL(this.postgres.url);
    url.pathname = `/bench_${name}`;
    return url.href;
  }

  async postgresVersion(): Promise<string> {
    const client = new Client({ connectionString: this.postgres.url });
    await client.connect();
    try {
      const { rows } = await client.query<{ server_version: string }>('show server_version');
      return rows[0]?.server_version ?? 'unknown';
    } finally {
      await client.end();
    }
  }

  /** Ends everything that was started and removes the folder. Safe to repeat. */
  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    await this.redis.stop();
    await this.postgres.stop();
    fs.rmSync(this.postgres.directory, { recursive: true, force: true });
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}
