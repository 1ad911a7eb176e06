import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { startEmbeddedPostgres } from '../../local/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../../local/embedded-postgres.ts';
import { findRedisServer, startLocalRedis } from '../../local/local-redis.ts';
import { runMigrations } from '../../local/run-migrations.ts';
import { signalTree } from './process-tree.ts';

/** A PostgreSQL and a Redis that nobody else uses, and that can be killed, frozen and started again. */
export class Servers {
  readonly folder: string;
  readonly redisUrl: string;
  #postgres: EmbeddedPostgres;
  readonly #redisBinary: string;
  #redis: ChildProcess;

  private constructor(parts: {
    folder: string;
    postgres: EmbeddedPostgres;
    redis: { url: string; process: ChildProcess };
    redisBinary: string;
  }) {
    this.folder = parts.folder;
    this.#postgres = parts.postgres;
    this.redisUrl = parts.redis.url;
    this.#redisBinary = parts.redisBinary;
    this.#redis = parts.redis.process;
  }

  /** @throws when there is no Redis server: the JavaScript one keeps nothing over a restart. */
  static async start(): Promise<Servers> {
    const redisBinary = findRedisServer();
    if (redisBinary === undefined) throw new Error('There is no redis-server or valkey-server on PATH');
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-chaos-'));
    // As root PostgreSQL runs as another user, who has to pass through here.
    fs.chmodSync(folder, 0o755);
    const postgres = await startEmbeddedPostgres({ directory: path.join(folder, 'postgres') });
    try {
      await runMigrations(postgres.url);
      const redis = await startLocalRedis(path.join(folder, 'redis'));
      return new Servers({ folder, postgres, redis, redisBinary });
    } catch (error) {
      await postgres.stop();
      fs.rmSync(postgres.directory, { recursive: true, force: true });
      fs.rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get databaseUrl(): string {
    return this.#postgres.url;
  }

  /** `pg_ctl restart -m immediate`: every backend ends where it is, and the start recovers from the log. */
  async restartPostgres(): Promise<void> {
    const { process: server, directory, url } = this.#postgres;
    const gone = once(server, 'exit');
    server.kill('SIGQUIT');
    await gone;
    this.#postgres = await startEmbeddedPostgres({ directory, port: Number(new URL(url).port) });
  }

  /** Everything of it stands still: connections stand and nothing answers. */
  freezePostgres(): void {
    signalTree(this.#postgres.process.pid, 'SIGSTOP');
  }

  thawPostgres(): void {
    signalTree(this.#postgres.process.pid, 'SIGCONT');
  }

  async flushRedis(): Promise<void> {
    const redis = new Redis(this.redisUrl, { maxRetriesPerRequest: 1 });
    try {
      await redis.flushall();
    } finally {
      redis.disconnect();
    }
  }

  async killRedis(): Promise<void> {
    const gone = once(this.#redis, 'exit');
    this.#redis.kill('SIGKILL');
    await gone;
  }

  /** On the same port, with the same password and what its append-only file still has. */
  startRedis(): void {
    const config = path.join(this.folder, 'redis', 'redis.conf');
    this.#redis = spawn(this.#redisBinary, [config], { stdio: 'ignore', detached: true });
  }

  freezeRedis(): void {
    this.#redis.kill('SIGSTOP');
  }

  thawRedis(): void {
    this.#redis.kill('SIGCONT');
  }

  /** Ends both. What they kept goes; the folder itself, with the logs, stays if it is still needed. */
  async close({ keepsFolder }: { keepsFolder: boolean }): Promise<void> {
    this.thawPostgres();
    this.thawRedis();
    if (this.#redis.exitCode === null && this.#redis.signalCode === null) await this.killRedis();
    await this.#postgres.stop();
    fs.rmSync(this.#postgres.directory, { recursive: true, force: true });
    if (!keepsFolder) fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
