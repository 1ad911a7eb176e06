import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  loadConfig,
  MigrationEnvironment,
  ServiceEnvironment,
  VARIABLES,
  WorkerEnvironment,
} from '../../src/config.ts';
import { exists, projectFiles, read, readPackage } from '../drift/project.ts';
import { itWhere } from '../support/it-where.ts';
import { whyNo } from '../support/on-path.ts';

const Words = z.union([z.string(), z.array(z.string())]);
const Healthcheck = z.object({ test: z.array(z.string()).optional(), disable: z.boolean().optional() });
const Condition = z.object({ condition: z.string() });
const Container = z.object({
  image: z.string(),
  build: z.object({ context: z.string(), dockerfile: z.string().default('Dockerfile') }).optional(),
  profiles: z.array(z.string()).default([]),
  command: Words.optional(),
  entrypoint: Words.optional(),
  env_file: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  secrets: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  networks: z.array(z.string()),
  depends_on: z
    .union([z.record(z.string(), Condition), z.array(z.string())])
    .default({})
    .transform((it) => (Array.isArray(it) ? Object.fromEntries(it.map((name) => [name, { condition: '' }])) : it)),
  healthcheck: Healthcheck.optional(),
  restart: z.string(),
  init: z.boolean(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  security_opt: z.array(z.string()),
  pids_limit: z.number(),
  mem_limit: z.string(),
  cpus: z.number(),
  stop_grace_period: z.string().optional(),
  deploy: z.object({ replicas: z.number() }).optional(),
  logging: z.object({ options: z.object({ 'max-size': z.string(), 'max-file': z.string() }) }),
});
const Compose = z.object({
  services: z.record(z.string(), Container),
  networks: z.record(z.string(), z.object({ internal: z.boolean().default(false) })),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
  volumes: z.record(z.string(), z.unknown()),
});

const { services, secrets, networks, volumes } = Compose.parse(parse(read('docker-compose.yml'), { merge: true }));
const all = Object.entries(services);
const ours = all.filter(([, { build }]) => build?.dockerfile === 'Dockerfile');
const lasting = all.filter(([, { restart }]) => restart !== 'no');

const SECRET_FILE = /\/run\/secrets\/(\w+)/g;

/** The names of the containers of which something is true, for a message that says who broke a rule. */
function whose(containers: typeof all, isTrue: (container: z.infer<typeof Container>) => boolean): readonly string[] {
  return containers.flatMap(([name, container]) => (isTrue(container) ? [name] : []));
}

describe('docker-compose.yml', () => {
  it('runs what production needs, and what watches it for those who ask', () => {
    expect(whose(all, ({ profiles }) => profiles.length === 0)).toEqual([
      'postgres',
      'pgbouncer',
      'redis',
      'migrate',
      'service',
      'worker',
    ]);
    expect(whose(all, ({ profiles }) => profiles.includes('observability'))).toEqual([
      'prometheus',
      'alertmanager',
      'grafana',
    ]);
    expect(whose(all, ({ profiles }) => profiles.includes('tools'))).toEqual(['tools']);
  });

  it('gives nobody more than an ordinary user has, and nothing to write on but memory and what it keeps', () => {
    expect(whose(all, ({ read_only: isReadOnly }) => !isReadOnly)).toEqual([]);
    expect(whose(all, ({ cap_drop: dropped }) => !dropped.includes('ALL'))).toEqual([]);
    expect(whose(all, ({ security_opt: options }) => !options.includes('no-new-privileges:true'))).toEqual([]);
    expect(read('docker-compose.yml')).not.toMatch(/privileged: true|docker\.sock|network_mode|cap_add|pid: host/);
  });

  it('bounds what each takes: memory, processors, processes, logs', () => {
    expect(whose(all, ({ mem_limit: limit }) => !/^\d+[mg]$/.test(limit))).toEqual([]);
    expect(whose(all, ({ cpus }) => cpus <= 0 || cpus > 2)).toEqual([]);
    expect(whose(all, ({ pids_limit: limit }) => limit > 256)).toEqual([]);
    expect(whose(all, ({ logging }) => !/^\d+m$/.test(logging.options['max-size']))).toEqual([]);
  });

  it('names each image by a version, of two numbers at least', () => {
    expect(whose(all, ({ image }) => !/:(?:\$\{COMMIT:-)?v?\d+\.\d+[\w.-]*\}?$/.test(image))).toEqual([]);
  });

  it('makes an image for each commit, so that the one before is there to go back to', () => {
    const { version } = readPackage();

    expect(new Set(ours.map(([, { image }]) => image))).toEqual(new Set([`plantao:\${COMMIT:-${version}}`]));
    expect(read('docs/deploy.md')).toContain('COMMIT=$(git rev-parse --short HEAD)');
  });

  it('shows nothing to other machines, and no database to anybody', () => {
    const published = all.flatMap(([, { ports }]) => ports);
    const insideOnly = whose(all, (it) => it.networks.every((name) => networks[name]?.internal === true));

    expect(published).toEqual(['8080:8080', '9090:9090', '9093:9093', '3000:3000'].map((it) => `127.0.0.1:${it}`));
    expect(insideOnly).toEqual(expect.arrayContaining(['postgres', 'pgbouncer', 'redis', 'migrate']));
    // On an inner network alone a published port leads nowhere.
    expect(whose(all, ({ ports }) => ports.length > 0).filter((name) => insideOnly.includes(name))).toEqual([]);
    expect(whose(all, (it) => it.networks.some((name) => !(name in networks)))).toEqual([]);
    // What watches has no way to the databases.
    expect(whose(all, (it) => it.profiles.includes('observability') && it.networks.includes('back'))).toEqual([]);
  });

  it('notices who is ill, starts again who ended, and begins in order', () => {
    const waitsFor = (name: string, other: string): string | undefined => services[name]?.depends_on[other]?.condition;
    const unhealthy = all.flatMap(([name, container]) =>
      Object.entries(container.depends_on).flatMap(([other, { condition }]) =>
        condition === 'service_healthy' && services[other]?.healthcheck?.test === undefined
          ? [`${name}: ${other}`]
          : [],
      ),
    );

    expect(whose(all, ({ restart }) => restart === 'no')).toEqual(['migrate', 'tools']);
    expect(whose(lasting, ({ restart }) => restart !== 'unless-stopped')).toEqual([]);
    expect(whose(lasting, ({ build, healthcheck }) => build === undefined && healthcheck?.test === undefined)).toEqual(
      [],
    );
    expect(unhealthy).toEqual([]);
    expect(waitsFor('migrate', 'postgres')).toBe('service_healthy');
    expect(['service', 'worker'].map((name) => waitsFor(name, 'migrate'))).toEqual(
      Array.from({ length: 2 }, () => 'service_completed_successfully'),
    );
  });

  it('does not try a migration that failed again and again, and starts nothing after it', () => {
    expect(services.migrate?.restart).toBe('no');
  });

  it('lets our processes end by themselves', () => {
    const [, endsWithinMs = ''] = /END_WITHIN_MS = ([\d_]+)/.exec(read('src/platform/process.ts')) ?? [];
    const graceMs = (text = ''): number => Number(/^(\d+)s$/.exec(text)?.[1]) * 1_000;

    expect(whose(ours, (it) => !(graceMs(it.stop_grace_period) > Number(endsWithinMs.replaceAll('_', ''))))).toEqual(
      [],
    );
  });

  it('mounts and starts what is there', () => {
    const mounted = all.flatMap(([, it]) => it.volumes.map((volume) => volume.split(':', 1)[0] ?? ''));
    const programs = ours.flatMap(([, { command = [] }]) => [command].flat().filter((part) => part.endsWith('.ts')));

    expect(mounted.filter((from) => (from.startsWith('./') ? !exists(from) : !(from in volumes)))).toEqual([]);
    expect(programs.length).toBeGreaterThan(1);
    expect(programs.filter((program) => !exists(program))).toEqual([]);
    expect(all.flatMap(([, { build }]) => build?.dockerfile ?? []).filter((file) => !exists(file))).toEqual([]);
  });
});

describe('the container for an operator', () => {
  const { tools } = services;

  it('reaches and knows what the runbooks name, and is no part of what runs', () => {
    const preparation = String(tools?.entrypoint);
    const known = [...Object.keys(tools?.environment ?? {}), ...preparation.matchAll(/\b([A-Z_]+)=/g)].map((it) =>
      typeof it === 'string' ? it : (it[1] ?? ''),
    );
    const read = [...`${preparation} ${Object.values(tools?.environment ?? {}).join(' ')}`.matchAll(SECRET_FILE)];

    expect(known).toEqual(
      expect.arrayContaining(['SERVICE_URL', 'WORKER_URL', 'DATABASE_URL', 'REDIS_URL', 'ADMIN_API_KEY']),
    );
    expect([...new Set(read.map(([, name]) => name))].toSorted()).toEqual(tools?.secrets.toSorted());
    expect(tools?.networks.toSorted()).toEqual(['back', 'out', 'watch']);
    expect(tools?.ports).toEqual([]);
  });

  it('has the programs of the runbooks, the Node of the product, and the folders that its commands import', () => {
    const image = read('deploy/tools/Dockerfile');
    const copied = [...image.matchAll(/^COPY (\w+) \1$/gm)].map(([, folder = '']) => folder);
    const imported = projectFiles()
      .filter((file) => /^(?:src|backup|migrations)\/(?!drill).*\.ts$/.test(file) && !file.endsWith('.test.ts'))
      .filter((file) => !file.startsWith('backup/drill'))
      .flatMap((file) => [...read(file).matchAll(/from '(?:\.\.\/)+([a-z]+)\//g)].map(([, folder = '']) => folder))
      .filter((folder) => exists(folder) && !exists(`src/${folder}`));

    for (const program of ['curl', 'postgresql-client', 'redis-tools']) expect(image).toContain(program);
    expect(image).toContain(`node:${readPackage().devDependencies.node ?? ''}-bookworm-slim`);
    expect([...new Set(imported)].filter((folder) => !copied.includes(folder))).toEqual([]);
    expect(image).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
  });
});

describe('the settings in docker-compose.yml', () => {
  it('go to the service and to the workers alike, and every command finds them in one file', () => {
    const told = read('docs/deploy.md');

    expect(ours.flatMap(([name, { env_file: files }]) => (files.join() === '.env' ? [name] : []))).toEqual([
      'service',
      'worker',
    ]);
    // Named in .env and not exported: a shell without it would start a PostgreSQL that archives nothing.
    expect(told).toContain('\nCOMPOSE_FILE=docker-compose.yml:deploy/compose.backup.yaml\n');
    expect(told).not.toMatch(/export COMPOSE_FILE|PUBLIC_URL=\S+ docker/);
    expect(read('.gitignore').split('\n')).toContain('.env');
  });

  it('are variables that the product reads', () => {
    const set = ours.flatMap(([, { environment }]) => Object.keys(environment));

    expect(set.filter((name) => !VARIABLES.includes(name.replace(/_FILE$/, '')))).toEqual([]);
  });

  it('have secrets in files alone, each declared, and each given to those who read it and to nobody else', () => {
    const wrong = ours.flatMap(([name, { environment, secrets: given }]) => {
      const read = Object.values(environment).flatMap((it) => /^\/run\/secrets\/(\w+)$/.exec(String(it))?.[1] ?? []);
      return read.toSorted().join() === given.toSorted().join() ? [] : [name];
    });
    const plain = all.flatMap(([name, { environment }]) =>
      Object.keys(environment).flatMap((it) => (/(PASSWORD|KEY|_URL|TOKEN)$/.test(it) ? [`${name}: ${it}`] : [])),
    );

    expect(wrong).toEqual([]);
    expect(all.flatMap(([, { secrets: given }]) => given.filter((secret) => !(secret in secrets)))).toEqual([]);
    expect(plain).toEqual([
      'service: PUBLIC_URL',
      ...['SERVICE', 'WORKER', 'GEMINI_BASE'].map((it) => `tools: ${it}_URL`),
    ]);
  });

  it('keep what is in Redis over a restart, and let it refuse rather than forget', () => {
    const command = String(services.redis?.command);

    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
    expect(command).toMatch(/--maxmemory \d+mb/);
  });

  it('have lines to PostgreSQL for everybody', () => {
    const ini = read('deploy/pgbouncer/pgbouncer.ini');
    const setting = (name: string): number => Number(new RegExp(`^${name} = (\\d+)$`, 'm').exec(ini)?.[1]);
    const linesMax = Number(/max_connections=(\d+)/.exec(String(services.postgres?.command))?.[1]);

    expect(setting('default_pool_size') + setting('reserve_pool_size') + 2).toBeLessThan(linesMax - 10);
    expect(setting('max_client_conn')).toBeGreaterThan(11 + (services.worker?.deploy?.replicas ?? 1) * (14 + 2 * 3));
  });
});

describe('deploy/compose.backup.yaml', () => {
  const Overlay = z.object({
    services: z.object({
      postgres: z.object({
        build: z.object({ context: z.string() }),
        command: z.array(z.string()),
        secrets: z.array(z.string()),
        volumes: z.array(z.string()),
      }),
    }),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
    volumes: z.record(z.string(), z.unknown()),
  });
  const overlay = Overlay.parse(parse(read('deploy/compose.backup.yaml')));
  const { postgres } = overlay.services;

  it('is the PostgreSQL of docker-compose.yml, with what pgBackRest needs and nothing lost', () => {
    const [, base = ''] = /^FROM (\S+)/m.exec(read(`${postgres.build.context}/Dockerfile`)) ?? [];
    const archive = [...read('deploy/pgbackrest/archive.conf').matchAll(/^(\w+) = '?([^'\n]*)'?$/gm)];
    const plain = [services.postgres?.command ?? []].flat();

    expect(base).toBe(services.postgres?.image);
    expect(archive.length).toBeGreaterThan(2);
    expect(postgres.command).toEqual(
      expect.arrayContaining(archive.map(([, name = '', value = '']) => `${name}=${value}`)),
    );
    expect(plain.filter((word) => !postgres.command.includes(word))).toEqual([]);
    expect((services.postgres?.volumes ?? []).filter((it) => !postgres.volumes.includes(it))).toEqual([]);
    expect(
      postgres.volumes.filter((it) => !((it.split(':', 1)[0] ?? '') in { ...volumes, ...overlay.volumes })),
    ).toEqual([]);
    expect(postgres.secrets.filter((it) => !(it in { ...secrets, ...overlay.secrets }))).toEqual([]);
  });
});

describe('deploy/pgbackrest/daily.sh', () => {
  let folder = '';

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** What Docker is asked, by the script, when the backup ends with the given code. */
  async function asked(code: number): Promise<string> {
    folder = await mkdtemp(path.join(os.tmpdir(), 'plantao-docker-'));
    const [log, docker] = [path.join(folder, 'log'), path.join(folder, 'docker')];
    await writeFile(docker, `#!/bin/sh\necho "$*" >> ${log}\ncase $* in *exec*) exit ${code} ;; esac\n`, {
      mode: 0o755,
    });
    spawnSync('sh', ['deploy/pgbackrest/daily.sh'], {
      env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ''}` },
    });
    return await readFile(log, 'utf8');
  }

  it('takes a full backup, because only a full one lets an older one go, and tells the metrics', async () => {
    const said = await asked(0);

    expect(said).toMatch(/compose exec -T postgres .*backup --type=full\n/);
    expect(said).toMatch(/compose run --rm -T tools node backup\/command\.ts record base\n$/);
  });

  it('tells the metrics of no backup that failed', async () => {
    expect(await asked(1)).not.toContain('record');
  });
});

describe('deploy/make-secrets.sh', () => {
  let folder = '';

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  itWhere(whyNo('openssl'), 'makes every secret once, and each is good enough to start with', async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'plantao-secrets-'));
    const target = path.join(folder, 'secrets');
    const make = (): string => execFileSync('sh', ['deploy/make-secrets.sh', target], { encoding: 'utf8' });
    make();
    const file = (name: string): string => path.join(target, name);
    const masterKey = await readFile(file('master_key'), 'utf8');
    const again = make();

    expect(Object.values(secrets).map((it) => it.file)).toEqual(Object.keys(secrets).map((name) => `secrets/${name}`));
    for (const name of [...Object.keys(secrets), 'backup_passphrase'])
      expect((await stat(file(name))).mode & 0o777).toBe(0o644);
    expect((await stat(target)).mode & 0o077).toBe(0);
    expect(again).not.toContain('made');
    expect(await readFile(file('master_key'), 'utf8')).toBe(masterKey);
    for (const [name, parser] of [
      ['service', ServiceEnvironment],
      ['worker', WorkerEnvironment],
      ['migrate', MigrationEnvironment],
    ] as const) {
      const environment = Object.entries(services[name]?.environment ?? {}).map(([variable, value]) => [
        variable,
        placed(String(value), target),
      ]);
      expect(() =>
        loadConfig<unknown>(parser, z.record(z.string(), z.string()).parse(Object.fromEntries(environment))),
      ).not.toThrow();
    }
    expect(await readFile(file('database_url'), 'utf8')).toContain('@pgbouncer:6432/');
    expect(await readFile(file('database_url_direct'), 'utf8')).toContain('@postgres:5432/');
  });

  it('makes nothing that Git would keep', () => {
    expect(read('.gitignore')).toContain('secrets/');
    expect(projectFiles().filter((it) => it.startsWith('secrets/'))).toEqual([]);
  });
});

/** A value as the container would see it, with its secrets here. */
function placed(value: string, target: string): string {
  return value
    .replace('/run/secrets', target)
    .replace(/^\$\{PUBLIC_URL.*\}$/, 'https://bot.example.com')
    .replace(/^\$\{\w+:-(.*)\}$/, '$1');
}
