import fs from 'node:fs';
import path from 'node:path';

/** A guarantee, the patch that takes it out of the product, and the tests that must notice. */
export interface Sabotage {
  /** The name of the patch without its ending. */
  readonly name: string;
  /** What stops being true. */
  readonly guarantee: string;
  /** Test files. */
  readonly suites: readonly [string, ...string[]];
  /** Relative to the repository. */
  readonly patch: string;
  /** The kind of fault of `npm run chaos` that the guarantee is there for, where there is one. */
  readonly fault: string | undefined;
}

export const SABOTAGE_FOLDER = 'test/sabotage';

/**
 * All sabotages, by name. Each patch begins with the lines `Guarantee:`, `Suites:` and perhaps `Fault:`, which git ignores
 * when it applies it.
 *
 * @param root of the repository.
 * @throws when a patch does not say what it takes away, or who should notice.
 */
export function findSabotages(root: string): readonly Sabotage[] {
  const files = fs.readdirSync(path.join(root, SABOTAGE_FOLDER)).filter((file) => file.endsWith('.patch'));
  return files.toSorted().map((file) => {
    const patch = `${SABOTAGE_FOLDER}/${file}`;
    const text = fs.readFileSync(path.join(root, patch), 'utf8');
    const guarantee = /^Guarantee: (.+)$/m.exec(text)?.[1];
    const [suite, ...others] = /^Suites: (.+)$/m.exec(text)?.[1]?.split(' ') ?? [];
    if (guarantee === undefined || suite === undefined) {
      throw new Error(`${patch} must begin with a line "Guarantee: …" and a line "Suites: …"`);
    }
    return {
      name: file.replace(/\.patch$/, ''),
      guarantee,
      suites: [suite, ...others],
      patch,
      fault: /^Fault: (.+)$/m.exec(text)?.[1],
    };
  });
}
