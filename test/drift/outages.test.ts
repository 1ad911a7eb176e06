import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { exists, projectFiles, read, tableRows } from './project.ts';

const FOLDER = 'test/outages';

interface Shown {
  readonly file: string;
  readonly title: string;
}

/** Each file that a cell names, with the titles behind it. */
function shownBy(cell: string): readonly Shown[] {
  return [...cell.matchAll(/\]\(([^)]+)\): ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, link = '', titles = '']) =>
    [...titles.matchAll(/“([^”]+)”/g)].map(([, title = '']) => ({ file: path.join(FOLDER, link), title })),
  );
}

describe('test/outages/README.md', () => {
  const rows = tableRows(read(`${FOLDER}/README.md`));
  const shown = rows.flatMap(([, , cell = '']) => shownBy(cell));

  it('is numbered without gaps, and shows something in every row', () => {
    expect(rows.map(([number]) => Number(number))).toEqual(rows.map((_row, index) => index + 1));
    expect(rows.filter(([, , cell = '']) => shownBy(cell).length === 0)).toEqual([]);
  });

  it('names tests that are there, by their titles', () => {
    const missing = shown.filter(({ file, title }) => !exists(file) || !read(file).includes(`'${title}'`));

    expect(missing).toEqual([]);
  });

  it('names every test file of its folder', () => {
    const files = projectFiles().filter((file) => file.startsWith(FOLDER) && file.endsWith('.test.ts'));

    expect(files.filter((file) => !shown.some((it) => it.file === file))).toEqual([]);
  });
});
