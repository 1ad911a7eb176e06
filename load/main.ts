import path from 'node:path';
import { parseArgs } from 'node:util';
import { Ground } from '../bench/ground.ts';
import { describeMachine } from '../bench/machine.ts';
import { printTable } from '../bench/report.ts';
import { PROFILE_NAMES, planProfile } from '../k6/lib/profiles.ts';
import type { ProfileName } from '../k6/lib/profiles.ts';
import { recordOf } from './record.ts';
import { keepRecord, writeJson } from './records.ts';
import { tablesOf } from './report.ts';
import { runProfile } from './run-profile.ts';
import type { Leg } from './run-profile.ts';
import { holdStage } from './stage.ts';

/**
 * `npm run load -- burst|steady|slow-model|soak|ramp|all [--minutes n] [--workers n] [--record] [--sabotage lose|double]`:
 * the twin of `k6/`, with nothing to install. 0: every accepted message was answered once, to its customer, in order.
 *
 * `npm run load -- stage` starts the same product and waits, for k6. `--record` keeps the result in docs/load.md.
 */
const EXIT_USAGE = 64;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    workers: { type: 'string', default: '1' },
    record: { type: 'boolean', default: false },
    sabotage: { type: 'string' },
  },
});

function usage(): never {
  const profiles = [...PROFILE_NAMES, 'all', 'stage'].join('|');
  console.error(`npm run load -- ${profiles} [--minutes n] [--workers n] [--record] [--sabotage lose|double]`);
  process.exit(EXIT_USAGE);
}

function isProfile(name: string): name is ProfileName {
  return PROFILE_NAMES.some((known) => known === name);
}

function positive(text: string): number {
  const value = Number(text);
  return value > 0 && Number.isFinite(value) ? value : usage();
}

function sabotageOf(text: string | undefined): 'lose' | 'double' | undefined {
  return text === undefined || text === 'lose' || text === 'double' ? text : usage();
}

const [asked = ''] = positionals;
const names = asked === 'all' ? [...PROFILE_NAMES] : isProfile(asked) ? [asked] : [];
if ((names.length === 0 && asked !== 'stage') || positionals.length > 1) usage();
const minutes = options.minutes === undefined ? undefined : positive(options.minutes);
const workers = Math.ceil(positive(options.workers));
const sabotage = sabotageOf(options.sabotage);

if (sabotage !== undefined && options.record) usage();

const ground = await Ground.open();
process.once('SIGINT', () => {
  void ground.close().finally(() => process.exit(130));
});
// Databases outlive the process that started them; whatever goes wrong here, they must not.
process.once('uncaughtException', (error) => {
  console.error(error);
  void ground.close().finally(() => process.exit(1));
});
const versions = { postgres: await ground.postgresVersion(), redis: ground.redis.description };
console.log(describeMachine(versions));
let isBroken = false;
try {
  if (asked === 'stage') await holdStage(ground, workers);
  for (const name of names) isBroken = (await run(name)) || isBroken;
} finally {
  await ground.close();
}
// A threshold that is missed is a fact to print, and how a ramp ends. What got lost, or came twice, is a failure.
if (isBroken) process.exitCode = 1;

async function run(name: ProfileName): Promise<boolean> {
  const profile = planProfile(name, minutes);
  console.log(`\n${name}: ${profile.says}`);
  const onLeg = ({ perSecond, posted, answered, missed, problems }: Leg): void => {
    const end = [...problems, ...missed].join(', ');
    console.log(`  ${perSecond} messages/s: ${posted} posted, ${answered} answered${end === '' ? '' : `; ${end}`}`);
  };
  const legs = await runProfile(ground, profile, { workers, sabotage, onLeg });
  for (const table of tablesOf(name, legs)) printTable(table);
  const record = recordOf(profile, { legs, workers }, versions);
  const file = path.join('.plantao', 'load', `${name}.json`);
  writeJson(file, record);
  console.log(`  ${file}`);
  if (options.record) keepRecord(record);
  return legs.some((leg) => leg.problems.length > 0);
}
