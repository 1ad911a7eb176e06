import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { VARIABLES } from '../../src/config.ts';
import { exists, projectFiles, read, readPackage } from './project.ts';

const Service = z.object({
  image: z.string().optional(),
  build: z.string().optional(),
  command: z.union([z.string(), z.array(z.string())]).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  secrets: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.object({ test: z.array(z.string()).optional() }).optional(),
  restart: z.string().optional(),
  ports: z.array(z.string()).default([]),
});
const Compose = z.object({
  services: z.record(z.string(), Service),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
  volumes: z.record(z.string(), z.unknown()),
});

/** Comes with Jest, for its own configuration files. It has no types, so what it says is parsed like any input. */
const Yaml = z.object({ load: z.function({ input: [z.string()], output: z.unknown() }) });
const yaml = Yaml.parse(createRequire(import.meta.url)('js-yaml'));

const { services, secrets } = Compose.parse(yaml.load(read('docker-compose.yml')));
const ours = Object.entries(services).filter(([, { build }]) => build !== undefined);

describe('docker-compose.yml', () => {
  it('runs what production needs', () => {
    expect(Object.keys(services)).toEqual(['postgres', 'redis', 'migrate', 'service', 'worker']);
  });

  it('sets no variable that is not read', () => {
    const set = ours.flatMap(([, { environment }]) => Object.keys(environment));

    expect(set.filter((name) => !VARIABLES.includes(name.replace(/_FILE$/, '')))).toEqual([]);
  });

  it('gives secrets as files, each declared and each to those who read it', () => {
    const uses = ours.flatMap(([name, { environment, secrets: given }]) =>
      Object.values(environment)
        .flatMap((value) => /^\/run\/secrets\/(\w+)$/.exec(String(value))?.[1] ?? [])
        .map((secret) => ({ name, secret, isGiven: given.includes(secret) && secret in secrets })),
    );

    expect(uses.length).toBeGreaterThan(5);
    expect(uses.filter(({ isGiven }) => !isGiven)).toEqual([]);
  });

  it('shows no database to the outside', () => {
    const published = Object.entries(services).filter(([, { ports }]) => ports.length > 0);

    expect(published.map(([name]) => name)).toEqual(['service']);
  });

  it('notices who is ill, starts again who ended, and begins in order', () => {
    const lasting = Object.entries(services).filter(([name]) => name !== 'migrate');

    expect(lasting.filter(([, it]) => it.restart !== 'unless-stopped')).toEqual([]);
    expect(lasting.filter(([, it]) => it.build === undefined && it.healthcheck === undefined)).toEqual([]);
    expect(services.service?.depends_on.migrate).toEqual({ condition: 'service_completed_successfully' });
    expect(services.worker?.depends_on.migrate).toEqual({ condition: 'service_completed_successfully' });
  });

  it('keeps what is in Redis over a restart, and lets it refuse rather than forget', () => {
    const command = String(services.redis?.command);

    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
    expect(command).toMatch(/--maxmemory \d+mb/);
  });

  it('starts programs that are there', () => {
    const programs = ours.flatMap(([, { command }]) => [command ?? []].flat().filter((part) => part.endsWith('.ts')));

    expect(programs.length).toBeGreaterThan(1);
    expect(programs.filter((program) => !exists(program))).toEqual([]);
  });
});

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').replaceAll('\\\n', ' ').split('\n');
  const after = (word: string): readonly string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1).trim()] : []));

  it('copies what is there', () => {
    const sources = after('COPY')
      .filter((copied) => !copied.includes('--from='))
      .flatMap((copied) => copied.split(/\s+/).slice(0, -1))
      .filter((source) => !source.startsWith('--'));

    expect(sources.length).toBeGreaterThan(3);
    expect(sources.filter((source) => !exists(source))).toEqual([]);
  });

  it('copies all that the product imports', () => {
    const copied = after('COPY').join(' ');
    const imported = projectFiles()
      .filter((file) => /^(src|workers|migrations)\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'))
      .flatMap((file) => [...read(file).matchAll(/from '(?:\.\.\/)+(migrations|workers|src|local|sandbox|test)\//g)])
      .map(([, folder = '']) => folder);

    expect([...new Set(imported)].filter((folder) => !copied.includes(`${folder} `))).toEqual([]);
  });

  it('runs on the Node that the project is made for, and not as root', () => {
    const { devDependencies } = readPackage();
    const [major = ''] = devDependencies.node?.split('.') ?? [];

    expect(after('FROM').every((image) => image.startsWith(`node:${major}-slim`))).toBe(true);
    expect(after('USER').at(-1)).toBe('node');
  });

  it('is asked for its health by Node, and ended by SIGTERM', () => {
    expect(after('HEALTHCHECK').join()).toContain('/livez');
    expect(after('HEALTHCHECK').join()).not.toContain('curl');
    expect(after('STOPSIGNAL')).toEqual(['SIGTERM']);
  });
});
