import { describe, expect, it } from '@jest/globals';
import { projectFiles, read, readPackage } from './project.ts';

describe('the packages', () => {
  it('are pinned to one exact version each', () => {
    const { dependencies, devDependencies } = readPackage();
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );

    expect(loose).toEqual([]);
  });

  it('come from whatever registry the machine uses: the lock file names none', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });

  it('have their version told to the operator', () => {
    expect(read('CHANGELOG.md')).toContain(`## ${readPackage().version}`);
  });
});

describe('the files of the project', () => {
  // In parts, so that this file does not hold what it forbids.
  const FORBIDDEN = [
    ['/wo', 'rk/'],
    ['/ro', 'ot/'],
    ['TO', 'DO'],
    ['FIX', 'ME'],
  ].map((parts) => parts.join(''));
  const WRITTEN_BY_TOOLS = ['package-lock.json'];

  it('name no place of one machine, and put nothing off', () => {
    const found = projectFiles()
      .filter(
        (file) => /\.(ts|js|cjs|json|md|ya?ml|html|css)$|^[^.]+$|^\./.test(file) && !WRITTEN_BY_TOOLS.includes(file),
      )
      .flatMap((file) => {
        const text = read(file);
        return FORBIDDEN.filter((word) => new RegExp(`(?<![\\w.])${word}`).test(text)).map(
          (word) => `${file}: ${word}`,
        );
      });

    expect(found).toEqual([]);
  });
});
