import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, stack, stat } from './panels.ts';
import { largest, perSecond, quantile } from './queries.ts';

const ON = '{instance=~"$instance"}';
const PROCESS = '{{job}} {{instance}}';

const processes: Row = {
  title: 'Processes',
  panels: [
    graph({
      title: 'Lag of the event loop, p99',
      unit: units.Seconds,
      shows:
        'How late a process is with what was due. Everything in it waits that long, its answers to health checks too.',
      act: 'A process that computes: many turns at once, a huge document. Add one, or lower WORKER_CONCURRENCY.',
      alert: 'EventLoopLag',
      red: { above: 0.25 },
      queries: [{ expr: `plantao_nodejs_eventloop_lag_p99_seconds${ON}`, legend: PROCESS }],
    }),
    graph({
      title: 'Processor',
      unit: units.PercentUnit,
      shows: 'Of one core; JavaScript uses one, the rest of Node a little more.',
      act: 'At 1 a process is at its limit: add another, they share the work by themselves.',
      alert: 'EventLoopLag',
      red: { above: 0.9 },
      queries: [{ expr: `rate(plantao_process_cpu_seconds_total${ON}[$__rate_interval])`, legend: PROCESS }],
    }),
    graph({
      title: 'Memory, share of the limit',
      unit: units.PercentUnit,
      shows: 'Resident memory over what the container, or the machine, allows.',
      act: 'Restart the process before the kernel does; other ones take its work. Keep a heap snapshot if it grows for days.',
      alert: 'MemoryHigh',
      red: { above: 0.85 },
      queries: [
        {
          expr: `plantao_process_resident_memory_bytes${ON} / plantao_process_memory_limit_bytes${ON}`,
          legend: PROCESS,
        },
      ],
    }),
    graph({
      title: 'Memory: resident and heap',
      unit: units.BytesIEC,
      shows: 'The heap is what our objects take; the rest is buffers, code and Node itself.',
      act: 'Both grow together: objects are kept. Only the resident memory grows: buffers, for example of a slow Redis.',
      alert: 'MemoryHigh',
      queries: [
        { expr: `plantao_process_resident_memory_bytes${ON}`, legend: `${PROCESS} resident` },
        { expr: `plantao_nodejs_heap_size_used_bytes${ON}`, legend: `${PROCESS} heap` },
      ],
    }),
  ],
};

const postgres: Row = {
  title: 'PostgreSQL',
  panels: [
    graph({
      title: 'Pools, share in use',
      unit: units.PercentUnit,
      shows: 'Connections that are at work, over the most that the pool may open; the fullest process of each pool.',
      act: 'At 1 callers wait. Look for a slow query or a lock before the pool is made larger.',
      alert: 'DatabasePoolExhausted',
      red: { above: 0.9 },
      queries: [
        {
          expr: `max by (pool) ((plantao_db_pool_connections{state="total",instance=~"$instance"} - ignoring (state) plantao_db_pool_connections{state="idle",instance=~"$instance"}) / plantao_db_pool_connections_max${ON})`,
          legend: '{{pool}}',
        },
      ],
    }),
    graph({
      title: 'Callers that wait for a connection',
      unit: units.Short,
      shows: 'For each pool, all processes together.',
      act: 'The pools are apart, so that one that is full does not hold up the others: see whose work it is.',
      alert: 'DatabasePoolExhausted',
      red: { above: 1 },
      queries: [{ expr: `sum by (pool) (plantao_db_pool_waiting${ON})`, legend: '{{pool}}' }],
    }),
    graph({
      title: 'Wait for a connection, p95',
      unit: units.Seconds,
      shows: 'What a caller waits before its first query.',
      act: 'More than a few milliseconds: the pool is short of connections, or PostgreSQL of processes.',
      alert: 'DatabasePoolExhausted',
      red: { above: 0.5 },
      queries: [
        {
          expr: quantile('plantao_db_pool_acquire_seconds', { percent: 95, labels: ON, by: 'pool' }),
          legend: '{{pool}}',
        },
      ],
    }),
    stack({
      title: 'Errors by kind',
      unit: units.OpsPerSecond,
      shows: 'What PostgreSQL refused or did not answer in time.',
      act: '`connection`: it is away. `full`: its disk. `lock`: somebody holds one, a migration perhaps. `timeout`: it is slow. `data`: ours.',
      alert: 'DatabaseErrors',
      queries: [{ expr: perSecond(`plantao_db_errors_total${ON}`, 'pool, kind'), legend: '{{pool}} {{kind}}' }],
    }),
  ],
};

