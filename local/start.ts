import fs from 'node:fs';
import path from 'node:path';
import { DEMO_COMPANY } from '../sandbox/demo/company.ts';
import { pause } from '../src/platform/time.ts';
import { makeDemo } from './demo.ts';
import type { Demo } from './demo.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { startLocalRedis } from './local-redis.ts';
import { freePort, isTaken } from './ports.ts';
import { commandLineOf, isRunning } from './processes.ts';
import { runMigrations } from './run-migrations.ts';
import { openState } from './state.ts';
import { Supervisor } from './supervisor.ts';

/**
 * `npm start`: everything on one machine, with nothing else installed.
 *
 * Starts a database and a Redis unless it is told of others, runs the migrations, the service, a worker and the sandbox
 * with a demo company, and keeps them running until Ctrl-C.
 */
const ROOT = path.join(import.meta.dirname, '..');
const DATA = path.join(ROOT, '.plantao');
const READY_WITHIN_MS = 45_000;
/** Everything must be gone five seconds after Ctrl-C. */
const END_WITHIN_MS = 4_500;

const stops: (() => Promise<unknown>)[] = [];
let isEnding = false;

process.on('SIGINT', () => void end(0));
process.on('SIGTERM', () => void end(0));
process.on('SIGHUP', () => void end(0));

try {
  await start();
} catch (error) {
  process.stderr.write(`\nPlantão could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  await end(1);
}

async function start(): Promise<void> {
  fs.mkdirSync(DATA, { recursive: true });
  assertAlone();
  const state = openState(path.join(DATA, 'state.json'));
  const host = process.env.HOST ?? '0.0.0.0';
  const port = await wantedPort('PORT', 8080, host);
  const sandboxHost = process.env.HOST ?? '127.0.0.1';
  const sandboxPort = await sandboxPortFor(sandboxHost, port);
  const databaseUrl = await openDatabase();
  const redis = await openRedis();
  await runMigrations(databaseUrl.url);

  const gatewayPort = await freePort();
  const geminiPort = await freePort();
  const ownKey = process.env.GEMINI_API_KEY ?? '';
  // A process that is started again finds its modules compiled: a third of the time that a worker takes to come back.
  process.env.NODE_COMPILE_CACHE ??= path.join(DATA, 'compile-cache');
  const environment = {
    DATABASE_URL: databaseUrl.url,
    REDIS_URL: redis.url,
    MASTER_KEY: process.env.MASTER_KEY ?? state.masterKey,
    ADMIN_API_KEY: process.env.ADMIN_API_KEY ?? state.adminApiKey,
    HOST: host,
    OUTBOUND_PRIVATE_HOSTS: [process.env.OUTBOUND_PRIVATE_HOSTS, `127.0.0.1:${gatewayPort}`].filter(Boolean).join(','),
    ...(ownKey === '' ? { GEMINI_API_KEY: 'stand-in', GEMINI_BASE_URL: `http://127.0.0.1:${geminiPort}` } : {}),
  };
  writeEnvironment(environment, path.join(DATA, 'env'));
  const supervisor = new Supervisor({
    root: ROOT,
    logs: path.join(DATA, 'logs'),
    onEnd: (name, code) => {
      process.stderr.write(
        `${name} ended (${code ?? 'killed'}) and is started again; see ${relative(supervisor.logFile(name))}\n`,
      );
    },
  });
  stops.unshift(() => supervisor.stop());
  supervisor.start({ name: 'service', script: 'src/main.ts', environment: { ...environment, PORT: String(port) } });
  supervisor.start({
    name: 'worker',
    script: 'workers/main.ts',
    environment: { ...environment, HOST: '127.0.0.1', PORT: '0' },
  });

  const api = `http://127.0.0.1:${port}`;
  await untilReady(`${api}/readyz`, supervisor.logFile('service'));
  const demo = await makeDemo({
    api,
    adminApiKey: environment.ADMIN_API_KEY,
    databaseUrl: databaseUrl.url,
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    state,
  });
  supervisor.start({
    name: 'sandbox',
    script: 'sandbox/main.ts',
    environment: sandboxEnvironment(demo, { api, sandboxHost, sandboxPort, gatewayPort, geminiPort }),
  });
  await untilReady(`http://127.0.0.1:${sandboxPort}/phone`, supervisor.logFile('sandbox'));
  await demo.untilKnowledgeIsReady();
  print({
    'Phone page': `http://localhost:${sandboxPort}/phone`,
    API: `http://localhost:${port}/api/v1/openapi.json`,
    'API key': `${relative(path.join(DATA, 'state.json'))} (adminApiKey)`,
    Model: ownKey === '' ? 'the sandbox (set GEMINI_API_KEY for the real one)' : 'Gemini, with your key',
    Database: databaseUrl.description,
    Redis: redis.description,
    Logs: relative(path.join(DATA, 'logs')),
  });
}

