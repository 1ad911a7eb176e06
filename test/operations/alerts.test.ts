import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { collectProcessMetrics, registry } from '../../src/platform/metrics.ts';
import { BASE_BACKUP_HOURS_MAX, VERIFIED_HOURS_MAX } from '../../src/recovery/backup-age.ts';
import { exists, read } from '../drift/project.ts';
import {
  alertNames,
  readRules,
  readRuleTests,
  RULE_FILES,
  RULE_TEST_FILES,
  writeWithItsAlerts,
} from '../support/alert-rules.ts';
import { itWhere } from '../support/it-where.ts';
import { whyNo } from '../support/on-path.ts';
import { runProgram } from '../support/run-program.ts';
// Opening nothing: what is imported here defines every metric of both kinds of process.
import '../../src/compose-service.ts';
import '../../src/compose-work.ts';

const rules = readRules();
const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }]));
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
// Three days of Prometheus' time are reckoned through, on a machine that may have other things to do.
jest.setTimeout(120_000);

const DASHBOARDS = ['service', 'conversations', 'queues', 'model', 'delivery', 'tenants', 'infrastructure'];

describe('the rules', () => {
  itWhere(whyNo('promtool'), 'are rules that Prometheus takes, and so is its configuration', async () => {
    for (const given of [
      ['check', 'rules', ...RULE_FILES],
      ['check', 'config', 'alerts/prometheus.yml'],
    ]) {
      expect(await runProgram('promtool', given)).toMatchObject({ code: 0 });
    }
  });

  it('have tests', () => {
    expect(RULE_TEST_FILES.length).toBeGreaterThan(5);
  });

  for (const file of RULE_TEST_FILES) {
    itWhere(whyNo('promtool'), `fire, do not fire just below, and end, each as its test says (${file})`, async () => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-rules-'));
      const tests = writeWithItsAlerts(file, folder);

      expect(await runProgram('promtool', ['test', 'rules', tests])).toMatchObject({ code: 0 });
      fs.rmSync(folder, { recursive: true });
    });
  }

  it('name no metric and no label that the product does not have', () => {
    collectProcessMetrics({ version: 'of a test', commit: 'of a test' });
    const Described = z.object({ name: z.string(), labelNames: z.array(z.string()) });
    const known = new Map(
      registry.getMetricsAsArray().map((metric) => {
        const { name, labelNames } = Described.parse(metric);
        return [name, new Set([...labelNames, 'le', 'job', 'instance'])];
      }),
    );
    const wrong = rules.flatMap(({ expr, annotations }) =>
      usedIn([expr, ...Object.values(annotations)].join(' ')).filter((use) => !isKnown(use, known)),
    );

    expect(wrong).toEqual([]);
    expect(rules.flatMap(({ expr }) => usedIn(expr)).length).toBeGreaterThan(60);
  });

  it('begin with the first of the rejections that they count, because those are there before it', async () => {
    const Values = z.array(z.looseObject({ value: z.number(), labels: z.record(z.string(), z.string()) }));
    const counter = await registry.getSingleMetric('plantao_webhook_rejections_total')?.get();
    const there = Values.parse(counter?.values).map(({ labels }) => labels.reason ?? '');
    const asked = alerts
      .flatMap(({ expr }) => [...expr.matchAll(/plantao_webhook_rejections_total\{reason=~?"([^"]+)"/g)])
      .flatMap(([, reasons = '']) => reasons.split('|'));

    expect(asked.filter((reason) => !there.includes(reason))).toEqual([]);
    expect(new Set(asked).size).toBeGreaterThan(1);
  });

  it.each([
    ['BackupOld', BASE_BACKUP_HOURS_MAX],
    ['BackupUnverified', VERIFIED_HOURS_MAX],
  ])('call a backup old when the deep check does (%s)', (name, hours) => {
    const [rule] = alerts.filter(({ alert }) => alert === name);

    expect(rule?.expr).toContain(`> ${hours * 3_600} or `);
  });

  it('read no record that is not made', () => {
    const read = alerts.flatMap(({ expr }) => expr.match(/plantao:\w+:\w+/g) ?? []);

    expect(read.filter((name) => !recorded.has(name))).toEqual([]);
    expect(read.length).toBeGreaterThan(20);
  });
});

describe('the tests of the burn rates', () => {
  /** What promtool says of one of them when the rules are as given. */
  async function runOne(rulesText: string, named: string): Promise<number> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plantao-rules-'));
    const all = SloTests.parse(parse(read('alerts/tests/slo.test.yml')));
    const tests = all.tests.filter(({ name }) => name.includes(named));
    fs.writeFileSync(path.join(folder, 'slo.rules.yml'), rulesText);
    fs.writeFileSync(path.join(folder, 'slo.test.yml'), stringify({ ...all, rule_files: ['slo.rules.yml'], tests }));
    const { code } = await runProgram('promtool', ['test', 'rules', path.join(folder, 'slo.test.yml')]);
    fs.rmSync(folder, { recursive: true });
    expect(tests).toHaveLength(1);
    return code;
  }

  itWhere(whyNo('promtool'), 'notice a threshold or a floor that was moved, up or down', async () => {
    const right = read('alerts/slo.rules.yml');
    for (const [named, was, becomes] of [
      ['20 times too fast', '14.4 * 0.001', '20.1 * 0.001'],
      ['just under 14.4 times', '14.4 * 0.01', '13 * 0.01'],
      ['nine bad webhooks', 'rate1h * 3600 > 10', 'rate1h * 3600 > 5'],
    ] as const) {
      const wrong = right.replaceAll(was, becomes);

      expect(wrong).not.toBe(right);
      expect({ named, code: await runOne(right, named) }).toEqual({ named, code: 0 });
      expect({ named, becomes, code: await runOne(wrong, named) }).not.toEqual({ named, becomes, code: 0 });
    }
  });
});

