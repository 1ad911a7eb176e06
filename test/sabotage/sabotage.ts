import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { FAULT_KINDS } from '../chaos/fault-schedule.ts';
import type { FaultKind } from '../chaos/fault-schedule.ts';
import { VIOLATION_KINDS } from '../chaos/violation.ts';
import type { ViolationKind } from '../chaos/violation.ts';

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
  readonly fault: FaultKind | undefined;
  /** What the short chaos run must find, one of them at least; none where it does not look for the guarantee. */
  readonly chaosKinds: readonly ViolationKind[];
}

const Counts = z.partialRecord(z.enum(VIOLATION_KINDS), z.int());

/** What the short chaos run found without the guarantee. */
const ChaosResult = z.object({
  expected: z.array(z.enum(VIOLATION_KINDS)).readonly(),
  violations: Counts,
  /** Whether it found a violation that belongs to the guarantee. Being slow is none. */
  wentRed: z.boolean(),
});

/** What became of the tests, and of the chaos run, without a guarantee. */
export const SabotageResult = z.object({
  name: z.string(),
  guarantee: z.string(),
  patch: z.string(),
  suites: z.array(z.string()).readonly(),
  /** The row of the page of faults that it belongs to, where it belongs to one. */
  fault: z.enum(FAULT_KINDS).optional(),
  passed: z.int(),
  failed: z.int(),
  /** The titles of the tests that failed. */
  noticedBy: z.array(z.string()).readonly(),
  wentRed: z.boolean(),
  seconds: z.int(),
  chaos: ChaosResult.optional(),
});
export type SabotageResult = z.infer<typeof SabotageResult>;

export const SABOTAGE_FOLDER = 'test/sabotage';

/**
 * All sabotages, by name. Each patch begins with the lines `Guarantee:`, `Suites:` and perhaps `Fault:` and `Chaos:`, which git
 * ignores when it applies it.
 *
 * @param root of the repository.
 * @throws when a patch does not say what it takes away, or who should notice, or names what there is not.
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
      fault: z
        .enum(FAULT_KINDS)
        .optional()
        .parse(/^Fault: (.+)$/m.exec(text)?.[1]),
      chaosKinds: z.array(z.enum(VIOLATION_KINDS)).parse(/^Chaos: (.+)$/m.exec(text)?.[1]?.split(' ') ?? []),
    };
  });
}

function resultsFile(root: string): string {
  return path.join(root, SABOTAGE_FOLDER, 'results.json');
}

/** What is known from the last runs. */
export function readSabotageResults(root: string): readonly SabotageResult[] {
  const file = resultsFile(root);
  return fs.existsSync(file) ? z.array(SabotageResult).parse(JSON.parse(fs.readFileSync(file, 'utf8'))) : [];
}

export function writeSabotageResults(root: string, results: readonly SabotageResult[]): void {
  fs.writeFileSync(resultsFile(root), `${JSON.stringify(results, undefined, 2)}\n`);
}
