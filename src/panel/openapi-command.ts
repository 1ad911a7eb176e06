import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openApiDocument } from './openapi.ts';

/** `node src/panel/openapi-command.ts` writes docs/openapi.json; a test fails while it is not what the contract says. */
const file = path.join(import.meta.dirname, '../../docs/openapi.json');
mkdirSync(path.dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify(openApiDocument(), undefined, 2)}\n`);
console.log(`Written: ${file}`);
