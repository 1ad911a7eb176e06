import { beforeAll, describe, expect, it } from '@jest/globals';
import { FAILURES } from '../../src/vocabulary/failures.ts';
import { JOB_NAMES } from '../../src/vocabulary/jobs.ts';
import { TENANT_ROLE } from '../../src/platform/database.ts';
import { collectProcessMetrics, registry } from '../../src/platform/metrics.ts';
import { metricsPage } from './metrics-page.ts';
import { projectFiles, read, tableRows } from './project.ts';
// Opening nothing: what is imported here defines every metric of both kinds of process.
import '../../src/compose-service.ts';
import '../../src/compose-work.ts';

describe('docs/errors.md', () => {
  const rows = tableRows(read('docs/errors.md'));

  it('tells of every failure its code, status, verdict and public text, in the order of the table in the code', () => {
    const known = Object.entries(FAILURES).map(([code, { status, verdict, publicText }]) => [
      code,
      String(status),
      verdict,
      publicText,
    ]);

    expect(rows.map((row) => row.slice(0, 4))).toEqual(known);
  });

  it('says of each what it means here', () => {
    expect(rows.filter((row) => (row[4] ?? '') === '')).toEqual([]);
  });
});

describe('workers/', () => {
  const PROCESSES = ['main', 'quarantine'];

  it('has one file for each queue, named as its job, and one for each process', () => {
    const files = projectFiles().flatMap((file) => /^workers\/(.+)\.ts$/.exec(file)?.[1] ?? []);

    expect(files.filter((name) => !name.endsWith('.test'))).toEqual([...JOB_NAMES, ...PROCESSES].toSorted());
  });
});

describe('the metrics', () => {
  beforeAll(() => {
    collectProcessMetrics({ version: '0.0.0', commit: 'unknown' });
  });

  it('all have names of ours', () => {
    const names = registry.getMetricsAsArray().map((metric) => metric.name);

    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !/^plantao_[a-z0-9_]+$/.test(name))).toEqual([]);
  });

  it('that a document names are there', () => {
    const known = new Set(registry.getMetricsAsArray().map((metric) => metric.name));
    const named = projectFiles()
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) => [...read(file).matchAll(/`(plantao_\w+)`/g)].map(([, name = '']) => `${file}: ${name}`));
    const isKnown = (name = ''): boolean =>
      known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, '')) || name === TENANT_ROLE;
    const unknown = named.filter((it) => !isKnown(it.split(': ')[1]));

    expect(named.length).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });

  it('have a page that is as `npm run metrics` writes it', () => {
    expect(read('docs/metrics.md')).toBe(metricsPage());
  });
});
