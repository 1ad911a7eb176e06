import { Cluster, Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { Gauge } from 'prom-client';
import type { Logger } from './logger.ts';
import { registry } from './metrics.ts';
import { measureRedisMemory } from './redis-metrics.ts';
import { parseRedisUrl, REDIS_URL_FORMS } from './redis-url.ts';
import type { RedisAddress } from './redis-url.ts';
import type { Secret } from './secret.ts';

/** A frozen Redis never answers: without a deadline of ours a command would wait for ever. */
const COMMAND_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_CAP_MS = 2_000;
const PING_EVERY_MS = 500;
const PING_TIMEOUT_MS = 300;
/** How full it is changes slowly: looked at with every tenth ping. */
const PINGS_A_LOOK = 10;

const redisUp = new Gauge({
  name: 'plantao_redis_up',
  help: '1 while Redis answers in time, 0 while we work without it.',
  registers: [registry],
});

/** A connection to one server, to whoever a sentinel calls the master, or to a cluster. */
export type RedisConnection = Redis | Cluster;

/**
 * Redis as a helper that may be missing: every command fails within half a second instead of waiting.
 *
 * Nothing that must not be lost is kept here, so a failed command is a slower way, never a lost message.
 */
export function createRedis(url: Secret, log: Logger): RedisConnection {
  return connect(
    url,
    {
      commandTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      enableAutoPipelining: true,
    },
    log,
  );
}

/** A connection for a BullMQ worker, whose blocking reads are meant to wait. */
export function createBlockingRedis(url: Secret, log: Logger): RedisConnection {
  return connect(url, { maxRetriesPerRequest: null }, log);
}

/** How commands wait, for their connection and for their answer. */
type Manner = Pick<
  RedisOptions,
  'commandTimeout' | 'enableOfflineQueue' | 'maxRetriesPerRequest' | 'enableAutoPipelining'
>;

function connect(url: Secret, manner: Manner, log: Logger): RedisConnection {
  const address = addressOf(url);
  if (address.kind === 'cluster') return listened(createCluster(address, manner), log);
  const options = { ...manner, ...reconnecting, ...wayTo(address) };
  return listened(new Redis({ ...options, retryStrategy: followingStrategy(url) }), log);
}

const reconnecting = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
  // A master that has become a replica takes nothing any more, and the line to it stands all the same.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

/**
 * The wait before each attempt to reconnect, which also goes to where the file says now, with the password of now.
 *
 * The client calls it as a method of its options, also in the copies that BullMQ makes of a connection; those have no other
 * place at which they ask anything of ours.
 */
function followingStrategy(url: Secret) {
  return function (this: RedisOptions, attempt: number): number {
    try {
      Object.assign(this, wayTo(addressOf(url)));
    } catch {
      // A CA file is being replaced: nobody catches what is thrown here, and the way of before may still do.
    }
    return Math.min(RECONNECT_CAP_MS, 100 * attempt);
  };
}

function wayTo({ kind, hosts, tls, ...address }: RedisAddress) {
  const { db, username, password } = address;
  const common = { db, username, password, tls };
  if (kind !== 'sentinel') return { ...common, ...hosts[0] };
  const sentinels = hosts.map(({ host, port }) => ({ host, port }));
  return {
    ...common,
    sentinels,
    name: address.masterName,
    sentinelPassword: address.sentinelPassword,
    sentinelTLS: tls,
    enableTLSForSentinelMode: tls !== undefined,
  };
}

/** The nodes that are named are asked for the others. Our keys of one queue share a hash tag; all others stand alone. */
function createCluster({ hosts, username, password, tls }: RedisAddress, manner: Manner): Cluster {
  const { enableOfflineQueue, enableAutoPipelining, ...each } = manner;
  return new Cluster([...hosts], {
    clusterRetryStrategy: (attempt) => Math.min(RECONNECT_CAP_MS, 100 * attempt),
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // Managed clusters answer with names whose certificates bear those names.
    ...(tls === undefined
      ? {}
      : {
          dnsLookup: (name: string, callback: (error: null, address: string) => void) => {
            callback(null, name);
          },
        }),
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    ...(enableAutoPipelining === undefined ? {} : { enableAutoPipelining }),
    redisOptions: { ...each, connectTimeout: CONNECT_TIMEOUT_MS, username, password, tls },
  });
}

function addressOf(url: Secret): RedisAddress {
  const address = parseRedisUrl(url.reveal());
  if (address === undefined) throw new Error(`The address of Redis ${REDIS_URL_FORMS}`);
  return address;
}

function listened<Connection extends RedisConnection>(redis: Connection, log: Logger): Connection {
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
  readonly #redis: RedisConnection;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #up = true;
  #pings = 0;
  #since = new Date(0);

  constructor(redis: RedisConnection, log: Logger, now: () => Date) {
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
    if (up && this.#pings++ % PINGS_A_LOOK === 0) void measureRedisMemory(this.#redis);
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
