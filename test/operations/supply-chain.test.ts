import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { z } from 'zod';
import { exists, projectFiles, read, readPackage } from '../drift/project.ts';

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      integrity: z.string().optional(),
      dev: z.boolean().default(false),
      link: z.boolean().default(false),
    }),
  ),
});
const { packages } = Lock.parse(JSON.parse(read('package-lock.json')));
/** What is shipped, by name and version. */
const shipped = Object.entries(packages).flatMap(([place, it]) => {
  const name = place.split('node_modules/').at(-1) ?? '';
  return place === '' || it.dev ? [] : [{ name, version: it.version ?? '', license: it.license ?? 'none' }];
});

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-supply-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('the licences of what is shipped', () => {
  const FREE = ['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0'];
  /** With the reason. One that is not needed any more has to go. */
  const EXCEPTIONS: Readonly<Record<string, string>> = {
    sentry: 'comes with the bundler plug-ins of @sentry/node; nothing of ours runs it, and the image leaves it out',
  };

  it('let anybody use and change it', () => {
    const others = shipped.filter(({ license }) => !FREE.includes(license)).map(({ name }) => name);

    expect(shipped.length).toBeGreaterThan(50);
    expect([...new Set(others)]).toEqual(Object.keys(EXCEPTIONS));
    for (const name of Object.keys(EXCEPTIONS)) expect(read('Dockerfile')).toContain(`node_modules/${name}`);
  });
});

describe('every package', () => {
  it('is the one that was looked at: the lock file has the sum of its bytes', () => {
    const unsummed = Object.entries(packages).flatMap(([place, it]) =>
      place === '' || it.link || it.integrity?.startsWith('sha512-') === true ? [] : [place],
    );

    expect(unsummed).toEqual([]);
  });
});

describe('npm run sbom', () => {
  const Bom = z.object({
    bomFormat: z.literal('CycloneDX'),
    specVersion: z.enum(['1.5', '1.6']),
    serialNumber: z.string().regex(/^urn:uuid:[\da-f-]{36}$/),
    version: z.number(),
    metadata: z.object({ component: z.object({ 'bom-ref': z.string(), version: z.string() }) }),
    components: z.array(
      z.object({
        'bom-ref': z.string(),
        type: z.literal('library'),
        name: z.string(),
        version: z.string(),
        purl: z.string().startsWith('pkg:npm/'),
        licenses: z.array(z.unknown()).min(1).optional(),
        hashes: z
          .array(z.object({ alg: z.literal('SHA-512'), content: z.string().regex(/^[\da-f]{128}$/) }))
          .optional(),
      }),
    ),
    dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
  });

  it('lists all that is shipped, and nothing that only tests use', async () => {
    const file = path.join(directory, 'sbom.cdx.json');
    execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'test/support/sbom-command.ts', file]);
    const bom = Bom.parse(JSON.parse(await readFile(file, 'utf8')));
    const listed = bom.components.map((it) => `${it.name}@${it.version}`);
    const references = new Set([bom.metadata.component['bom-ref'], ...bom.components.map((it) => it['bom-ref'])]);
    const dangling = bom.dependencies.flatMap(({ ref, dependsOn }) =>
      [ref, ...dependsOn].filter((it) => !references.has(it)),
    );

    expect(bom.metadata.component.version).toBe(readPackage().version);
    expect([...new Set(listed)].toSorted()).toEqual(
      [...new Set(shipped.map((it) => `${it.name}@${it.version}`))].toSorted(),
    );
    expect(listed.some((it) => it.startsWith('jest@'))).toBe(false);
    expect(dangling).toEqual([]);
  });

  it('writes a file that Git does not keep', () => {
    expect(read('.gitignore').split('\n')).toContain('sbom.cdx.json');
  });
});

