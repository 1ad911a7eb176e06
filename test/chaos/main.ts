import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../bench/machine.ts';
import { findRedisServer } from '../../local/local-redis.ts';
import { planFaults } from './fault-schedule.ts';
import { planLoad } from './load.ts';
import { Naive } from './naive/naive.ts';
import { CHANNELS } from './pipeline.ts';
import { Product } from './product.ts';
import { readCommit, recordOf } from './record.ts';
import { printRun, problemsOf } from './report.ts';
import { QUIET_WITHIN_MS, runPipeline, WORKERS } from './run.ts';

/**
 * `npm run chaos [-- --messages N --seed S --rate R --short --naive --record file.json --keep --calm --sabotaged]`: the whole product
 * under load while everything around it fails, and the check of what came of it. 0: every promise was kept.
 *
 * `--short` takes under three minutes; `--naive` puts the naive pipeline through the same afterwards; `--keep` leaves the
 * logs and the history; `--calm` leaves the faults out; `--sabotaged` is for a product that was broken on purpose: it is
 * not waited for as long as usual, and its logs are not kept.
 */
const LONG = { messages: '10000', rate: '60' };
const SHORT = { messages: '1600', rate: '19' };
/** What is open then has no end, and the check says so. */
const SABOTAGED_QUIET_WITHIN_MS = 15_000;
/** The exit codes of sysexits.h. */
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string' },
    seed: { type: 'string', default: '1' },
    rate: { type: 'string' },
    short: { type: 'boolean', default: false },
    naive: { type: 'boolean', default: false },
    record: { type: 'string' },
    keep: { type: 'boolean', default: false },
    calm: { type: 'boolean', default: false },
    sabotaged: { type: 'boolean', default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${name} must be a whole number above 0`);
  process.exit(EXIT_USAGE);
}

const defaults = options.short ? SHORT : LONG;
const seed = wholeNumber('seed', options.seed);
const messages = wholeNumber('messages', options.messages ?? defaults.messages);
const perSecond = wholeNumber('rate', options.rate ?? defaults.rate);

const commit = readCommit();
const redis = findRedisServer();
if (redis === undefined) {
  console.error(
    'The chaos run kills a Redis server of its own, and there is no redis-server or valkey-server on PATH.',
  );
  process.exit(EXIT_UNAVAILABLE);
}

const [first = '', ...others] = CHANNELS.map((channel) => channel.name);
const load = planLoad({ seed, messages, perSecond, channels: [first, ...others] });
function plannedFaults(): ReturnType<typeof planFaults> {
  try {
    return options.calm ? [] : planFaults({ seed, loadMs: load.lastsMs, workers: WORKERS });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(EXIT_USAGE);
  }
}
const quietWithinMs = options.sabotaged ? SABOTAGED_QUIET_WITHIN_MS : QUIET_WITHIN_MS;
const plan = { load, faults: plannedFaults(), quietWithinMs };

console.log(describeMachine({ postgres: 'from npm', redis }));
console.log(`seed ${seed}: ${messages} messages, ${perSecond} a second, ${plan.faults.length} faults`);
const run = await runPipeline((parts) => Product.start(parts), plan, {
  keepsFolder: options.keep,
  isExpectedToFail: options.sabotaged,
});
printRun('The product', run, { hasTimes: true });
const naive = options.naive
  ? await runPipeline((parts) => Naive.start(parts), plan, { isExpectedToFail: true })
  : undefined;
if (naive !== undefined) printRun('The naive pipeline, same load, same faults', naive, { hasTimes: false });
if (options.record !== undefined) {
  const record = recordOf({ commit, seed, messages, perSecond }, run, naive);
  fs.writeFileSync(options.record, `${JSON.stringify(record, undefined, 2)}\n`);
}
const problems = problemsOf(run);
console.log(`\n${problems.length === 0 ? 'Every promise was kept.' : problems.join('\n')}`);
process.exitCode = problems.length === 0 ? 0 : 1;
