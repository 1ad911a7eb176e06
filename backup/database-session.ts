import { Client } from 'pg';
import type { ClientConfig } from 'pg';

const CONNECT_MS_MAX = 10_000;

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
    application_name: 'plantao-backup',
  });
  client.on('error', () => {
    // Whoever asks next hears of it.
  });
  await client.connect();
  return client;
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
  const now = await askOne(session, 'select clock_timestamp()');
  const version = Number(row.version);
  return {
    version,
    major: Math.floor(version / 10_000),
    systemIdentifier: row.identifier,
    segmentBytes: Number(row.bytes),
    database: row.database,
    superuser: row.superuser,
    now: now instanceof Date ? now : new Date(String(now)),
  };
}
