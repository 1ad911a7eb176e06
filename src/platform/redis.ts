import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { Gauge } from 'prom-client';
import type { Logger } from './logger.ts';
import { registry } from './metrics.ts';
import type { Secret } from './secret.ts';

/** A frozen Redis never answers: without a deadline of ours a command would wait for ever. */
const COMMAND_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_CAP_MS = 2_000;
const PING_EVERY_MS = 500;
const PING_TIMEOUT_MS = 300;

const redisUp = new Gauge({
  name: 'plantao_redis_up',
  help: '1 while Redis answers in time, 0 while we work without it.',
  registers: [registry],
});

/**
 * Redis as a helper that may be missing: every command fails within half a second instead of waiting.
 *
 * Nothing that must not be lost is kept here, so a failed command is a slower way, never a lost message.
 */
export function createRedis(url: Secret, log: Logger): Redis {
  return listened(
    new Redis(url.reveal(), {
      ...reconnecting,
      commandTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      enableAutoPipelining: true,
    }),
    log,
  );
}

/** A connection for a BullMQ worker, whose blocking reads are meant to wait. */
export function createBlockingRedis(url: Secret, log: Logger): Redis {
  return listened(new Redis(url.reveal(), { ...reconnecting, maxRetriesPerRequest: null }), log);
}

const reconnecting = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  retryStrategy: (attempt: number) => Math.min(RECONNECT_CAP_MS, 100 * attempt),
} satisfies RedisOptions;

function listened(redis: Redis, log: Logger): Redis {
  let told = false;
  redis.on('error', (error: Error) => {
    // The client reconnects by itself; one line when it starts failing is enough.
    if (!told) log.warn({ err: error }, 'Redis cannot be reached');
    told = true;
  });
  redis.on('ready', () => {
    told = false;
  });
  return redis;
}

/**
 * Knows whether Redis is worth asking.
 *
 * A dead server refuses at once, but a frozen one costs every caller a full timeout; after the first missed ping
 * callers take the other way without trying.
 */
export class RedisHealth {
  readonly #redis: Redis;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #up = true;
  #since = new Date(0);

  constructor(redis: Redis, log: Logger, now: () => Date) {
    this.#redis = redis;
    this.#log = log;
    this.#since = now();
    redisUp.set(1);
    this.#timer = setInterval(() => void this.#check(now), PING_EVERY_MS);
    this.#timer.unref();
  }

  /** Whether the last ping came back in time. */
  get isUp(): boolean {
    return this.#up && this.#redis.status === 'ready';
  }

  /** When this last changed. */
  get since(): Date {
    return this.#since;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #check(now: () => Date): Promise<void> {
    const up = await this.#answers();
    redisUp.set(up ? 1 : 0);
    if (up === this.#up) return;
    this.#up = up;
    this.#since = now();
    if (up) this.#log.info('Redis answers again');
    else this.#log.warn('Redis does not answer; working without it');
  }

  async #answers(): Promise<boolean> {
    if (this.#redis.status !== 'ready') return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, PING_TIMEOUT_MS, false);
    });
    const ping = this.#redis.ping().then(
      () => true,
      () => false,
    );
    try {
      return await Promise.race([ping, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
