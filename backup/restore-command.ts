import { parseArgs } from 'node:util';
import { z } from 'zod';
import { loadConfigOrExit, RestoreEnvironment } from '../src/config.ts';
import { EX_USAGE } from '../src/platform/command.ts';
import { Archive } from './archive.ts';
import { restore } from './restore.ts';
import { inspect } from './verify.ts';

const USAGE = `Usage: npm run restore -- [--to <time>] --into <folder>
  --to     the last moment to be restored, with its zone: 2026-11-21T18:00:00-03:00. Without it: all there is.
  --into   where the new database goes: a folder that is not there yet, or is empty`;

const Options = z.strictObject({
  into: z.string().min(1),
  to: z.iso.datetime({ offset: true }).optional(),
});

const say = (line: string): void => {
  console.log(line);
};

async function main(given: readonly string[]): Promise<number> {
  if (given.includes('--help')) {
    say(USAGE);
    return 0;
  }
  const options = Options.safeParse(read(given));
  if (!options.success) {
    console.error(USAGE);
    return EX_USAGE;
  }
  const { into, to } = options.data;
  const config = loadConfigOrExit(RestoreEnvironment);
  const archive = new Archive(config.directory, config.key, config.keyPrevious);
  const restored = await restore(
    { archive, postgresBin: config.postgresBin, say },
    { into, to: to === undefined ? undefined : new Date(to) },
  );
  let isGood = true;
  try {
    await inspect(restored, say);
  } catch (error) {
    // It is still all that there is: whoever needs it decides.
    isGood = false;
    console.error(`It is restored, but: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await restored.server.stop();
  }
  say(`Restored in ${(restored.tookMs / 1_000).toFixed(1)} s, and stopped again.`);
  for (const line of nextSteps(into, restored.tools.folder)) say(line);
  return isGood ? 0 : 1;
}

function read(given: readonly string[]): unknown {
  try {
    return { ...parseArgs({ args: [...given], options: { into: { type: 'string' }, to: { type: 'string' } } }).values };
  } catch {
    return undefined;
  }
}

function nextSteps(into: string, folder: string): readonly string[] {
  return [
    '',
    'To bring the product up on it:',
    '  1. Stop every service, worker and `backup -- wal` of the old database.',
    `  2. Start the new one as its owner: ${folder}/pg_ctl -D ${into} start`,
    '     (where postgresql.conf is kept elsewhere, as on Debian, copy it there first; its passwords are those of the backup)',
    '  3. npm run migrate -- up, then services and workers with this DATABASE_URL and the same MASTER_KEY. Redis may be empty.',
    '     (where MASTER_KEY was changed since: the MASTER_KEY of that time as MASTER_KEY_PREVIOUS, then npm run rotate -- master-key)',
    '  4. npm run backup -- wal, and at once npm run backup: before that nothing newer than this restore is kept.',
  ];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  for (let reason = error; reason instanceof Error; reason = reason.cause) console.error(reason.message);
  process.exitCode = 1;
}
