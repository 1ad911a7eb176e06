import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import path from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { z } from 'zod';
import { signatureOf } from '../../sandbox/whaticket/webhook-signing.ts';
import type { Connection } from '../../sandbox/whaticket/connection.ts';
import { pause } from '../../src/platform/time.ts';
import { read } from '../drift/project.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { metric } from '../support/metrics.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { runProgram } from '../support/run-program.ts';
import { SecretFiles } from '../support/secret-files.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { Town } from '../support/town.ts';
import { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

const MESSAGES_PER_SECOND = 10;
/** More than a pool has, so that new ones are opened. */
const CALLS_AT_ONCE = 12;
const SETTLED_WITHIN_MS = 30_000;
/** What the API promises about new credentials, and the grace of the one query that reads them. */
const FOLLOWED_WITHIN_MS = 5_500;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/*
 * Service and worker are processes that read every secret from a file, and nobody restarts them. Customers go on writing
 * while a secret is changed, and each of their messages is taken, answered once and in order.
 */

let town: Town;
let bakery: TownTenant;
let service: NodeProcess;
let worker: NodeProcess;
let files: SecretFiles;
let secret: string;
let rush: Rush | undefined;
const role = `plantao_${randomBytes(6).toString('hex')}`;
const oldMaster = randomBytes(32).toString('base64');

beforeAll(async () => {
  files = new SecretFiles();
  town = await Town.start({ worker: false, environment: { MASTER_KEY: oldMaster } });
  await sql.raw(`create role ${role} login superuser password 'primeira'`).execute(town.database.db);
  const environment = {
    ...town.environment,
    ...files.environment({
      DATABASE_URL: databaseUrl('primeira'),
      MASTER_KEY: oldMaster,
      MASTER_KEY_PREVIOUS: '',
      ADMIN_API_KEY: town.environment.ADMIN_API_KEY ?? '',
      GEMINI_API_KEY: town.environment.GEMINI_API_KEY ?? '',
    }),
  };
  [service, worker] = await Promise.all([startServiceProcess(environment), WorkerProcess.start(environment)]);
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  secret = bakery.secret;
}, 30_000);

afterEach(async () => {
  await rush?.stop();
});

afterAll(async () => {
  await Promise.all([service.kill(), worker.kill()]);
  // The role's tables go with the database, and who is still connected as it goes first.
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`.execute(town.database.db);
  await sql.raw(`drop role ${role}`).execute(town.database.db);
  await town.close();
  files.remove();
});

function databaseUrl(password: string): string {
  const url = new URL(town.database.url);
  url.username = role;
  url.password = password;
  return url.href;
}

/** Customers who write at a constant pace, whether or not those before them have been answered. */
class Rush {
  readonly accepted: string[] = [];
  readonly failures: string[] = [];
  #isOver = false;
  readonly #running: Promise<void>;

  constructor() {
    this.#running = this.#run();
  }

  /** Waits until so many more have written, so that what was changed meets traffic. */
  async goesOn(messages = MESSAGES_PER_SECOND): Promise<void> {
    const enough = this.accepted.length + messages;
    await until(() => this.accepted.length >= enough || this.failures.length > 0);
  }

  /** Safe to repeat. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async end(): Promise<void> {
    await this.stop();
    expect(this.failures).toEqual([]);
    const history = { environment: town.environment, sent: () => sentByNow() };
    await expectCleanHistory(history, { accepted: this.accepted, withinMs: SETTLED_WITHIN_MS });
  }

  async #run(): Promise<void> {
    const underWay: Promise<void>[] = [];
    while (!this.#isOver) {
      underWay.push(this.#write());
      await pause(1_000 / MESSAGES_PER_SECOND);
    }
    await Promise.all(underWay);
  }

  async #write(): Promise<void> {
    const { id, status } = await write(secret).catch((error: unknown) => ({ id: '', status: String(error) }));
    if (status === 200) this.accepted.push(id);
    else this.failures.push(`status ${status}`);
  }
}

let written = 0;

/** Somebody new asks for the price, with a webhook that is signed with this secret. */
async function write(signedWith: string): Promise<{ id: string; status: number }> {
  written += 1;
  const id = `3EB0F${String(written).padStart(6, '0')}`;
  const body = JSON.stringify({
    key: { remoteJid: `55119${88_000_000 + written}@s.whatsapp.net`, fromMe: false, id },
    messageTimestamp: Math.floor(Date.now() / 1_000),
    pushName: `Cliente ${written}`,
    message: { conversation: 'Qual é a taxa de entrega?' },
  });
  const { status } = await fetch(`${service.url}/webhooks/whaticket/${bakery.channelId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-webhook-signature': signatureOf(signedWith, body) },
    body,
  });
  return { id, status };
}

/** What has reached the phones, under whichever token. */
function sentByNow() {
  return town.sent().map((message) => ({ ...message, token: 'any' }));
}

async function rotate(change: object): Promise<void> {
  const { status } = await bakery.api('PATCH', `/channels/${bakery.channelId}`, { body: change });
  expect(status).toBe(200);
}

async function callsAtOnce(path: string): Promise<readonly unknown[]> {
  const headers = { authorization: `Bearer ${town.environment.ADMIN_API_KEY ?? ''}` };
  const url = `${service.url}/api/v1/tenants/${bakery.id}${path}`;
  const answers = await Promise.all(Array.from({ length: CALLS_AT_ONCE }, () => fetch(url, { headers })));
  return await Promise.all(answers.map(async (answer) => (answer.ok ? answer.status : await answer.text())));
}

describe('while customers write, and no process is restarted,', () => {
  it('the secret of a webhook is changed: both count, then the new one alone', async () => {
    rush = new Rush();
    const [before, after] = [secret, randomBytes(24).toString('hex')];

    await rotate({ webhook: { secrets: [after, before] } });
    await until(async () => (await write(after)).status === 200);
    secret = after;
    await rush.goesOn();
    await rotate({ webhook: { secrets: [after] } });
    await until(async () => (await write(before)).status === 401);
    await rush.goesOn();

    await rush.end();
  }, 40_000);

  it('the token of a gateway is changed, first here and then there: everything is said', async () => {
    rush = new Rush();
    const after = randomBytes(16).toString('hex');

    await rotate({ gateway: { token: after } });
    const rotatedAt = performance.now();
    await until(() => performance.now() - rotatedAt > FOLLOWED_WITHIN_MS);
    replaceTokenAtGateway(bakery.connection, after);
    const sentBefore = town.sent().length;
    await until(() => town.sent().length > sentBefore + MESSAGES_PER_SECOND);

    await rush.end();
    expect(await bakery.deadLetters()).toEqual([]);
  }, 40_000);

  it('the password of the database is changed, first in the file and then in the role', async () => {
    rush = new Rush();

    files.write('DATABASE_URL', databaseUrl('segunda'));
    // Each of these wants a connection at the same moment, so new ones are opened: the role still has the first password.
    expect(new Set(await callsAtOnce('/conversations'))).toEqual(new Set([200]));
    await rush.goesOn();
    await sql.raw(`alter role ${role} password 'segunda'`).execute(town.database.db);
    const changedAt = await databaseTime();
    await cutIdleConnectionsOfTheApi();
    expect(new Set(await callsAtOnce('/conversations'))).toEqual(new Set([200]));
    expect(await connectionsSince(changedAt)).toBeGreaterThan(0);
    await rush.goesOn();

    await rush.end();
  }, 40_000);

  it('the master key is changed: every key of a tenant is sealed anew, and the old one is of no use', async () => {
    const newMaster = randomBytes(32).toString('base64');
    rush = new Rush();

    // Sealed under the old key by somebody else, and not met by the service before it has the new one.
    const unmet = await newTenant(town.url);
    files.write('MASTER_KEY_PREVIOUS', oldMaster);
    files.write('MASTER_KEY', newMaster);
    expect(await channelIn(service, unmet)).toBe(200);
    const keys = { MASTER_KEY: newMaster, MASTER_KEY_PREVIOUS: oldMaster };
    const plan = await runRotate(['master-key', '--plan'], keys);
    const done = await runRotate(['master-key'], keys);
    const again = await runRotate(['master-key'], keys);
    // A tenant that no process has met yet: its key has to be opened.
    const other = await newTenant(service.url);
    expect(await channelIn(service, other)).toBe(200);
    files.write('MASTER_KEY_PREVIOUS', '');
    await rush.goesOn();
    const fresh = await startServiceProcess({
      ...town.environment,
      DATABASE_URL: databaseUrl('segunda'),
      MASTER_KEY: newMaster,
    });
    const statuses = [await channelIn(fresh, bakery.id), await channelIn(fresh, other)];
    await fresh.kill();

    await rush.end();
    expect(plan).toEqual({ code: 0, said: expect.stringContaining('0 under MASTER_KEY, 2 under MASTER_KEY_PREVIOUS') });
    expect(done).toEqual({ code: 0, said: expect.stringMatching(/^2 sealed anew\.[^]*may be removed\./) });
    expect(again).toEqual({ code: 0, said: expect.stringMatching(/^0 sealed anew\./) });
    expect(statuses).toEqual([200, 200]);
  }, 40_000);

  it('the key of the model is changed: the next question is asked with the new one, and answered by the model', async () => {
    rush = new Rush();
    const after = 'another-key-of-the-stand-in';

    files.write('GEMINI_API_KEY', after);
    await until(() => town.gemini.requests.at(-1)?.headers['x-goog-api-key'] === after);
    town.gemini.acceptOnly(after);
    const asked = town.gemini.requests.length;
    await rush.goesOn();

    await rush.end();
    expect(new Set(town.gemini.requests.slice(asked).map(({ headers }) => headers['x-goog-api-key']))).toEqual(
      new Set([after]),
    );
    expect(await modelIn(service)).toEqual({ state: 'ok', detail: 'the key is good for gemini-3.5-flash-lite' });
  }, 40_000);

  // The last one: from here on the service is not the town's any more.
  it('the key of the platform is changed: the new one is good, and the old one is nobody’s', async () => {
    rush = new Rush();
    const [before, after] = [town.environment.ADMIN_API_KEY ?? '', randomBytes(24).toString('hex')];
    expect(await signIn(service, before)).toBe(200);

    files.write('ADMIN_API_KEY', after);
    // Asked with the old one, because those who fail too often are not listened to any more.
    await until(async () => (await signIn(service, before)) === 401);
    const status = await signIn(service, after);
    await rush.goesOn();

    await rush.end();
    expect(status).toBe(200);
  }, 40_000);
});

describe('runbooks/secret-rotation.md', () => {
  it('has commands that work as they stand', async () => {
    const blocks = [...read('runbooks/secret-rotation.md').matchAll(/^```sh\n([^]*?)^```$/gm)].map(
      ([, text = '']) => text,
    );
    // Those that change a role and a user of Redis are written for production's names; what they do is shown above.
    const own = blocks.filter((text) => !/psql|redis-cli/.test(text));
    const environment = {
      PATH: `${path.dirname(process.execPath)}:${process.env.PATH ?? ''}`,
      HOME: process.env.HOME ?? '',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      SERVICE_URL: town.url,
      ADMIN_API_KEY: town.environment.ADMIN_API_KEY ?? '',
      DATABASE_URL: town.database.url,
      MASTER_KEY: oldMaster,
      TENANT: bakery.id,
      CHANNEL: bakery.channelId,
      NEW: randomBytes(24).toString('hex'),
      OLD: secret,
    };
    const failed: unknown[] = [];
    for (const text of own) {
      const { code, said } = await runProgram('bash', ['-c', `set -euo pipefail\n${text}`], { environment });
      // The town itself still has the old master key, with which the plan finds what it cannot open.
      if ((code !== 0 && !text.includes('rotate')) || said.includes('"status":4')) failed.push({ text, code, said });
    }

    expect(own.length).toBeGreaterThan(4);
    expect(failed).toEqual([]);
  }, 30_000);
});

/** What an administrator of the gateway does: from now on it knows the connection by this token alone. */
function replaceTokenAtGateway(connection: Connection, token: string): void {
  town.gateway.removeConnection(connection);
  const { name, profile, webhook, echoes } = connection;
  bakery = new TownTenant(town, {
    id: bakery.id,
    channelId: bakery.channelId,
    secret,
    connection: town.gateway.addConnection({ name, profile, webhook, echoes, token }),
  });
}

async function databaseTime(): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(town.database.db);
  return rows[0]?.now ?? new Date(Number.NaN);
}

