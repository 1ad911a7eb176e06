import { describe, expect, it } from '@jest/globals';
import { NODE_FLAGS } from '../../local/node-flags.ts';
import { exists, projectFiles, read, readPackage } from './project.ts';

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

    expect(after('FROM').map((image) => image.split(' ', 1)[0])).toEqual(
      Array.from({ length: 2 }, () => `node:${devDependencies.node ?? ''}-bookworm-slim`),
    );
    // A number, because Kubernetes cannot tell from a name that it is not root.
    expect(after('USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('is asked for its health by Node, and ended by SIGTERM', () => {
    expect(after('HEALTHCHECK').join()).toContain('/livez');
    expect(after('HEALTHCHECK').join()).not.toContain('curl');
    expect(after('STOPSIGNAL')).toEqual(['SIGTERM']);
  });
});

describe('the limits of the heap', () => {
  const HEAP = /--max-[\w-]+-size=\d+/;
  const expected = NODE_FLAGS.filter((flag) => HEAP.test(flag)).toSorted();
  const flagsIn = (text: string): readonly string[] => (text.match(new RegExp(HEAP, 'g')) ?? []).toSorted();

  it('are the same wherever a process of ours is started', () => {
    const { scripts } = readPackage();
    const unit = (name: string): string => read(`deploy/systemd/plantao-${name}.service`);
    const places = {
      'npm run serve': scripts.serve ?? '',
      'npm run work': scripts.work ?? '',
      'the image': read('Dockerfile'),
      'the unit of the service': unit('service'),
      'the unit of a worker': unit('worker@'),
    };

    expect(expected).toHaveLength(2);
    expect(Object.entries(places).filter(([, text]) => flagsIn(text).join() !== expected.join())).toEqual([]);
  });
});
