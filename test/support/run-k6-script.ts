import path from 'node:path';
import { z } from 'zod';
import { execution, readNoted } from './k6-modules.ts';

/*
 * `node run-k6-script.ts <script> <messages>`: begins, posts and verifies as k6 would, one message after the other, and
 * prints what the script has noted in its metrics.
 */
const Script = z.object({
  setup: z.custom<() => unknown>((value) => typeof value === 'function'),
  post: z.custom<(begun: unknown) => void>((value) => typeof value === 'function'),
  verification: z.custom<(begun: unknown) => void>((value) => typeof value === 'function').optional(),
  teardown: z.custom<(begun: unknown) => void>((value) => typeof value === 'function').optional(),
});

const [file = '', messages = ''] = process.argv.slice(2);
const script = Script.parse({ ...((await import(path.resolve(file))) as object) });
const begun = script.setup();
for (let number = 0; number < Number(messages); number += 1) {
  execution.scenario.iterationInTest = number;
  script.post(begun);
  execution.instance.iterationsCompleted += 1;
}
script.verification?.(begun);
script.teardown?.(begun);
console.log(JSON.stringify(readNoted()));
process.exit(0);
