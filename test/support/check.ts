import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * `npm run check`: everything that can be seen without running the product, two checks at a time, the longest first. What
 * each of them says comes whole, when it has ended. The exit code is 1 when one of them is not content.
 */
const CHECKS = [
  'eslint --max-warnings 0 .',
  'prettier --check --log-level warn .',
  'tsc --noEmit',
  'tsc --noEmit -p sandbox/phone',
  'tsc --noEmit -p k6',
  'node test/support/check-floors.ts',
];
const AT_ONCE = 2;

async function run(command: string): Promise<boolean> {
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  }
  await once(child, 'close');
  const isContent = child.exitCode === 0;
  process.stdout.write(isContent ? said : `${said}FAILED: ${command}\n`);
  return isContent;
}

const waiting = [...CHECKS];
const verdicts: boolean[] = [];
async function takeNext(): Promise<void> {
  for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) {
    verdicts.push(await run(command));
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, takeNext));
process.exitCode = verdicts.every(Boolean) ? 0 : 1;