const redis: Row = {
  title: 'Redis',
  panels: [
    graph({
      title: 'Redis answers',
      unit: units.BoolOnOff,
      shows:
        '1 while a process gets answers in time. At 0 it works without, from PostgreSQL: slower, and nothing is lost.',
      act: 'Bring Redis back without hurry. If only one process says 0, it is the network between the two.',
      alert: 'RedisDown',
      red: { below: 1 },
      queries: [{ expr: `plantao_redis_up${ON}`, legend: PROCESS }],
    }),
    graph({
      title: 'Memory of Redis, share of its limit',
      unit: units.PercentUnit,
      shows: 'Nothing is shown while Redis has no limit.',
      act: 'Give it more before it is full: then it refuses bells, and the sweepers do the work. See what fills it: old jobs, contexts.',
      alert: 'RedisMemoryHigh',
      red: { above: 0.7 },
      queries: [
        {
          expr: `${largest('plantao_redis_memory_used_bytes')} / (${largest('plantao_redis_memory_max_bytes')} > 0)`,
          legend: 'used',
        },
      ],
    }),
    graph({
      title: 'Memory of Redis',
      unit: units.BytesIEC,
      shows: 'What is used, and the limit if there is one.',
      act: 'A steady growth is something without an end of life; jobs and contexts have one.',
      alert: 'RedisMemoryHigh',
      queries: [
        { expr: largest('plantao_redis_memory_used_bytes'), legend: 'used' },
        { expr: `${largest('plantao_redis_memory_max_bytes')} > 0`, legend: 'limit' },
      ],
    }),
    stat({
      title: 'Redis may evict',
      unit: units.BoolOnOff,
      shows:
        'Whether it has a limit and a policy other than `noeviction`, with which it may drop half of a queue’s books.',
      act: 'Set `maxmemory-policy noeviction`, now, while it runs, and in its configuration.',
      alert: 'RedisMayEvict',
      red: { above: 1 },
      queries: [{ expr: largest('plantao_redis_eviction_possible'), legend: 'may evict' }],
    }),
    stat({
      title: 'Keys that Redis has evicted',
      unit: units.Short,
      shows: 'Since it was started.',
      act: 'Jobs may be gone. Their work is found by the sweepers, later than usual; correct the policy first.',
      alert: 'RedisMayEvict',
      red: { above: 1 },
      queries: [{ expr: largest('plantao_redis_evicted_keys'), legend: 'evicted' }],
    }),
  ],
};

const disks: Row = {
  title: 'Disks and backups',
  panels: [
    graph({
      title: 'Free room where a process works',
      unit: units.PercentUnit,
      shows: 'Of the file system of its working directory; on one machine it is the one of the databases, too.',
      act: 'Make room before a twentieth is left: PostgreSQL stops when there is none. Old images and logs go first.',
      alert: 'DiskLow',
      red: { below: 0.1 },
      queries: [
        { expr: `plantao_disk_free_bytes${ON} / plantao_disk_size_bytes${ON}`, legend: `${PROCESS} {{mount}}` },
      ],
    }),
    graph({
      title: 'Lag of the archive of the log',
      unit: units.Seconds,
      shows: 'How much would be lost with the disk of PostgreSQL. Nothing is shown while archiving is off.',
      act: 'See the last error of the archive command. PostgreSQL keeps what is not archived, until its disk is full.',
      alert: 'WalArchiveLag',
      red: { above: 300 },
      queries: [{ expr: largest('plantao_wal_archive_lag_seconds'), legend: 'behind' }],
    }),
    stat({
      title: 'Since the last base backup',
      unit: units.Seconds,
      shows: 'Age of the newest backup that ended well.',
      act: 'Make one by hand, then see why the planned one did not run.',
      alert: 'BackupOld',
      red: { above: 129_600 },
      width: 12,
      queries: [{ expr: sinceBackup('base'), legend: 'backup' }],
    }),
    stat({
      title: 'Since a backup was verified, and restored',
      unit: units.Seconds,
      shows: 'A backup that nobody has restored is a hope.',
      act: 'Run the verification, and the drill if that is what is old.',
      alert: 'BackupUnverified',
      red: { above: 691_200 },
      width: 12,
      queries: [
        { expr: sinceBackup('verify'), legend: 'verified' },
        { expr: sinceBackup('drill'), legend: 'restored' },
      ],
    }),
  ],
};

function sinceBackup(kind: 'base' | 'verify' | 'drill'): string {
  return `time() - ${largest(`plantao_backup_last_success_timestamp_seconds{kind="${kind}"} > 0`)}`;
}

export const infrastructure = board({
  uid: 'plantao-infrastructure',
  title: 'infrastructure',
  asks: 'Are processes, PostgreSQL, Redis, disks and backups what they should be?',
  rows: [processes, postgres, redis, disks],
  choice: { label: 'instance', metric: 'plantao_build_info' },
});