describe('the scan for secrets', () => {
  const Found = z.array(
    z.object({
      filePath: z.string(),
      messages: z.array(z.object({ messageId: z.string(), range: z.tuple([z.number(), z.number()]) })),
    }),
  );
  /** What secretlint finds, as the file and the bytes that it takes for a secret. */
  function scan(files: readonly string[]): readonly { file: string; kind: string; text: string }[] {
    const given = ['--format', 'json', '--no-color', '--secretlintrc', '.secretlintrc.json', '--no-glob', ...files];
    const { stdout, stderr } = spawnSync(process.execPath, ['node_modules/secretlint/bin/secretlint.js', ...given], {
      encoding: 'utf8',
      maxBuffer: 64 * 1_048_576,
    });
    if (stdout.trim() === '') throw new Error(`secretlint said nothing: ${stderr}`);
    return Found.parse(JSON.parse(stdout)).flatMap(({ filePath, messages }) =>
      messages.map(({ messageId, range }) => {
        const file = path.relative(process.cwd(), filePath);
        return { file, kind: messageId, text: file.startsWith('..') ? '' : read(file).slice(...range) };
      }),
    );
  }

  /** A password for a server that has no address outside of its own machine or network is a made-up one. */
  const NOWHERE = /@(127\.0\.0\.1|localhost|db)([:/]|$)/;
  /** Tests of what cuts secrets out of logs need something to cut. */
  const PLANTED = /^test\/.*\.test\.ts$|^src\/platform\/(error-|logger).*\.test\.ts$/;

  it('finds none in the files of the project', () => {
    const found = scan(projectFiles().filter((file) => file !== 'package-lock.json'));

    expect(found.filter(({ file, text }) => !NOWHERE.test(text) && !PLANTED.test(file))).toEqual([]);
  });

  it('would find one: each of these is noticed', async () => {
    // In parts, so that this file does not hold what it looks for.
    const canaries = {
      'aws.env': ['AWS_SECRET_ACCESS_KEY="', 'q7Zt4mNpLw9RfKxVb2Yh', 'Jd8sGc3QeTuWa6iHoPzX', '"'].join(''),
      'key.pem': [
        '-----BEGIN ',
        'RSA PRIVATE KEY-----\n',
        'MIIEpAIBAAKCAQEA'.repeat(12),
        '\n-----END RSA ',
        'PRIVATE KEY-----\n',
      ].join(''),
      'slack.ts': [
        "const url = 'https://hooks.",
        'slack.com/services/',
        "T01ABCDEF/B01ABCDEF/abcdefghijklmnopqrstuvwx';",
      ].join(''),
      'github.txt': ['token: gh', 'p_', 'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'].join(''),
      'database.yaml': ['url: postgres', '://plantao:hZ93kf0aPq', '@db.example.com:5432/plantao'].join(''),
    };
    const files = Object.keys(canaries).map((name) => path.join(directory, name));
    for (const [name, text] of Object.entries(canaries)) await writeFile(path.join(directory, name), text);

    const found = scan(files).map(({ file }) => path.basename(file));

    expect([...new Set(found)].toSorted()).toEqual(Object.keys(canaries).toSorted());
  });
});

describe('the Dockerfile', () => {
  const text = read('Dockerfile');

  it('is one that its linter finds nothing against', () => {
    expect(validate(text).map(({ message, range }) => ({ line: range.start.line + 1, message }))).toEqual([]);
  });

  it('is made of pinned images, copies and never adds, takes no secret, and ends as an ordinary user', () => {
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);

    expect(images.filter((image) => !/:\d+\.\d+\.\d+-|@sha256:/.test(image))).toEqual([]);
    expect(text).not.toMatch(/^ADD |^(ARG|ENV) .*(KEY|PASSWORD|TOKEN|SECRET)|curl |wget |apt-get|sudo|chmod 777/m);
    expect(text.lastIndexOf('\nUSER 1000')).toBeGreaterThan(text.lastIndexOf('\nCOPY '));
    expect(text).toMatch(/^HEALTHCHECK /m);
    expect(text).toMatch(/npm ci --omit=dev --ignore-scripts/);
  });

  it('is given nothing but what it copies', () => {
    const [first, ...rest] = read('.dockerignore').trim().split('\n');

    expect(first).toBe('*');
    expect(rest.filter((line) => line.startsWith('!') && !exists(line.slice(1)))).toEqual([]);
    expect(rest.join()).not.toMatch(/!\.env|!secrets|!\.git\b/);
  });
});

describe('.github/workflows', () => {
  const Workflow = z.object({
    on: z.unknown(),
    permissions: z.strictObject({ contents: z.literal('read') }),
    jobs: z.record(
      z.string(),
      z.object({
        'timeout-minutes': z.number().max(30),
        container: z.string(),
        steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
      }),
    ),
  });
  const workflows = projectFiles()
    .filter((file) => file.startsWith('.github/workflows/'))
    .map((file) => ({ file, jobs: Object.values(Workflow.parse(parse(read(file))).jobs) }));

  it('run what anybody can run: .ci/run, and the weekly questions', () => {
    const commands = workflows.flatMap(({ jobs }) =>
      jobs.flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? [])),
    );

    expect(commands).toEqual(expect.arrayContaining(['.ci/run', 'npm run audit -- --required', 'npm run sbom']));
  });

  it('use actions by the sum of their code, and the Node of the tests', () => {
    const used = workflows.flatMap(({ jobs }) => jobs.flatMap(({ steps }) => steps.flatMap(({ uses }) => uses ?? [])));
    const images = workflows.flatMap(({ jobs }) => jobs.map(({ container }) => container));

    expect(used.filter((action) => !/^actions\/[\w-]+@[\da-f]{40}$/.test(action))).toEqual([]);
    expect([...new Set(images)]).toEqual([`node:${readPackage().devDependencies.node ?? ''}-bookworm`]);
  });
});

describe('renovate.json', () => {
  const Renovate = z.looseObject({
    extends: z.array(z.string()),
    minimumReleaseAge: z.string(),
    packageRules: z.array(
      z.looseObject({ description: z.string(), matchPackageNames: z.array(z.string()).optional() }),
    ),
  });
  const renovate = Renovate.parse(JSON.parse(read('renovate.json')));

  it('pins images and actions to their sums, and waits until a release is not fresh any more', () => {
    expect(renovate.extends).toEqual(expect.arrayContaining(['docker:pinDigests', 'helpers:pinGitHubActionDigests']));
    expect(renovate.minimumReleaseAge).toMatch(/^\d+ days$/);
  });

  it('has rules for what is there', () => {
    const everything = [read('package.json'), read('docker-compose.yml')].join();
    const named = renovate.packageRules.flatMap(({ matchPackageNames = [] }) => matchPackageNames);

    expect(named.filter((name) => !everything.includes(name))).toEqual([]);
  });
});
