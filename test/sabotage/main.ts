import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { monotonicMs } from '../../src/platform/time.ts';
import { ChaosRecord } from '../chaos/record.ts';
import { findSabotages, readSabotageResults, writeSabotageResults } from './sabotage.ts';
import type { Sabotage, SabotageResult } from './sabotage.ts';

/*
 * `npm run sabotage [-- --chaos name...]`: takes one guarantee after another out of a temporary copy of the project, and
 * sees whether the tests that stand for it go red. A guarantee whose absence no test notices is a hope.
 *
 * `--chaos` puts the copy through the short chaos run instead, which must find a violation that belongs to the guarantee:
 * that the copy is slow proves nothing. It takes two minutes for each guarantee that a chaos run looks for.
 */

const ROOT = path.join(import.meta.dirname, '../..');
/** All suites together, untouched, on a machine that is busy with something else. */
const RUN_WITHIN_MS = 900_000;
const CHAOS_WITHIN_MS = 300_000;
/** The short run, as fast as it holds every fault. */
const CHAOS_RUN = ['test/chaos/main.ts', '--short', '--rate', '22', '--sabotaged'];

/** The part of Jest's report that is read here. */
const Report = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numRuntimeErrorTestSuites: z.int(),
  testResults: z.array(z.object({ assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })) })),
});

type Counted = Pick<SabotageResult, 'passed' | 'failed' | 'noticedBy' | 'seconds'>;
interface ChaosCounted {
  readonly violations: NonNullable<SabotageResult['chaos']>['violations'];
  readonly seconds: number;
}

