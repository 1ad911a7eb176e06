import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { FAULT_KINDS } from '../chaos/fault-schedule.ts';
import { findSabotages, SABOTAGE_FOLDER } from '../sabotage/sabotage.ts';
import type { Sabotage } from '../sabotage/sabotage.ts';
import { exists, read } from './project.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

const Results = z.array(z.object({ name: z.string(), suites: z.array(z.string()), wentRed: z.boolean() }));

/** Whether the patch fits the files as they are. Changes nothing. */
function applies({ patch }: Sabotage): boolean {
  try {
    execFileSync('git', ['apply', '--check', patch], { cwd: ROOT, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('test/sabotage/', () => {
  const sabotages = findSabotages(ROOT);

  it('has patches that fit the product as it is', () => {
    expect(sabotages.filter((sabotage) => !applies(sabotage)).map(({ name }) => name)).toEqual([]);
  });

  it('names tests that are there', () => {
    const suites = sabotages.flatMap((sabotage) => sabotage.suites);

    expect(suites.filter((suite) => !suite.endsWith('.test.ts') || !exists(suite))).toEqual([]);
  });

  it('names faults that npm run chaos makes', () => {
    const kinds: readonly string[] = FAULT_KINDS;

    expect(sabotages.filter(({ fault }) => fault !== undefined && !kinds.includes(fault))).toEqual([]);
  });

  it('was run whole since it was changed, and every sabotage was noticed', () => {
    const results = Results.parse(JSON.parse(read(`${SABOTAGE_FOLDER}/results.json`)));

    expect(results).toEqual(sabotages.map(({ name, suites }) => ({ name, suites, wentRed: true })));
  });
});