/** For the commands that people run beside it, e.g. `node --env-file=.plantao/env …`. */
function writeEnvironment(environment: Readonly<Record<string, string>>, file: string): void {
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  fs.writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** Two of us would end each other's database. */
function assertAlone(): void {
  const lock = path.join(DATA, 'start.pid');
  if (fs.existsSync(lock)) {
    const pid = Number(fs.readFileSync(lock, 'utf8'));
    if (pid !== process.pid && isRunning(pid) && commandLineOf(pid).includes('local/start.ts')) {
      throw new Error(`it runs already in this folder (process ${pid}).`);
    }
  }
  fs.writeFileSync(lock, String(process.pid));
}

async function wantedPort(name: string, standard: number, host: string): Promise<number> {
  const text = process.env[name] ?? '';
  const port = text === '' ? standard : Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`${name} must be a port, 0 to 65535.`);
  if (port === 0) return await freePort();
  if (await isTaken(port, host))
    throw new Error(`port ${port} is in use. Set ${name} to another one, or to 0 for a free one.`);
  return port;
}

/** The phone page has no fixed address of its own: beside the API where that is free, else anywhere. */
async function sandboxPortFor(host: string, servicePort: number): Promise<number> {
  if (process.env.SANDBOX_PORT !== undefined) return await wantedPort('SANDBOX_PORT', 0, host);
  const next = servicePort + 1;
  return next <= 65_535 && !(await isTaken(next, host)) ? next : await freePort();
}

interface Opened {
  readonly url: string;
  readonly description: string;
}

async function openDatabase(): Promise<Opened> {
  const given = process.env.DATABASE_URL ?? '';
  if (given !== '') return { url: given, description: 'yours (DATABASE_URL)' };
  const postgres = await startEmbeddedPostgres({ directory: path.join(DATA, 'postgres') });
  stops.unshift(() => postgres.stop());
  postgres.process.once('exit', () => {
    if (!isEnding) void databaseEnded();
  });
  return { url: postgres.url, description: `PostgreSQL 18 from npm, in ${relative(postgres.directory)}` };
}

/** Without its database nothing can work, and its port and password are known to everybody: the whole starts anew. */
async function databaseEnded(): Promise<void> {
  process.stderr.write('The database ended. Plantão stops; start it again and it goes on where it was.\n');
  await end(1);
}

async function openRedis(): Promise<Opened> {
  const given = process.env.REDIS_URL ?? '';
  if (given !== '') return { url: given, description: 'yours (REDIS_URL)' };
  const redis = await startLocalRedis(path.join(DATA, 'redis'));
  stops.unshift(() => redis.stop());
  redis.process.once('exit', () => {
    if (!isEnding)
      process.stderr.write('Redis ended. The workers go on without it, more slowly, until the next start.\n');
  });
  return redis;
}

function sandboxEnvironment(
  demo: Demo,
  where: { api: string; sandboxHost: string; sandboxPort: number; gatewayPort: number; geminiPort: number },
): Readonly<Record<string, string>> {
  return {
    SANDBOX_HOST: where.sandboxHost,
    SANDBOX_PORT: String(where.sandboxPort),
    SANDBOX_GATEWAY_PORT: String(where.gatewayPort),
    SANDBOX_GEMINI_PORT: String(where.geminiPort),
    SANDBOX_GATEWAY_TOKEN: demo.gatewayToken,
    SANDBOX_WEBHOOK_URL: `${where.api}/webhooks/whaticket/${demo.channelId}`,
    SANDBOX_WEBHOOK_SECRET: demo.webhookSecret,
    SANDBOX_COMPANY: DEMO_COMPANY.name,
    SANDBOX_API_DOCS_URL: `${where.api}/api/v1/openapi.json`,
    SANDBOX_HISTORY_FILE: path.join(DATA, 'chats.json'),
  };
}

async function untilReady(url: string, log: string): Promise<void> {
  const giveUp = AbortSignal.timeout(READY_WITHIN_MS);
  while (!giveUp.aborted) {
    const isReady = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (isReady) return;
    await pause(50);
  }
  const tail = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n').slice(-5).join('\n') : '';
  throw new Error(`${url} did not become ready. The end of ${relative(log)}:\n${tail}`);
}

function print(rows: Readonly<Record<string, string>>): void {
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  const lines = Object.entries(rows).map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  process.stdout.write(`\nPlantão is on call.\n\n${lines.join('\n')}\n\nCtrl-C ends everything; the data stays.\n`);
}

function relative(file: string): string {
  const fromHere = path.relative(process.cwd(), file);
  return fromHere.startsWith('..') ? file : fromHere;
}

async function end(code: number): Promise<void> {
  // A second Ctrl-C means it.
  if (isEnding) process.exit(130);
  isEnding = true;
  setTimeout(() => process.exit(code), END_WITHIN_MS).unref();
  for (const stop of stops) await stop().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  process.exit(code);
}
