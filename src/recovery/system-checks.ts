import { statfs } from 'node:fs/promises';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import pLimit from 'p-limit';
import type { Check, CheckResult } from '../platform/deep-check.ts';
import type { RedisConnection } from '../platform/redis.ts';
import { monotonicMs, systemClock } from '../platform/time.ts';
import type { Channel } from '../tenants/tenants.ts';
import type { Sealing } from '../tenants/master-key.ts';
import { ChannelId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { BASE_BACKUP_HOURS_MAX, VERIFIED_HOURS_MAX } from './backup-age.ts';
import type { GatewayWatch } from './gateway-watch.ts';

/** What the checks of an installation need from the rest of the system, and nothing more. */
export interface SystemChecksNeeds {
  readonly db: Kysely<Schema>;
  readonly redis: RedisConnection;
  readonly findChannel: (id: ChannelId) => Promise<Channel | undefined>;
  readonly gateways: GatewayWatch;
  readonly inspectSealing: () => Promise<Sealing>;
  /** The names of migrations that this release has and the database has not. */
  readonly pendingMigrations: () => Promise<readonly string[]>;
  /** Asks the model's provider about the key; undefined where this process has none. */
  readonly model: ((signal: AbortSignal) => Promise<Omit<CheckResult, 'name'>>) | undefined;
}

/** A report names no more channels than this; who has more looks at each by its own address. */
const CHANNELS_MAX = 100;
const CHANNELS_AT_ONCE = 8;
/** One that is silent takes five seconds, and the whole report has eight. */
const GATEWAYS_BEGUN_WITHIN_MS = 2_500;
const CONNECTIONS_USED_MAX = 0.8;
const CLOCK_SKEW_MS_MAX = 2_000;
const MEMORY_USED_MAX = 0.9;
const DISK_FREE_MIN = 0.1;
/** The watchdog has found and repaired by then, so something is wrong; after the second, also with the watchdog. */
const WAIT_WARNING_SECONDS = 90;
const WAIT_FAILED_SECONDS = 300;

/** Everything that an installation rests on, each with a question of its own. */
export function systemChecks(needs: SystemChecksNeeds): readonly Check[] {
  const { db, model } = needs;
  return [
    { name: 'database', run: () => checkDatabase(db) },
    { name: 'migrations', run: () => checkMigrations(needs) },
    { name: 'master-key', run: () => checkMasterKey(needs) },
    { name: 'clock', run: () => checkClock(db) },
    { name: 'redis', run: () => checkRedis(needs.redis) },
    { name: 'backlog', run: () => checkBacklog(db) },
    { name: 'backup', run: () => checkBackup(db) },
    { name: 'disk', run: checkDisk },
    {
      name: 'model',
      run: (signal) =>
        model?.(signal) ??
        Promise.resolve({ state: 'skipped', detail: 'the service has no GEMINI_API_KEY to ask with' }),
    },
    { name: 'gateways', run: (signal) => checkGateways(needs, signal) },
  ];
}

type Result = Omit<CheckResult, 'name'>;

async function checkDatabase(db: Kysely<Schema>): Promise<Result> {
  const { rows } = await sql<{ version: string; used: number; max: number }>`
    select current_setting('server_version') as version, current_setting('max_connections')::int as max,
           (select coalesce(sum(numbackends), 0)::int from pg_stat_database) as used`.execute(db);
  const { version = '?', used = 0, max = 1 } = rows[0] ?? {};
  const detail = `PostgreSQL ${version}, ${used} of ${max} connections`;
  return { state: used / max > CONNECTIONS_USED_MAX ? 'warning' : 'ok', detail };
}

async function checkMigrations({ pendingMigrations }: SystemChecksNeeds): Promise<Result> {
  const [first, ...more] = await pendingMigrations();
  return first === undefined
    ? { state: 'ok', detail: 'current' }
    : { state: 'failed', detail: `${more.length + 1} to run, first ${first}` };
}

async function checkMasterKey({ inspectSealing }: SystemChecksNeeds): Promise<Result> {
  const { pending, unreadable } = await inspectSealing();
  if (unreadable.length > 0) return { state: 'failed', detail: `does not open ${unreadable.length} tenants` };
  if (pending > 0) return { state: 'warning', detail: `${pending} tenants are sealed with the previous one` };
  return { state: 'ok', detail: 'opens every tenant' };
}

/** The time of the answer lies between question and answer, so half of the way is the best guess. */
async function checkClock(db: Kysely<Schema>): Promise<Result> {
  const askedAt = systemClock.now().getTime();
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  const middle = (askedAt + systemClock.now().getTime()) / 2;
  const skewMs = Math.round(middle - (rows[0]?.now.getTime() ?? Number.NaN));
  const isClose = Math.abs(skewMs) <= CLOCK_SKEW_MS_MAX;
  return { state: isClose ? 'ok' : 'warning', detail: `${skewMs} ms from the database’s` };
}

/** Redis may be away without anybody noticing, so the worst that it can be is a warning. */
async function checkRedis(redis: RedisConnection): Promise<Result> {
  const said = await redis.info().catch(() => undefined);
  if (said === undefined) return { state: 'warning', detail: 'does not answer; everything works without it' };
  const field = (name: string): string => new RegExp(`^${name}:(\\S+)`, 'm').exec(said)?.[1] ?? '?';
  const [used, max] = [Number(field('used_memory')), Number(field('maxmemory'))];
  const policy = field('maxmemory_policy');
  const isFull = max > 0 && used / max > MEMORY_USED_MAX;
  const aof = field('aof_enabled') === '1' ? 'on' : 'off';
  const size = `${Math.round(used / 1_048_576)} MiB of ${max > 0 ? `${Math.round(max / 1_048_576)} MiB` : 'no limit'}`;
  return {
    state: isFull || (policy !== 'noeviction' && policy !== '?') ? 'warning' : 'ok',
    detail: `${field('redis_version')}, ${size}, policy ${policy}, append-only file ${aof}`,
  };
}

async function checkBacklog(db: Kysely<Schema>): Promise<Result> {
  const { rows } = await sql<{ waiting: number; oldest: number | null }>`
    select count(*)::int as waiting, extract(epoch from clock_timestamp() - min(m.received_at))::float8 as oldest
      from message m join conversation c on c.id = m.conversation_id
     where m.author = 'customer' and m.settled_at is null and c.owner <> 'human'`.execute(db);
  const { waiting = 0, oldest } = rows[0] ?? {};
  const seconds = Math.round(oldest ?? 0);
  const state = seconds > WAIT_FAILED_SECONDS ? 'failed' : seconds > WAIT_WARNING_SECONDS ? 'warning' : 'ok';
  return { state, detail: `${waiting} messages wait, the oldest for ${seconds} s` };
}

async function checkBackup(db: Kysely<Schema>): Promise<Result> {
  const { rows } = await sql<{ kind: string; hours: number }>`
    select kind, extract(epoch from clock_timestamp() - succeeded_at)::float8 / 3600 as hours from backup_record
     where kind in ('base', 'verify')`.execute(db);
  const hoursOf = (kind: string): number | undefined => rows.find((row) => row.kind === kind)?.hours;
  const [base, verified] = [hoursOf('base'), hoursOf('verify')];
  if (base === undefined) return { state: 'skipped', detail: 'npm run backup has recorded none here' };
  const isOld = base > BASE_BACKUP_HOURS_MAX || (verified ?? Infinity) > VERIFIED_HOURS_MAX;
  const proof =
    verified === undefined ? 'never restored for proof' : `restored for proof ${Math.round(verified)} h ago`;
  return { state: isOld ? 'warning' : 'ok', detail: `the last one ${Math.round(base)} h ago, ${proof}` };
}

/** The disk of this process. That of PostgreSQL is seen only from where it runs. */
async function checkDisk(): Promise<Result> {
  const { bavail, blocks } = await statfs('.');
  const free = blocks === 0 ? 1 : bavail / blocks;
  return { state: free < DISK_FREE_MIN ? 'warning' : 'ok', detail: `${Math.round(free * 100)} % free` };
}

/** One phone that is off, or a gateway that is silent, is its tenant's trouble, and no reason to call the installation ill. */
async function checkGateways(
  { db, findChannel, gateways }: SystemChecksNeeds,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const giveUpAt = monotonicMs() + GATEWAYS_BEGUN_WITHIN_MS;
  const rows = await db
    .selectFrom('channel')
    .select('id')
    .orderBy('id')
    .limit(CHANNELS_MAX + 1)
    .execute();
  const limit = pLimit(CHANNELS_AT_ONCE);
  const asked = rows.slice(0, CHANNELS_MAX).map(({ id }) =>
    limit(async (): Promise<readonly CheckResult[]> => {
      const name = `gateway of channel ${id}`;
      if (signal.aborted || monotonicMs() > giveUpAt) {
        return [{ name, state: 'skipped', detail: 'others were slow, so it was not asked in time' }];
      }
      const channel = await findChannel(ChannelId.parse(id));
      return channel === undefined ? [] : [{ name, ...(await gateways.healthOf(channel)) }];
    }),
  );
  const found = (await Promise.all(asked)).flat();
  const more: CheckResult = { name: 'gateways', state: 'skipped', detail: `only the first ${CHANNELS_MAX} were asked` };
  return rows.length > CHANNELS_MAX ? [...found, more] : found;
}
