import type { StatsFs } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { pause } from './time.ts';

/** The one registry of this process. Every name begins with `plantao_`, every unit is a base unit. */
export const registry = new Registry();

/** Bounds, in seconds, for what people wait for: from two milliseconds to a minute. 1 and 15 are the limits of our promises. */
export const LATENCY_BUCKETS_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60];

/** What runs here. */
export interface Build {
  readonly version: string;
  /** The commit that the image was made of; `unknown` when nobody said. */
  readonly commit: string;
}

const buildInfo = new Gauge({
  name: 'plantao_build_info',
  help: 'Always 1; what runs here stands in the labels.',
  labelNames: ['version', 'commit', 'node'],
  registers: [registry],
});

/** Event-loop lag, memory and garbage collection of this process under our prefix, and what runs here. */
export function collectProcessMetrics({ version, commit }: Build): void {
  collectDefaultMetrics({ register: registry, prefix: 'plantao_' });
  buildInfo.set({ version, commit, node: process.version }, 1);
}

/** A disk that hangs keeps a thread of the few that also look up names, so it is asked once and not again until it answers. */
let diskAsked: Promise<StatsFs> | undefined;
const DISK_PATIENCE_MS = 500;

async function askDisk(): Promise<StatsFs | undefined> {
  diskAsked ??= fs.statfs('.').finally(() => (diskAsked = undefined));
  return await diskAsked.catch(() => undefined);
}

/** One disk is looked at: the one of the working directory, where a process writes what it writes. */
const MOUNT = 'work';

const diskSize = new Gauge({
  name: 'plantao_disk_size_bytes',
  help: 'Size of the disk that holds the working directory.',
  labelNames: ['mount'],
  registers: [registry],
});

new Gauge({
  name: 'plantao_disk_free_bytes',
  help: 'Room that is left for us on the disk that holds the working directory.',
  labelNames: ['mount'],
  registers: [registry],
  // Asked at the scrape: twice a minute, a fraction of a millisecond.
  async collect() {
    // A scrape must not wait for a disk that does not answer; the last figure stays.
    const disk = await Promise.race([askDisk(), pause(DISK_PATIENCE_MS)]);
    if (disk === undefined) return;
    this.set({ mount: MOUNT }, disk.bavail * disk.bsize);
    diskSize.set({ mount: MOUNT }, disk.blocks * disk.bsize);
  },
});

new Gauge({
  name: 'plantao_process_memory_limit_bytes',
  help: 'What this process may take: the limit of its container, else the memory of the machine.',
  registers: [registry],
  collect() {
    const limit = process.constrainedMemory();
    // Without a limit the kernel answers 0, or a number beyond all memory.
    this.set(limit > 0 && limit < os.totalmem() ? limit : os.totalmem());
  },
});
