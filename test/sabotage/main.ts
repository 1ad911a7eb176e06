import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { monotonicMs } from '../../src/platform/time.ts';
import { findSabotages, SABOTAGE_FOLDER } from './sabotage.ts';
import type { Sabotage } from './sabotage.ts';

/*
 * `npm run sabotage [-- name...]`: takes one guarantee after another out of a temporary copy of the project, and sees
 * whether the tests that stand for it go red. A guarantee whose absence no test notices is a hope.
 */

const ROOT = path.join(import.meta.dirname, '../..');
const RESULTS = path.join(ROOT, SABOTAGE_FOLDER, 'results.json');
/** All suites together, untouched, on a machine that is busy with something else. */
const RUN_WITHIN_MS = 900_000;

/** The part of Jest's report that is read here. */
const Report = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numRuntimeErrorTestSuites: z.int(),
  testResults: z.array(z.object({ assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })) })),
});

const Counted = z.object({
  passed: z.int(),
  failed: z.int(),
  /** The titles of the tests that failed. */
  noticedBy: z.array(z.string()).readonly(),
  seconds: z.int(),
});
type Counted = z.infer<typeof Counted>;

const Result = Counted.extend({
  name: z.string(),
  guarantee: z.string(),
  patch: z.string(),
  suites: z.array(z.string()).readonly(),
  fault: z.string().optional(),
  wentRed: z.boolean(),
});
type Result = z.infer<typeof Result>;

const wanted = process.argv.slice(2);
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
  process.exitCode = (await runAll()) ? 0 : 1;
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
  const results: Result[] = [];
  for (const sabotage of chosen) results.push(await commit(sabotage));
  keep(results);
  const noticed = results.filter(({ wentRed }) => wentRed).length;
  process.stdout.write(`${noticed} of ${results.length} sabotages were noticed\n`);
  return noticed === results.length;
}

/** Keeps the results of this run, and of the others what is known from before. */
function keep(results: readonly Result[]): void {
  const before = fs.existsSync(RESULTS) ? z.array(Result).parse(JSON.parse(fs.readFileSync(RESULTS, 'utf8'))) : [];
  const known = all.flatMap(({ name }) => [...results, ...before].find((result) => result.name === name) ?? []);
  fs.writeFileSync(RESULTS, `${JSON.stringify(known, undefined, 2)}\n`);
}

async function commit(sabotage: Sabotage): Promise<Result> {
  const { patch, suites } = sabotage;
  git('apply', patch);
  try {
    const counted = await runTests(suites);
    const wentRed = counted.failed > 0;
    tell(sabotage, counted);
    return { ...sabotage, wentRed, ...counted };
  } finally {
    git('apply', '--reverse', patch);
  }
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
