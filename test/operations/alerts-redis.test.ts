import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect } from '@jest/globals';
import { stringify } from 'yaml';
import { RULE_FILES } from '../support/alert-rules.ts';
import { itWhere, whyNoRedisServer } from '../support/it-where.ts';
import { metric } from '../support/metrics.ts';
import { whyNo } from '../support/on-path.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import { runProgram } from '../support/run-program.ts';
import { Town } from '../support/town.ts';
import { until } from '../support/until.ts';

/*
 * What the product says of itself before Redis is killed, without it and after its return is taken from its own /metrics and
 * laid out over half an hour of Prometheus' time. Then the rules say who would be told of what.
 */

const MINUTES_OF_EACH = 10;
/** What depends on the machine that runs this test, and says nothing about Redis. Backups are not made in a town. */
const OF_THE_MACHINE = /^plantao_(disk|process|nodejs|backup|wal)_/;

type Sample = ReadonlyMap<string, number>;

describe('Redis, killed under a product that works', () => {
  itWhere(
    whyNoRedisServer() ?? whyNo('promtool'),
    'lights the alert that its runbook is about and no other',
    async () => {
      const samples = await beforeWithoutAndAfterRedis();

      const result = await judge(samples);

      expect(result).toMatchObject({ code: 0 });
    },
  );
});

async function beforeWithoutAndAfterRedis(): Promise<readonly [Sample, Sample, Sample]> {
  const redis = await startPrivateRedis();
  const town = await Town.start({ environment: { REDIS_URL: redis.url } });
  try {
    const bakery = await town.tenant();
    const chat = async (name: string, phone: string): Promise<void> => {
      const customer = bakery.customer(name, phone);
      await customer.writes('Vocês abrem domingo?');
      await customer.hears(1);
      await customer.isQuiet();
    };
    const isOfRedis = async (up: 0 | 1): Promise<boolean> => (await metric(town.url, 'plantao_redis_up')) === up;
    await chat('Ana', '5511988887001');
    await until(() => isOfRedis(1));
    const before = await sampleOf(town.url);
    await redis.kill();
    await until(() => isOfRedis(0));
    await chat('Bia', '5511988887002');
    const without = await sampleOf(town.url);
    await redis.restart();
    await until(() => isOfRedis(1));
    await chat('Carla', '5511988887003');
    return [before, without, await sampleOf(town.url)];
  } finally {
    await town.close();
    await redis.close();
  }
}

/** Every series of a process, as Prometheus would store it. Intake and work share one process in a town. */
async function sampleOf(url: string): Promise<Sample> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('plantao_') && !OF_THE_MACHINE.test(line));
  return new Map(
    lines.map((line) => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const where = 'job="plantao-worker",instance="town"';
      return [`${name}{${labels === '' ? where : `${labels},${where}`}}`, Number(value)];
    }),
  );
}

async function judge(samples: readonly [Sample, Sample, Sample]): Promise<{ code: number; said: string }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-alerts-'));
  try {
    const file = path.join(directory, 'redis.test.yml');
    await writeFile(file, stringify(ruleTest(samples)));
    return await runProgram('promtool', ['test', 'rules', file]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function ruleTest(samples: readonly [Sample, Sample, Sample]): unknown {
  const names = [...new Set(samples.flatMap((sample) => [...sample.keys()]))];
  const values = (name: string): string =>
    samples.map((sample) => (sample.has(name) ? `${sample.get(name)}x` : '_x') + String(MINUTES_OF_EACH - 1)).join(' ');
  const up = ['plantao-service', 'plantao-worker'].map((job) => ({
    series: `up{job="${job}",instance="town"}`,
    values: `1x${3 * MINUTES_OF_EACH}`,
  }));
  const watchdog = { labels: firing('Watchdog', { severity: 'none' }), value: 1 };
  const redisDown = { labels: firing('RedisDown', { severity: 'ticket', job: 'plantao-worker' }), value: 1 };
  const moments = [
    { eval_time: `${MINUTES_OF_EACH - 1}m`, exp_samples: [watchdog] },
    { eval_time: `${MINUTES_OF_EACH + 3}m`, exp_samples: [redisDown, watchdog] },
    { eval_time: `${2 * MINUTES_OF_EACH - 1}m`, exp_samples: [redisDown, watchdog] },
    { eval_time: `${2 * MINUTES_OF_EACH + 1}m`, exp_samples: [watchdog] },
    { eval_time: `${3 * MINUTES_OF_EACH - 1}m`, exp_samples: [watchdog] },
  ];
  return {
    rule_files: RULE_FILES.map((file) => path.resolve(file)),
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: [...up, ...names.map((name) => ({ series: name, values: values(name) }))],
        promql_expr_test: moments.map((moment) => ({ expr: 'ALERTS{alertstate="firing"}', ...moment })),
      },
    ],
  };
}

function firing(alert: string, labels: Readonly<Record<string, string>>): string {
  const all = Object.entries({ alertname: alert, alertstate: 'firing', ...labels });
  return `ALERTS{${all.map(([name, value]) => `${name}="${value}"`).join(', ')}}`;
}
