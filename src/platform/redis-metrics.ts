import { Cluster } from 'ioredis';
import type { Redis } from 'ioredis';
import { Gauge } from 'prom-client';
import { registry } from './metrics.ts';

const memoryUsed = new Gauge({
  name: 'plantao_redis_memory_used_bytes',
  help: 'Memory that Redis uses, all masters together.',
  registers: [registry],
});
const memoryMax = new Gauge({
  name: 'plantao_redis_memory_max_bytes',
  help: 'Memory that Redis may use, all masters together; 0 when there is no limit.',
  registers: [registry],
});
const evictedKeys = new Gauge({
  name: 'plantao_redis_evicted_keys',
  help: 'Keys that Redis has thrown away for want of memory since it started.',
  registers: [registry],
});
const evictionPossible = new Gauge({
  name: 'plantao_redis_eviction_possible',
  help: '1 when Redis throws keys away once its memory is full, jobs among them: a limit with a policy other than noeviction.',
  registers: [registry],
});

/** Asks Redis about its memory. Never rejects: figures that cannot be had keep their last value. */
export async function measureRedisMemory(redis: Redis | Cluster): Promise<void> {
  const masters = redis instanceof Cluster ? redis.nodes('master') : [redis];
  try {
    const figures = await Promise.all(masters.map(readFigures));
    memoryUsed.set(sum(figures.map((it) => it.used)));
    memoryMax.set(figures.some((it) => it.max === 0) ? 0 : sum(figures.map((it) => it.max)));
    evictedKeys.set(sum(figures.map((it) => it.evicted)));
    evictionPossible.set(figures.some((it) => it.max > 0 && it.policy !== 'noeviction') ? 1 : 0);
  } catch {
    // That Redis does not answer is told by plantao_redis_up.
  }
}

async function readFigures(redis: Redis): Promise<{ used: number; max: number; policy: string; evicted: number }> {
  const [memory, stats] = await Promise.all([redis.info('memory'), redis.info('stats')]);
  return {
    used: Number(field(memory, 'used_memory')),
    max: Number(field(memory, 'maxmemory')),
    policy: field(memory, 'maxmemory_policy'),
    evicted: Number(field(stats, 'evicted_keys')),
  };
}

/** Source: redis.io/docs/latest/commands/info: a line for each field, `name:value`, ended by CRLF. Without it: not a number. */
function field(info: string, name: string): string {
  const line = info.split('\r\n').find((candidate) => candidate.startsWith(`${name}:`));
  return line?.slice(name.length + 1) ?? 'NaN';
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
