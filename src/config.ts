import { isIP } from 'node:net';
import fs from 'node:fs';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { isRedisUrl, REDIS_URL_FORMS } from './platform/redis-url.ts';
import { Secret } from './platform/secret.ts';

/** The exit code for a configuration that cannot be used (sysexits.h, EX_CONFIG). */
const EXIT_CONFIG = 78;

const integer = (bounds: { min: number; max: number }) =>
  z.coerce.number({ error: 'must be a whole number' }).int().min(bounds.min).max(bounds.max);

const secret = z.custom<Secret>((value) => value instanceof Secret, 'is required');

/** Asked of the value now, and of each one that its file has later: one that cannot be used is not taken up. */
const secretThat = (isUsable: (value: string) => boolean, message: string) =>
  secret.refine((it) => it.mustBe(isUsable), message);

const atLeast = (characters: number) =>
  secretThat((value) => value.length >= characters, `must have at least ${characters} characters`);

const isKey = (value: string): boolean => Buffer.from(value, 'base64').length === 32;
const KEY_MESSAGE = 'must be 32 bytes in base64 (openssl rand -base64 32)';
const masterKey = secretThat(isKey, KEY_MESSAGE);

const serverUrl = (...protocols: string[]) =>
  secretThat(
    (value) => {
      const url = URL.parse(value);
      return url !== null && protocols.includes(url.protocol);
    },
    `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  );

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''));

/** `https://key@host/project`. Source: develop.sentry.dev/sdk/overview, "Parsing the DSN". */
function isSentryDsn(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && url.username !== '' && /\/\d+$/.test(url.pathname);
}

/** An empty one counts as absent, as an empty file does. */
function isMailServer(value: string): boolean {
  const url = URL.parse(value);
  return value === '' || (url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== '');
}

/** The model's own name in Google's catalogue. 2.5 Flash is shut down on 2026-12-01. Source: ai.google.dev/gemini-api/docs/deprecations */
const DEFAULT_MODEL = 'gemini-3.5-flash-lite';

/** The version of this product, from the package that it was installed as. */
const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(fs.readFileSync(new URL('../package.json', import.meta.url), 'utf8'))).version;

const database = { DATABASE_URL: serverUrl('postgres:', 'postgresql:') };

const masterKeyPair = {
  MASTER_KEY: masterKey,
  // Its file is empty most of the time, and is there so that a rotation needs no restart.
  MASTER_KEY_PREVIOUS: secretThat((value) => value === '' || isKey(value), KEY_MESSAGE).optional(),
};

