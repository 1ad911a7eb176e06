import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { exists, projectFiles, read, readPackage, section, tableRows } from './project.ts';

const documents = projectFiles().filter((file) => file.endsWith('.md') && !file.startsWith('sandbox/'));

describe('the commands in the README', () => {
  const { scripts } = readPackage();
  const rows = tableRows(section(read('README.md'), '## Commands'));

  it('are the scripts of package.json, all of them', () => {
    const told = rows.flatMap(([command = '']) => scriptsIn(command));

    expect([...new Set(told)].toSorted()).toEqual(Object.keys(scripts).toSorted());
  });

  it('start programs that are there', () => {
    const programs = Object.values(scripts).flatMap((script) => script.match(/\b[\w./-]+\.ts\b/g) ?? []);

    expect(programs.filter((program) => !exists(program))).toEqual([]);
  });

  it('are written in no document otherwise', () => {
    const unknown = documents.flatMap((file) =>
      scriptsIn(read(file)).flatMap((name) => (name in scripts ? [] : [`${file}: npm run ${name}`])),
    );

    expect(unknown).toEqual([]);
  });
});

describe('the tree in docs/ARCHITECTURE.md', () => {
  const [, drawn = ''] = /```text\n(src\/[^]*?)```/.exec(read('docs/ARCHITECTURE.md')) ?? [];
  const files = projectFiles();

  it('has every top folder', () => {
    const folders = files.flatMap((file) => /^([^/.][^/]*)\//.exec(file)?.[1] ?? []);

    expect(namesIn(drawn, /^([\w-]+)\/(?: |$)/gm)).toEqual([...new Set(folders)].toSorted());
  });

  it('has every folder and every file that stands in src/', () => {
    const inside = files.flatMap((file) => /^src\/([^/]+\/|[^/]+$)/.exec(file)?.[1] ?? []);
    const own = inside.filter((name) => !name.endsWith('.test.ts'));

    expect(namesIn(drawn, /^ {2}([\w-]+(?:\/|\.ts)) /gm)).toEqual([...new Set(own)].toSorted());
  });
});

describe('the files that docs/ARCHITECTURE.md names', () => {
  it('are there, and hold the constants that it says they hold', () => {
    const architecture = read('docs/ARCHITECTURE.md');
    const named = [...architecture.matchAll(/`((?:src|workers|local|migrations|test)\/[\w./-]+\.\w+)`/g)];
    const limits = tableRows(section(architecture, '## Limits'));
    const wrong = limits.filter(([, constant = '', file = '']) => !new RegExp(`\\b${constant}\\b`).test(textOf(file)));

    expect(named.flatMap(([, file = '']) => (exists(file) ? [] : [file]))).toEqual([]);
    expect(limits.length).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });
});

describe('a link in a document', () => {
  it('leads to a file that is there', () => {
    const broken = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].flatMap(([, target = '']) =>
        exists(path.join(path.dirname(file), target)) ? [] : [`${file} -> ${target}`],
      ),
    );

    expect(broken).toEqual([]);
  });
});

describe('docs/decisions/', () => {
  const decisions = documents.filter((file) => file.startsWith('docs/decisions/'));

  it('is numbered without gaps', () => {
    const numbers = decisions.map((file) => Number(path.basename(file).slice(0, 4)));

    expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
  });

  it('has the same four headings on every page', () => {
    for (const file of decisions) {
      expect([file, ...(read(file).match(/^## .+$/gm) ?? [])]).toEqual([
        file,
        '## What forced a choice',
        '## What we chose',
        '## What we gave up',
        '## How we will notice it was wrong',
      ]);
    }
  });
});

/** The scripts that a text tells somebody to run. */
function scriptsIn(text: string): readonly string[] {
  return [...text.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]*\w)|(start|test)\b)/g)].map(
    ([, named, short]) => named ?? short ?? '',
  );
}

function namesIn(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name).toSorted();
}

function textOf(file: string): string {
  return exists(file) ? read(file) : '';
}
