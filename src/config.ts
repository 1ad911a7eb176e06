import { z } from 'zod';
import { Secret } from './platform/secret.ts';

/** The exit code for a configuration that cannot be used (sysexits.h, EX_CONFIG). */
const EXIT_CONFIG = 78;

const integer = (bounds: { min: number; max: number }) =>
  z.coerce.number({ error: 'must be a whole number' }).int().min(bounds.min).max(bounds.max);

const secret = z.custom<Secret>((value) => value instanceof Secret, 'is required');

const atLeast = (characters: number) =>
  secret.refine((it) => it.reveal().length >= characters, `must have at least ${characters} characters`);

const masterKey = secret.refine(
  (it) => Buffer.from(it.reveal(), 'base64').length === 32,
  'must be 32 bytes in base64 (openssl rand -base64 32)',
);

const serverUrl = (...protocols: string[]) =>
  secret.refine(
    (it) => {
      const url = URL.parse(it.reveal());
      return url !== null && protocols.includes(url.protocol);
    },
    `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  );

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''));

/** The model's own name in Google's catalogue. 2.5 Flash is shut down on 2026-12-01. Source: ai.google.dev/gemini-api/docs/deprecations */
const DEFAULT_MODEL = 'gemini-3.5-flash-lite';

const database = { DATABASE_URL: serverUrl('postgres:', 'postgresql:') };

const everyProcess = {
  ...database,
  REDIS_URL: serverUrl('redis:', 'rediss:'),
  MASTER_KEY: masterKey,
  MASTER_KEY_PREVIOUS: masterKey.optional(),
  PORT: integer({ min: 0, max: 65_535 }).default(8080),
  HOST: z.string().default('0.0.0.0'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  COALESCE_MIN_MS: integer({ min: 0, max: 60_000 }).default(800),
  COALESCE_MAX_MS: integer({ min: 0, max: 300_000 }).default(6_000),
  OUTBOUND_PRIVATE_HOSTS: z
    .string()
    .default('')
    .transform((hosts) => hosts.split(',').flatMap((host) => (host.trim() === '' ? [] : [host.trim()]))),
};

/** What `npm run migrate` needs. */
export const MigrationEnvironment = z.object(database).transform((read) => ({ databaseUrl: read.DATABASE_URL }));

const service = {
  ...everyProcess,
  PUBLIC_URL: httpUrl.optional(),
  TRUST_PROXY: z.string().optional(),
  ADMIN_API_KEY: atLeast(32),
};

const worker = {
  ...everyProcess,
  GEMINI_API_KEY: secret.optional(),
  GEMINI_BASE_URL: httpUrl.default('https://generativelanguage.googleapis.com'),
  GEMINI_MODEL: z.string().default(DEFAULT_MODEL),
  FALLBACK_MODEL_BASE_URL: httpUrl.optional(),
  FALLBACK_MODEL_API_KEY: secret.optional(),
  FALLBACK_MODEL_NAME: z.string().optional(),
  MODEL_TIMEOUT_MS: integer({ min: 100, max: 300_000 }).default(20_000),
  TURN_DEADLINE_MS: integer({ min: 500, max: 600_000 }).default(60_000),
  SEND_PACING_MS: integer({ min: 0, max: 60_000 }).default(1_000),
  CONTEXT_TTL_SECONDS: integer({ min: 1, max: 31_536_000 }).default(86_400),
  WORKER_CONCURRENCY: integer({ min: 1, max: 500 }).default(50),
};

/** Every variable there is. `.env.example` is checked against this list. */
export const VARIABLES: readonly string[] = Object.keys({ ...service, ...worker });

/** What the HTTP service needs. */
export const ServiceEnvironment = z
  .object(service)
  .check(coalescingInOrder)
  .transform((read) => ({
    ...shared(read),
    publicUrl: read.PUBLIC_URL,
    trustProxy: read.TRUST_PROXY,
    adminApiKey: read.ADMIN_API_KEY,
  }));
export type ServiceConfig = z.infer<typeof ServiceEnvironment>;

/** What a worker needs. */
export const WorkerEnvironment = z
  .object(worker)
  .check(coalescingInOrder)
  .check((context) => {
    const { MODEL_TIMEOUT_MS, TURN_DEADLINE_MS, FALLBACK_MODEL_BASE_URL, FALLBACK_MODEL_NAME } = context.value;
    if (MODEL_TIMEOUT_MS >= TURN_DEADLINE_MS) {
      problem(
        context,
        'MODEL_TIMEOUT_MS',
        'must be shorter than TURN_DEADLINE_MS, or a turn can never report a slow model',
      );
    }
    if (FALLBACK_MODEL_BASE_URL !== undefined && FALLBACK_MODEL_NAME === undefined) {
      problem(context, 'FALLBACK_MODEL_NAME', 'is required with FALLBACK_MODEL_BASE_URL');
    }
  })
  .transform((read) => ({
    ...shared(read),
    gemini:
      read.GEMINI_API_KEY === undefined
        ? undefined
        : { apiKey: read.GEMINI_API_KEY, baseUrl: read.GEMINI_BASE_URL, model: read.GEMINI_MODEL },
    fallbackModel:
      read.FALLBACK_MODEL_BASE_URL === undefined || read.FALLBACK_MODEL_NAME === undefined
        ? undefined
        : {
            apiKey: read.FALLBACK_MODEL_API_KEY,
            baseUrl: read.FALLBACK_MODEL_BASE_URL,
            model: read.FALLBACK_MODEL_NAME,
          },
    modelTimeoutMs: read.MODEL_TIMEOUT_MS,
    turnDeadlineMs: read.TURN_DEADLINE_MS,
    sendPacingMs: read.SEND_PACING_MS,
    contextTtlSeconds: read.CONTEXT_TTL_SECONDS,
    concurrency: read.WORKER_CONCURRENCY,
  }));
export type WorkerConfig = z.infer<typeof WorkerEnvironment>;

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

function shared(read: z.infer<z.ZodObject<typeof everyProcess>>) {
  return {
    databaseUrl: read.DATABASE_URL,
    redisUrl: read.REDIS_URL,
    masterKey: read.MASTER_KEY,
    masterKeyPrevious: read.MASTER_KEY_PREVIOUS,
    port: read.PORT,
    host: read.HOST,
    logLevel: read.LOG_LEVEL,
    coalescing: { minMs: read.COALESCE_MIN_MS, maxMs: read.COALESCE_MAX_MS },
    outboundPrivateHosts: read.OUTBOUND_PRIVATE_HOSTS,
  };
}

interface CheckContext<Value> {
  readonly value: Value;
  readonly issues: z.core.$ZodRawIssue[];
}

function coalescingInOrder(context: CheckContext<{ COALESCE_MIN_MS: number; COALESCE_MAX_MS: number }>): void {
  const { COALESCE_MIN_MS, COALESCE_MAX_MS } = context.value;
  if (COALESCE_MIN_MS > COALESCE_MAX_MS) problem(context, 'COALESCE_MIN_MS', 'must not be longer than COALESCE_MAX_MS');
}

function problem(context: CheckContext<unknown>, name: string, message: string): void {
  context.issues.push({ code: 'custom', path: [name], message, input: undefined });
}
