import { readFileSync } from 'node:fs';
import { URLSearchParams } from 'node:url';

/** Where a Redis is, as `REDIS_URL` names it. */
export interface RedisAddress {
  /** `sentinel`: the hosts are sentinels, who know the master. `cluster`: the hosts are some of its nodes. */
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** What the sentinels call the master. */
  readonly masterName: string | undefined;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Of the sentinels themselves, where they want one. */
  readonly sentinelPassword: string | undefined;
  /** Undefined: in clear. */
  readonly tls: { readonly ca?: string; readonly servername?: string } | undefined;
}

export const REDIS_URL_FORMS =
  'must be redis://host, redis+sentinel://host,host/master or redis+cluster://host,host (rediss for TLS)';

const FORM =
  /^(?<scheme>rediss?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^:@/?]*)(?::(?<password>[^@/?]*))?@)?(?<hosts>[^/?#]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/;
const HOST = /^(?<host>\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(?<port>\d{1,5}))?$/;
const DATABASE = /^\d{1,4}$/;
const DEFAULT_PORTS = { single: 6379, sentinel: 26_379, cluster: 6379 };

/**
 * Reads a `REDIS_URL`: one address as everywhere, or several with commas for Sentinel and Cluster, which no URL has.
 *
 * @returns undefined when it is none of the forms.
 * @throws when `cafile` names a file that cannot be read.
 */
export function parseRedisUrl(url: string): RedisAddress | undefined {
  const { scheme, kind = 'single', user, password, hosts = '', path = '', query = '' } = FORM.exec(url)?.groups ?? {};
  if (scheme === undefined || !isKind(kind)) return undefined;
  const read = hosts.split(',').map((written) => hostIn(written, DEFAULT_PORTS[kind]));
  const known = read.filter((host) => host !== undefined);
  const parameters = new URLSearchParams(query);
  const place = placeIn(kind, path.split('/').slice(1), parameters);
  if (place === undefined || known.length !== read.length || (kind === 'single' && known.length > 1)) return undefined;
  return {
    kind,
    hosts: known,
    ...place,
    username: textOf(user),
    password: textOf(password),
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
    tls: scheme === 'rediss' ? tlsIn(parameters) : undefined,
  };
}

export function isRedisUrl(url: string): boolean {
  try {
    return parseRedisUrl(url) !== undefined;
  } catch {
    return false;
  }
}

function isKind(kind: string): kind is RedisAddress['kind'] {
  return kind in DEFAULT_PORTS;
}

function hostIn(written: string, defaultPort: number): { host: string; port: number } | undefined {
  const { host, port } = HOST.exec(written)?.groups ?? {};
  return host === undefined
    ? undefined
    : { host: host.replace(/^\[|\]$/g, ''), port: port === undefined ? defaultPort : Number(port) };
}

/** What stands behind the hosts: a database, or the name of a master and a database. A cluster has one database only. */
function placeIn(
  kind: RedisAddress['kind'],
  path: readonly string[],
  parameters: URLSearchParams,
): { masterName: string | undefined; db: number } | undefined {
  const [first = '', ...rest] = path;
  const [masterName, written, tooMuch] =
    kind === 'sentinel' ? [decoded(first), rest[0], rest[1]] : [undefined, first, rest[0]];
  const db = textOf(written) ?? parameters.get('db') ?? '0';
  if (tooMuch !== undefined || !DATABASE.test(db)) return undefined;
  if (kind === 'sentinel' && masterName === '') return undefined;
  if (kind === 'cluster' && db !== '0') return undefined;
  return { masterName, db: Number(db) };
}

function tlsIn(parameters: URLSearchParams): NonNullable<RedisAddress['tls']> {
  const [cafile, servername] = [parameters.get('cafile'), parameters.get('servername')];
  return {
    ...(cafile === null ? {} : { ca: readFileSync(cafile, 'utf8') }),
    ...(servername === null ? {} : { servername }),
  };
}

function textOf(written: string | undefined): string | undefined {
  return written === undefined || written === '' ? undefined : decoded(written);
}

/** A password with a bare percent sign is taken as it stands. */
function decoded(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}