describe('every alert', () => {
  let tests: ReturnType<typeof readRuleTests>;

  beforeAll(() => {
    tests = readRuleTests();
  });

  it('is tested: each of its rules fires, and there is a moment at which it does not, and one after the end', () => {
    const fired = tests.flatMap(({ alertname, exp_alerts }) => exp_alerts.map((one) => ({ alertname, ...one })));
    const silent = alertNames().filter(
      (name) => tests.filter((test) => test.alertname === name && test.exp_alerts.length === 0).length < 2,
    );
    const never = alerts.filter(
      ({ alert, labels }) =>
        !fired.some((one) => {
          return (
            one.alertname === alert && Object.entries(labels).every(([key, value]) => one.exp_labels[key] === value)
          );
        }),
    );

    expect(never.map(({ alert, labels }) => ({ alert, labels }))).toEqual([]);
    // It never ends: that is what it is for.
    expect(silent).toEqual(['Watchdog']);
  });

  it('has a severity, says what it is and how much, and leads to its runbook and a dashboard', () => {
    const wrong = alerts.filter(({ alert, labels, annotations }) => {
      const { summary = '', description = '', runbook_url: runbook, dashboard_url: dashboard } = annotations;
      return !(
        /^[A-Z][A-Za-z]+$/.test(alert) &&
        ['page', 'ticket', 'none'].includes(labels.severity ?? '') &&
        summary !== '' &&
        description !== '' &&
        runbook === `https://git.example.com/plantao/runbooks/${alert}.md` &&
        exists(`runbooks/${alert}.md`) &&
        DASHBOARDS.some((name) => dashboard === `https://grafana.example.com/d/plantao-${name}`)
      );
    });

    expect(wrong.map(({ alert }) => alert)).toEqual([]);
  });

  it('asks for processes by the names under which they are scraped', () => {
    const Scraped = z.object({ scrape_configs: z.array(z.object({ job_name: z.string() })) });
    const jobs = Scraped.parse(parse(read('alerts/prometheus.yml'))).scrape_configs.map((it) => it.job_name);
    const asked = alerts
      .filter(({ expr }) => !expr.includes('node_filesystem'))
      .flatMap(({ expr }) => [...expr.matchAll(/job="([\w-]+)"/g)].map(([, job = '']) => job));

    expect(asked.filter((job) => !jobs.includes(job))).toEqual([]);
    expect(new Set(asked)).toEqual(new Set(['plantao-service', 'plantao-worker']));
  });

  it('about disks elsewhere asks for the jobs that an installation is told to name so', () => {
    const asked = alerts
      .filter(({ expr }) => expr.includes('node_filesystem'))
      .flatMap(({ expr }) => [...expr.matchAll(/job=~?"([^"]+)"/g)].flatMap(([, jobs = '']) => jobs.split('|')));

    expect([...new Set(asked)].toSorted()).toEqual(['plantao-backup', 'plantao-postgresql']);
    for (const job of asked) expect(read('alerts/README.md')).toContain(`job_name: ${job}`);
  });
});

const SloTests = z.looseObject({ tests: z.array(z.looseObject({ name: z.string() })) });

interface Use {
  readonly name: string;
  readonly labels: readonly string[];
}

/** The metrics of an expression, each with the labels that it is asked for. */
function usedIn(expr: string): readonly Use[] {
  return [...expr.matchAll(/\b(plantao_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', matchers = '']) => ({
    name,
    labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  }));
}

function isKnown({ name, labels }: Use, known: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const has = known.get(name) ?? known.get(name.replace(/_(?:bucket|count|sum)$/, ''));
  return has !== undefined && labels.every((label) => has.has(label));
}
