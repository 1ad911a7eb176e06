import fs from 'node:fs';
import path from 'node:path';
import { PROFILE_NAMES } from '../k6/lib/profiles.ts';
import { LoadRecord } from './record.ts';
import { withResults } from './report.ts';

const RECORDS = path.join(import.meta.dirname, 'records');
const PAGE = path.join(import.meta.dirname, '..', 'docs', 'load.md');

/** The newest record of each profile, in the order in which profiles are named. */
export function readRecords(): readonly LoadRecord[] {
  return PROFILE_NAMES.flatMap((name) => {
    const file = path.join(RECORDS, `${name}.json`);
    return fs.existsSync(file) ? [LoadRecord.parse(JSON.parse(fs.readFileSync(file, 'utf8')))] : [];
  });
}

/** Keeps a record in place of the one before, and writes docs/load.md anew. */
export function keepRecord(record: LoadRecord): void {
  writeJson(path.join(RECORDS, `${record.profile}.json`), record);
  fs.writeFileSync(PAGE, withResults(fs.readFileSync(PAGE, 'utf8'), readRecords()));
}

export function writeJson(file: string, record: LoadRecord): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
}
