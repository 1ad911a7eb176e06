import { describe, expect, it } from '@jest/globals';
import { Counter, Gauge, Histogram } from 'prom-client';
import { addGrowth, Growth, GrowthTeller, metricsOfAll } from './forked-metrics.ts';
import { collectProcessMetrics, registry } from './metrics.ts';

const registers = [registry];
const calls = new Counter({ name: 'plantao_test_calls_total', help: 'Of a test.', labelNames: ['tenant'], registers });
const seconds = new Histogram({ name: 'plantao_test_seconds', help: 'Of a test.', buckets: [1, 5], registers });
const open = new Gauge({ name: 'plantao_test_open', help: 'Of a test.', registers });

/** As it comes out at the other end of the line. */
function overTheLine(growth: Growth): Growth {
  return Growth.parse(JSON.parse(JSON.stringify(growth)));
}

async function shown(beginning: string): Promise<readonly string[]> {
  return (await metricsOfAll()).split('\n').filter((line) => line.startsWith(beginning));
}

describe('what a forked process has counted', () => {
  it('is told once, and stands with what is counted here', async () => {
    const teller = new GrowthTeller();
    calls.inc({ tenant: 'padaria' }, 2);
    seconds.observe(3);
    open.set(4);

    const first = overTheLine(await teller.next());
    const nothing = await teller.next();
    calls.inc({ tenant: 'padaria' });
    const second = overTheLine(await teller.next());
    addGrowth(first);
    addGrowth(second);

    expect(first.map(({ name }) => name)).toEqual(['plantao_test_calls_total', 'plantao_test_seconds']);
    expect(nothing).toEqual([]);
    expect(second).toMatchObject([{ name: 'plantao_test_calls_total', values: [{ value: 1 }] }]);
    // Three here and three there.
    expect(await shown('plantao_test_calls_total{')).toEqual(['plantao_test_calls_total{tenant="padaria"} 6']);
    expect(await shown('plantao_test_seconds')).toEqual([
      'plantao_test_seconds_bucket{le="1"} 0',
      'plantao_test_seconds_bucket{le="5"} 2',
      'plantao_test_seconds_bucket{le="+Inf"} 2',
      'plantao_test_seconds_sum 6',
      'plantao_test_seconds_count 2',
    ]);
    expect(await shown('plantao_test_open')).toEqual(['plantao_test_open 4']);
  });

  it('hides nothing of what this process shows by itself', async () => {
    collectProcessMetrics({ version: 'of a test', commit: 'of a test' });
    const named = (text: string): unknown => [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name).toSorted();
    addGrowth([]);

    expect(named(await metricsOfAll())).toEqual(named(await registry.metrics()));
    expect(await shown('plantao_process_start_time_seconds ')).toHaveLength(1);
  });

  it('has as many series at most as a process shows tenants, however many processes come and go', async () => {
    for (let tenant = 0; tenant < 200; tenant += 1) {
      const values = [{ labels: { tenant: `tenant-${tenant}` }, value: 1 }];
      addGrowth([{ name: 'plantao_test_crowd_total', help: 'Of a test.', type: 'counter', values }]);
    }

    const crowd = await shown('plantao_test_crowd_total{');
    expect(crowd.length).toBeLessThanOrEqual(51);
    expect(crowd.map((line) => Number(line.split(' ').at(-1))).reduce((sum, count) => sum + count, 0)).toBe(200);
  });
});
