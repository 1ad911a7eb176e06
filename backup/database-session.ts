import { Client } from 'pg';
import type { ClientConfig } from 'pg';

const CONNECT_MS_MAX = 10_000;
/** Some networks forget a connection that is silent for a few minutes. */
const KEEP_ALIVE_AFTER_MS = 10_000;

/** Runs `work` on one connection, and closes it. @param queryMsMax of each query. */
export async function withSession<Result>(
  where: string | ClientConfig,
  queryMsMax: number,
  work: (session: Client) => Promise<Result>,
): Promise<Result> {
  const client = await openSession(where, queryMsMax);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function openSession(where: string | ClientConfig, queryMsMax: number): Promise<Client> {
  const client = new Client({
    ...(typeof where === 'string' ? { connectionString: where } : where),
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: queryMsMax,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    application_name: 'plantao-backup',
  });
  client.on('error', () => {
    // Whoever asks next hears of it.
  });
  await client.connect();
  return client;
}

/**
 * Lets a session that holds a lock be idle for hours, and lets the server notice within half a minute that it is gone: until
 * then the lock is held by nobody.
 */
export async function keepSession(session: Client): Promise<void> {
  await session.query(
    `set idle_session_timeout = 0; set tcp_user_timeout = '25s';
     set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3`,
  );
}

/** One value of one row. */
export async function askOne(session: Client, query: string, values: readonly unknown[] = []): Promise<unknown> {
  const { rows } = await session.query<unknown[]>({ text: query, values: [...values], rowMode: 'array' });
  return rows[0]?.[0];
}

export interface ServerFacts {
  /** Such as 150014. */
  readonly version: number;
  readonly major: number;
  readonly systemIdentifier: string;
  readonly segmentBytes: number;
  readonly database: string;
  /** Who may do everything, by its name here. */
  readonly superuser: string;
  readonly now: Date;
}

export async function factsOf(session: Client): Promise<ServerFacts> {
  const { rows } = await session.query<Record<'version' | 'identifier' | 'bytes' | 'database' | 'superuser', string>>(
    `select current_setting('server_version_num') as version, current_database() as database,
            (select system_identifier from pg_control_system())::text as identifier,
            pg_size_bytes(current_setting('wal_segment_size'))::text as bytes,
            (select rolname from pg_roles where oid = 10) as superuser`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('The database says nothing about itself');
  const version = Number(row.version);
  return {
    version,
    major: Math.floor(version / 10_000),
    systemIdentifier: row.identifier,
    segmentBytes: Number(row.bytes),
    database: row.database,
    superuser: row.superuser,
    now: await timeOf(session),
  };
}

/** By the database's clock. */
export async function timeOf(session: Client): Promise<Date> {
  const now = await askOne(session, 'select clock_timestamp()');
  return now instanceof Date ? now : new Date(String(now));
}