const everyProcess = {
  ...database,
  REDIS_URL: secretThat(isRedisUrl, REDIS_URL_FORMS),
  ...masterKeyPair,
  PORT: integer({ min: 0, max: 65_535 }).default(8080),
  HOST: z.string().default('0.0.0.0'),
  BUILD_COMMIT: z.string().max(64).default('unknown'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  SENTRY_DSN: secretThat(isSentryDsn, 'must be a DSN, e.g. https://key@sentry.example.com/1').optional(),
  SENTRY_ENVIRONMENT: z
    .string()
    .regex(/^[^\s/]{1,64}$/, 'must be one word without a slash')
    .default('production'),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number({ error: 'must be a number' }).min(0).max(1).default(1),
  COALESCE_MIN_MS: integer({ min: 0, max: 60_000 }).default(800),
  COALESCE_MAX_MS: integer({ min: 0, max: 300_000 }).default(6_000),
  PUBLIC_URL: httpUrl.optional(),
  SMTP_URL: secretThat(isMailServer, 'must be a URL such as smtps://user:password@mail.example.com:465').optional(),
  MAIL_FROM: z
    .string()
    .max(320)
    .regex(/^[^\p{Cc}<>]*<?[^\s<>@]+@[A-Za-z0-9.-]+>?$/u, 'must be an address, e.g. Plantão <plantao@example.com>')
    .optional(),
  PAGERDUTY_EVENTS_URL: httpUrl.default('https://events.pagerduty.com'),
  OUTBOUND_PRIVATE_HOSTS: z
    .string()
    .default('')
    .transform((hosts) => hosts.split(',').flatMap((host) => (host.trim() === '' ? [] : [host.trim()]))),
};

/** What `npm run migrate` needs. */
export const MigrationEnvironment = z.object(database).transform((read) => ({ databaseUrl: read.DATABASE_URL }));

/** What `npm run rotate` needs. */
export const RotationEnvironment = z.object({ ...database, ...masterKeyPair }).transform((read) => ({
  databaseUrl: read.DATABASE_URL,
  masterKey: read.MASTER_KEY,
  masterKeyPrevious: read.MASTER_KEY_PREVIOUS,
}));

const gemini = {
  GEMINI_API_KEY: secret.optional(),
  GEMINI_BASE_URL: httpUrl.default('https://generativelanguage.googleapis.com'),
  GEMINI_MODEL: z.string().default(DEFAULT_MODEL),
};

/** The models, for turns in the workers and for drafts in the service. */
const models = {
  ...gemini,
  FALLBACK_MODEL_BASE_URL: httpUrl.optional(),
  FALLBACK_MODEL_API_KEY: secret.optional(),
  FALLBACK_MODEL_NAME: z.string().optional(),
  MODEL_TIMEOUT_MS: integer({ min: 100, max: 300_000 }).default(20_000),
};

/** What Express's `trust proxy` understands: it would say so only at the first request. */
function namesProxies(value: string): boolean {
  const names = value.split(',').map((name) => name.trim());
  return /^\d+$/.test(value) || names.every((name) => PROXY_NAMES.includes(name) || isNetwork(name));
}

const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal'];

function isNetwork(name: string): boolean {
  const [address = '', mask] = name.split('/');
  return isIP(address) !== 0 && (mask === undefined || /^\d{1,3}$/.test(mask) || isIP(mask) !== 0);
}

const service = {
  ...everyProcess,
  ...models,
  TRUST_PROXY: z
    .string()
    .refine(
      namesProxies,
      'must be a number of proxies, or a list of addresses, networks or loopback, linklocal, uniquelocal',
    )
    .optional(),
  ADMIN_API_KEY: atLeast(32),
};

const worker = {
  ...everyProcess,
  ...models,
  TURN_DEADLINE_MS: integer({ min: 500, max: 600_000 }).default(60_000),
  SEND_PACING_MS: integer({ min: 0, max: 60_000 }).default(1_000),
  CONTEXT_TTL_SECONDS: integer({ min: 1, max: 31_536_000 }).default(86_400),
  WORKER_CONCURRENCY: integer({ min: 1, max: 500 }).default(50),
};

const backup = {
  ...database,
  BACKUP_DATABASE_URL: serverUrl('postgres:', 'postgresql:').optional(),
  BACKUP_DIRECTORY: z.string({ error: 'is required' }).refine(isAbsolute, 'must be an absolute path'),
  BACKUP_KEY: masterKey,
  BACKUP_KEY_PREVIOUS: masterKey.optional(),
  BACKUP_KEEP_DAILY: integer({ min: 1, max: 366 }).default(7),
  BACKUP_KEEP_WEEKLY: integer({ min: 0, max: 520 }).default(4),
  POSTGRES_BIN: z.string().optional(),
};

/** Every variable there is. `.env.example` is checked against this list. */
export const VARIABLES: readonly string[] = Object.keys({ ...service, ...worker, ...backup });

/** What the HTTP service needs. */
export const ServiceEnvironment = z
  .object(service)
  .check(coalescingInOrder)
  .check(mailIsWhole)
  .check(fallbackNamed)
  .transform((read) => ({
    ...shared(read),
    trustProxy: read.TRUST_PROXY,
    adminApiKey: read.ADMIN_API_KEY,
    ...modelsOf(read),
  }));
export type ServiceConfig = z.infer<typeof ServiceEnvironment>;
/** What telling people needs, in the service and in the workers. */
export type NotificationConfig = Pick<ServiceConfig, 'notifications' | 'outboundPrivateHosts' | 'publicUrl'>;

/** What a worker needs. */
export const WorkerEnvironment = z
  .object(worker)
  .check(coalescingInOrder)
  .check(mailIsWhole)
  .check(fallbackNamed)
  .check((context) => {
    const { MODEL_TIMEOUT_MS, TURN_DEADLINE_MS } = context.value;
    if (MODEL_TIMEOUT_MS >= TURN_DEADLINE_MS) {
      problem(
        context,
        'MODEL_TIMEOUT_MS',
        'must be shorter than TURN_DEADLINE_MS, or a turn can never report a slow model',
      );
    }
  })
  .transform((read) => ({
    ...shared(read),
    ...modelsOf(read),
    turnDeadlineMs: read.TURN_DEADLINE_MS,
    sendPacingMs: read.SEND_PACING_MS,
    contextTtlSeconds: read.CONTEXT_TTL_SECONDS,
    concurrency: read.WORKER_CONCURRENCY,
  }));
export type WorkerConfig = z.infer<typeof WorkerEnvironment>;

/** What `npm run restore` needs: no database, which may be what is gone. */
export const RestoreEnvironment = z
  .object({ ...backup, DATABASE_URL: backup.DATABASE_URL.optional() })
  .transform((read) => archiveOf(read));

/** What `npm run backup` needs. */
export const BackupEnvironment = z.object(backup).transform((read) => ({
  ...archiveOf(read),
  databaseUrl: read.DATABASE_URL,
  replicationUrl: read.BACKUP_DATABASE_URL ?? read.DATABASE_URL,
  keep: { daily: read.BACKUP_KEEP_DAILY, weekly: read.BACKUP_KEEP_WEEKLY },
}));
export type BackupConfig = z.infer<typeof BackupEnvironment>;

/**
 * Reads the environment once, at boot. A secret `X` may be given as a file, `X_FILE`; an empty value counts as absent.
 *
 * @throws {Error} naming every bad variable at once, and why; never its value.
 */
export function loadConfig<Output>(parser: z.ZodType<Output>, environment: NodeJS.ProcessEnv): Output {
  const { values, problems } = withFiles(environment);
  const read = parser.safeParse(values);
  if (read.success && problems.length === 0) return read.data;
  const issues = read.success ? [] : read.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  throw new Error(
    `The environment is not usable:\n${[...problems, ...issues].map((line) => `  - ${line}`).join('\n')}`,
  );
}

/** {@link loadConfig} for a process: bad configuration ends it with exit code 78 and a list on standard error. */
export function loadConfigOrExit<Output>(parser: z.ZodType<Output>): Output {
  try {
    return loadConfig(parser, process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : 'The environment is not usable'}\n`);
    process.exit(EXIT_CONFIG);
  }
}

/** The variables whose value nobody may print. They become {@link Secret}s before anything can go wrong with them. */
const SECRETS = [
  'DATABASE_URL',
  'REDIS_URL',
  'MASTER_KEY',
  'MASTER_KEY_PREVIOUS',
  'ADMIN_API_KEY',
  'GEMINI_API_KEY',
  'FALLBACK_MODEL_API_KEY',
  'SENTRY_DSN',
  'SMTP_URL',
  'BACKUP_DATABASE_URL',
  'BACKUP_KEY',
  'BACKUP_KEY_PREVIOUS',
];

function withFiles(environment: NodeJS.ProcessEnv): { values: Record<string, unknown>; problems: string[] } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue;
    if (VARIABLES.includes(name)) values[name] ??= SECRETS.includes(name) ? Secret.of(value) : value;
    const target = name.replace(/_FILE$/, '');
    if (target === name || !VARIABLES.includes(target)) continue;
    try {
      const fromFile = Secret.fromFile(value);
      values[target] = SECRETS.includes(target) ? fromFile : fromFile.reveal();
    } catch {
      problems.push(`${name} names a file that cannot be read`);
    }
  }
  return { values, problems };
}

function observationOf(read: z.infer<z.ZodObject<typeof everyProcess>>) {
  return {
    logLevel: read.LOG_LEVEL,
    build: { version: VERSION, commit: read.BUILD_COMMIT },
    sentry: read.SENTRY_DSN === undefined ? undefined : { dsn: read.SENTRY_DSN, environment: read.SENTRY_ENVIRONMENT },
    traces:
      read.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : { endpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT, share: read.OTEL_TRACES_SAMPLER_ARG },
  };
}

function modelsOf(read: z.infer<z.ZodObject<typeof models>>) {
  const { FALLBACK_MODEL_BASE_URL: baseUrl, FALLBACK_MODEL_NAME: model } = read;
  return {
    gemini: geminiOf(read),
    fallbackModel:
      baseUrl === undefined || model === undefined
        ? undefined
        : { apiKey: filled(read.FALLBACK_MODEL_API_KEY), baseUrl, model },
    modelTimeoutMs: read.MODEL_TIMEOUT_MS,
  };
}

function geminiOf(read: z.infer<z.ZodObject<typeof gemini>>) {
  const apiKey = filled(read.GEMINI_API_KEY);
  return apiKey === undefined ? undefined : { apiKey, baseUrl: read.GEMINI_BASE_URL, model: read.GEMINI_MODEL };
}

/** A key whose file is empty counts as absent, as an empty variable does: who mounts every secret may have no such model. */
function filled(key: Secret | undefined): Secret | undefined {
  return key?.reveal() === '' ? undefined : key;
}

function shared(read: z.infer<z.ZodObject<typeof everyProcess>>) {
  return {
    databaseUrl: read.DATABASE_URL,
    redisUrl: read.REDIS_URL,
    masterKey: read.MASTER_KEY,
    masterKeyPrevious: read.MASTER_KEY_PREVIOUS,
    port: read.PORT,
    host: read.HOST,
    logLevel: read.LOG_LEVEL,
    observation: observationOf(read),
    coalescing: { minMs: read.COALESCE_MIN_MS, maxMs: read.COALESCE_MAX_MS },
    outboundPrivateHosts: read.OUTBOUND_PRIVATE_HOSTS,
    publicUrl: read.PUBLIC_URL,
    notifications: { mail: mailOf(read), pagerDutyUrl: read.PAGERDUTY_EVENTS_URL },
  };
}

function mailOf(read: z.infer<z.ZodObject<typeof everyProcess>>) {
  const url = filled(read.SMTP_URL);
  return url === undefined || read.MAIL_FROM === undefined ? undefined : { url, from: read.MAIL_FROM };
}

function archiveOf(read: {
  BACKUP_DIRECTORY: string;
  BACKUP_KEY: Secret;
  BACKUP_KEY_PREVIOUS?: Secret | undefined;
  POSTGRES_BIN?: string | undefined;
}) {
  return {
    directory: read.BACKUP_DIRECTORY,
    key: read.BACKUP_KEY,
    keyPrevious: read.BACKUP_KEY_PREVIOUS,
    postgresBin: read.POSTGRES_BIN,
  };
}

interface CheckContext<Value> {
  readonly value: Value;
  readonly issues: z.core.$ZodRawIssue[];
}

/** Who has a mail server without a sender would find out when somebody waits for the mail. */
function mailIsWhole(context: CheckContext<{ SMTP_URL?: Secret | undefined; MAIL_FROM?: string | undefined }>): void {
  const { SMTP_URL, MAIL_FROM } = context.value;
  if (filled(SMTP_URL) !== undefined && MAIL_FROM === undefined) {
    problem(context, 'MAIL_FROM', 'is required with SMTP_URL');
  }
}

function fallbackNamed(
  context: CheckContext<{ FALLBACK_MODEL_BASE_URL?: string | undefined; FALLBACK_MODEL_NAME?: string | undefined }>,
): void {
  const { FALLBACK_MODEL_BASE_URL, FALLBACK_MODEL_NAME } = context.value;
  if (FALLBACK_MODEL_BASE_URL !== undefined && FALLBACK_MODEL_NAME === undefined) {
    problem(context, 'FALLBACK_MODEL_NAME', 'is required with FALLBACK_MODEL_BASE_URL');
  }
}

function coalescingInOrder(context: CheckContext<{ COALESCE_MIN_MS: number; COALESCE_MAX_MS: number }>): void {
  const { COALESCE_MIN_MS, COALESCE_MAX_MS } = context.value;
  if (COALESCE_MIN_MS > COALESCE_MAX_MS) problem(context, 'COALESCE_MIN_MS', 'must not be longer than COALESCE_MAX_MS');
}

function problem(context: CheckContext<unknown>, name: string, message: string): void {
  context.issues.push({ code: 'custom', path: [name], message, input: undefined });
}
