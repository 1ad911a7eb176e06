import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findSabotages, readSabotageResults } from '../sabotage/sabotage.ts';
import type { Sabotage } from '../sabotage/sabotage.ts';
import { exists } from './project.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

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

  it('was run whole since it was changed, and every sabotage was noticed', () => {
    const results = readSabotageResults(ROOT).map(({ name, suites, wentRed }) => ({ name, suites, wentRed }));

    expect(results).toEqual(sabotages.map(({ name, suites }) => ({ name, suites, wentRed: true })));
  });

  it('was put through the chaos run where that looks for the guarantee, which found what belongs to it', () => {
    const results = readSabotageResults(ROOT).flatMap(({ name, chaos }) =>
      chaos === undefined ? [] : [{ name, expected: chaos.expected, wentRed: chaos.wentRed }],
    );
    const sought = sabotages.filter(({ chaosKinds }) => chaosKinds.length > 0);

    expect(results).toEqual(sought.map(({ name, chaosKinds }) => ({ name, expected: chaosKinds, wentRed: true })));
  });
});
