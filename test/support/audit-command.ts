import { spawnSync } from 'node:child_process';
import { z } from 'zod';

/*
 * `npm run audit`: are weaknesses known in what we ship? High and critical ones fail; the others are for the next update.
 *
 * Not every registry knows: one that cannot be asked is said, and fails only with `--required`, as in the weekly run.
 */
const Counts = z.object({
  metadata: z.object({
    vulnerabilities: z.object({ low: z.number(), moderate: z.number(), high: z.number(), critical: z.number() }),
  }),
});

const run = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8', timeout: 60_000 });
const answer = parse(run.stdout);
if (answer === undefined) {
  process.stdout.write('The registry could not be asked for known weaknesses; nothing is known, good or bad.\n');
  process.exitCode = process.argv.includes('--required') ? 1 : 0;
} else {
  const { low, moderate, high, critical } = answer.metadata.vulnerabilities;
  process.stdout.write(`Known weaknesses: ${critical} critical, ${high} high, ${moderate} moderate, ${low} low\n`);
  process.exitCode = critical + high > 0 ? 1 : 0;
}

function parse(text: string): z.infer<typeof Counts> | undefined {
  try {
    return Counts.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