/** Nobody asks the API meanwhile. A pool that has as many connections as it may would open none for a long time. */
async function cutIdleConnectionsOfTheApi(): Promise<void> {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
             where usename = ${role} and application_name = 'plantao-api' and state = 'idle'`.execute(town.database.db);
  await until(async () => (await metric(service.url, 'plantao_db_pool_connections{pool="api",state="total"}')) === 0);
}

async function connectionsSince(time: Date): Promise<number> {
  const { rows } = await sql<{ opened: number }>`
    select count(*)::int as opened from pg_stat_activity where usename = ${role} and backend_start > ${time}`.execute(
    town.database.db,
  );
  return rows[0]?.opened ?? 0;
}

async function newTenant(serviceUrl: string): Promise<string> {
  const headers = {
    authorization: `Bearer ${town.environment.ADMIN_API_KEY ?? ''}`,
    'content-type': 'application/json',
  };
  const body = JSON.stringify({ slug: `floricultura-${randomUUID().slice(0, 8)}`, name: 'Floricultura' });
  const response = await fetch(`${serviceUrl}/api/v1/tenants`, { method: 'POST', headers, body });
  return ((await response.json()) as { id: string }).id;
}

/** Whether the process can seal for this tenant. */
async function channelIn({ url }: NodeProcess, tenantId: string): Promise<number> {
  const { status } = await fetch(`${url}/api/v1/tenants/${tenantId}/channels`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${town.environment.ADMIN_API_KEY ?? ''}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      name: 'Outro',
      kind: 'whaticket',
      gateway: { profile: 'launcherbr', baseUrl: town.gateway.url, token: 'um-token' },
      webhook: { auth: 'hmac', secrets: [randomBytes(24).toString('hex')] },
    }),
  });
  return status === 201 ? 200 : status;
}

async function signIn({ url }: NodeProcess, key: string): Promise<number> {
  return (await fetch(`${url}/api/v1/tenants`, { headers: { authorization: `Bearer ${key}` } })).status;
}

/** What the deep check says of the model. */
async function modelIn({ url }: NodeProcess): Promise<unknown> {
  const headers = { authorization: `Bearer ${town.environment.ADMIN_API_KEY ?? ''}` };
  const Report = z.object({ checks: z.array(z.object({ name: z.string(), state: z.string(), detail: z.string() })) });
  const { checks } = Report.parse(await (await fetch(`${url}/api/v1/health`, { headers })).json());
  const found = checks.find(({ name }) => name === 'model');
  return found && { state: found.state, detail: found.detail };
}

async function runRotate(
  words: readonly string[],
  keys: Readonly<Record<string, string>>,
): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['src/tenants/rotate-command.ts', ...words], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, DATABASE_URL: town.database.url, ...keys },
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, said };
}
