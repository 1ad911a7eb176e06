import fs from 'node:fs';
import { faultsPage, PAGE, readEvidence } from './faults-page.ts';

/** `npm run faults`: prints the page of faults and writes it to docs/faults.md. */
const { records, sabotage } = readEvidence();
const page = faultsPage(records, sabotage);
fs.writeFileSync(PAGE, page);
console.log(page);
