import { execFileSync, spawnSync } from 'node:child_process';

/**
 * Runs dependency-cruiser and does not believe it blindly: with a compiler it cannot read it reports "no violations" over
 * no modules at all. It must have seen at least as many modules as there are source files.
 */
const ROOTS = ['src', 'workers', 'local', 'sandbox', 'migrations', 'bench', 'load', 'backup', 'dashboards', 'test'];

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...ROOTS], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file.endsWith('.ts'));

const run = spawnSync('depcruise', ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...ROOTS], {
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
if (run.stdout === '') throw new Error(`dependency-cruiser printed nothing: ${run.stderr}`);

interface Report {
  modules: { source: string }[];
  summary: { violations: { rule: { name: string }; from: string; to: string; comment?: string }[] };
}
const report = JSON.parse(run.stdout) as Report;
const seen = new Set(report.modules.map((module) => module.source));
const missed = files.filter((file) => !seen.has(file));

for (const violation of report.summary.violations) {
  console.error(`${violation.rule.name}: ${violation.from} -> ${violation.to}`);
}
if (missed.length > 0)
  console.error(`dependency-cruiser did not see ${missed.length} files, e.g. ${missed.slice(0, 5).join(', ')}`);
if (missed.length > 0 || report.summary.violations.length > 0) process.exit(1);
console.log(`floors: ${files.length} files, no import goes up`);
