import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS } from '../chaos/fault-schedule.ts';
import { faultsPage, readEvidence } from '../chaos/faults-page.ts';
import { read } from './project.ts';

describe('docs/faults.md', () => {
  const { records, sabotage } = readEvidence();

  it('is what npm run faults makes of the records', () => {
    expect(read('docs/faults.md')).toBe(faultsPage(records, sabotage));
  });

  it('rests on records in which every fault happened', () => {
    const happened = new Set(records.flatMap((record) => Object.keys(record.faults)));

    expect(FAULT_KINDS.filter((kind) => !happened.has(kind))).toEqual([]);
  });
});
