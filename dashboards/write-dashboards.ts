import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DASHBOARDS, fileOf } from './dashboards.ts';

/** `npm run dashboards`: writes each dashboard beside this file. Run it twice and nothing has changed. */
for (const dashboard of DASHBOARDS) {
  const { name, text } = fileOf(dashboard);
  await writeFile(path.join(import.meta.dirname, name), text);
  process.stdout.write(`dashboards/${name}\n`);
}