const { values: options, positionals: wanted } = parseArgs({
  options: { chaos: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const all = findSabotages(ROOT);
const unknown = wanted.filter((name) => !all.some((sabotage) => sabotage.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no sabotage ${unknown.join(', ')}. There are: ${all.map((it) => it.name).join(', ')}\n`,
  );
  process.exit(64);
}
const chosen = wanted.length === 0 ? all : all.filter(({ name }) => wanted.includes(name));

const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-sabotage-'));
// PostgreSQL may run as another user, who has to pass through here.
fs.chmodSync(copy, 0o755);
try {
  copyProject();
  process.exitCode = (await (options.chaos ? runAllInChaos() : runAll())) ? 0 : 1;
} finally {
  fs.rmSync(copy, { recursive: true, force: true });
}

/** Whether the tests are green as they are, and red after each sabotage. */
async function runAll(): Promise<boolean> {
  const suites = [...new Set(chosen.flatMap((sabotage) => sabotage.suites))];
  const whole = await runTests(suites);
  process.stdout.write(`untouched: ${whole.passed} passed, ${whole.failed} failed\n`);
  for (const title of whole.noticedBy) process.stdout.write(`  - ${title}\n`);
  // What is red anyway says nothing about a sabotage.
  if (whole.failed > 0 || whole.passed === 0) return false;
  let noticed = 0;
  for (const sabotage of chosen) {
    const counted = await without(sabotage, () => runTests(sabotage.suites));
    const wentRed = counted.failed > 0;
    noticed += Number(wentRed);
    tell(sabotage, counted);
    const { name, guarantee, patch, suites, fault } = sabotage;
    const chaos = readSabotageResults(ROOT).find((it) => it.name === name)?.chaos;
    keep({ ...counted, name, guarantee, patch, suites, fault, wentRed, chaos });
  }
  process.stdout.write(`${noticed} of ${chosen.length} sabotages were noticed\n`);
  return noticed === chosen.length;
}

/** Whether the chaos run finds nothing in the product as it is, and after each sabotage what belongs to it. */
async function runAllInChaos(): Promise<boolean> {
  const meant = chosen.filter(({ chaosKinds }) => chaosKinds.length > 0);
  const { violations: untouched } = await runChaos();
  const isClean = Object.values(untouched).every((count) => count === 0);
  process.stdout.write(`untouched: ${isClean ? 'nothing' : listed(untouched)}\n`);
  if (!isClean) return false;
  let noticed = 0;
  for (const sabotage of meant) {
    const { violations, seconds } = await without(sabotage, runChaos);
    const wentRed = sabotage.chaosKinds.some((kind) => (violations[kind] ?? 0) > 0);
    noticed += Number(wentRed);
    const verdict = wentRed ? 'noticed' : 'NOT NOTICED';
    process.stdout.write(`${verdict} by chaos: ${sabotage.name} (${seconds} s): ${listed(violations)}\n`);
    const known = readSabotageResults(ROOT).find(({ name }) => name === sabotage.name);
    if (known === undefined) throw new Error(`${sabotage.name} has to be noticed by its tests first`);
    keep({ ...known, chaos: { expected: sabotage.chaosKinds, violations, wentRed } });
  }
  process.stdout.write(`${noticed} of ${meant.length} sabotages were noticed by chaos\n`);
  return noticed === meant.length;
}

/** Keeps a result, in the order of the names. Written at once: nobody wants to run all of it again. */
function keep(result: SabotageResult): void {
  const known = [result, ...readSabotageResults(ROOT)];
  writeSabotageResults(
    ROOT,
    all.flatMap(({ name }) => known.find((it) => it.name === name) ?? []),
  );
}

async function without<Result>({ patch }: Sabotage, run: () => Promise<Result>): Promise<Result> {
  git('apply', patch);
  try {
    return await run();
  } finally {
    git('apply', '--reverse', patch);
  }
}

function listed(violations: ChaosCounted['violations']): string {
  const found = Object.entries(violations).filter(([, count]) => count > 0);
  return found.length === 0 ? 'nothing' : found.map(([kind, count]) => `${kind} ${count}`).join(', ');
}

async function runChaos(): Promise<ChaosCounted> {
  const startedAt = monotonicMs();
  const record = path.join(copy, 'record.json');
  fs.rmSync(record, { force: true });
  const child = spawn(process.execPath, [...CHAOS_RUN, '--record', record], {
    cwd: copy,
    stdio: 'ignore',
    timeout: CHAOS_WITHIN_MS,
  });
  await once(child, 'close');
  if (!fs.existsSync(record)) throw new Error(`The chaos run did not end within ${CHAOS_WITHIN_MS / 1_000} s`);
  const { violations } = ChaosRecord.parse(JSON.parse(fs.readFileSync(record, 'utf8')));
  return { violations, seconds: Math.round((monotonicMs() - startedAt) / 1_000) };
}

function tell({ name, guarantee }: Sabotage, { failed, noticedBy, seconds }: Counted): void {
  const verdict = failed > 0 ? 'noticed' : 'NOT NOTICED';
  process.stdout.write(`${verdict}: ${name} (${failed} failed, ${seconds} s): ${guarantee}\n`);
  for (const title of noticedBy) process.stdout.write(`  - ${title}\n`);
}

/** Every file of the project as it is now, and the installed packages by a link. */
function copyProject(): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of listed.toString().split('\0')) {
    const source = path.join(ROOT, file);
    if (file !== '' && fs.existsSync(source)) fs.cpSync(source, path.join(copy, file));
  }
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
}

/** @throws when the patch does not fit the project any more. */
function git(...command: readonly string[]): void {
  execFileSync('git', command, { cwd: copy, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function runTests(suites: readonly string[]): Promise<Counted> {
  const startedAt = monotonicMs();
  const report = path.join(copy, 'report.json');
  fs.rmSync(report, { force: true });
  const child = spawn('npm', ['test', '--silent', '--', ...suites, '--json', `--outputFile=${report}`], {
    cwd: copy,
    stdio: 'ignore',
    timeout: RUN_WITHIN_MS,
  });
  await once(child, 'close');
  const { numPassedTests: passed, numFailedTests: failed, ...ran } = Report.parse(JSON.parse(readReport(report)));
  const tests = ran.testResults.flatMap(({ assertionResults }) => assertionResults);
  const noticedBy = tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  // Tests that could not even be loaded have not noticed anything.
  if (ran.numRuntimeErrorTestSuites > 0) throw new Error(`Some of ${suites.join(', ')} could not be loaded`);
  return { passed, failed, noticedBy, seconds: Math.round((monotonicMs() - startedAt) / 1_000) };
}

/** @throws when the tests did not come to their end. */
function readReport(file: string): string {
  if (!fs.existsSync(file))
    throw new Error(`The tests did not end within ${RUN_WITHIN_MS / 1_000} s, or could not start`);
  return fs.readFileSync(file, 'utf8');
}
