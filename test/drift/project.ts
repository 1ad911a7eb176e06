import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

/** What the drift tests read: the project's own files, as they stand in the working tree. */
const ROOT = path.join(import.meta.dirname, '..', '..');

/** The text of a file, named from the project's root. */
export function read(file: string): string {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

export function exists(file: string): boolean {
  return fs.existsSync(path.join(ROOT, file));
}

/** Every file of the project: what Git keeps, and what it would keep. */
export function projectFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 16 * 1_048_576,
  });
  return [...new Set(listed.split('\0'))].filter((file) => file !== '' && exists(file)).toSorted();
}

export const Package = z.object({
  version: z.string(),
  scripts: z.record(z.string(), z.string()),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

export function readPackage(): z.infer<typeof Package> {
  return Package.parse(JSON.parse(read('package.json')));
}

/** The rows of the Markdown tables of a text, cell by cell, without their headings. Marks of code are taken off. */
export function tableRows(markdown: string): readonly (readonly string[])[] {
  const lines = markdown.split('\n');
  return lines.flatMap((line, index) => {
    const isHeading = /^\|[\s:|-]+\|$/.test(lines[index + 1] ?? '');
    if (!line.startsWith('|') || isHeading || /^\|[\s:|-]+\|$/.test(line)) return [];
    const cells = line.split('|').slice(1, -1);
    return [cells.map((cell) => cell.trim().replace(/^`(.*)`$/, '$1'))];
  });
}

/** The part of a text under a heading, up to the next heading of the same or a higher level. */
export function section(markdown: string, heading: string): string {
  const [, marks = ''] = /^(#+) /.exec(heading) ?? [];
  const start = markdown.indexOf(`${heading}\n`);
  if (start === -1) throw new Error(`There is no heading "${heading}"`);
  const rest = markdown.slice(start + heading.length);
  const end = rest.search(new RegExp(`^#{1,${marks.length}} `, 'm'));
  return end === -1 ? rest : rest.slice(0, end);
}
