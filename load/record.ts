import os from 'node:os';
import { z } from 'zod';
import type { Profile } from '../k6/lib/profiles.ts';
import { systemClock } from '../src/platform/time.ts';
import { readCommit } from '../test/chaos/record.ts';
import { Leg } from './run-profile.ts';

/** What a run leaves behind, to be kept with the code that it ran. */
export const LoadRecord = z.object({
  profile: z.string(),
  says: z.string(),
  modelMs: z.int(),
  workers: z.int(),
  /** `+` when the product's own files were not as committed. */
  commit: z.string(),
  at: z.iso.datetime(),
  machine: z.object({
    processor: z.string(),
    cores: z.int(),
    memoryGb: z.int(),
    node: z.string(),
    postgres: z.string(),
    redis: z.string(),
  }),
  legs: z.array(Leg).min(1),
});
export type LoadRecord = z.infer<typeof LoadRecord>;

export function recordOf(
  { name, says, modelMs }: Profile,
  run: { readonly legs: readonly Leg[]; readonly workers: number },
  versions: { readonly postgres: string; readonly redis: string },
): LoadRecord {
  return {
    profile: name,
    says,
    modelMs,
    workers: run.workers,
    commit: readCommit(),
    at: systemClock.now().toISOString(),
    machine: {
      processor: os.cpus()[0]?.model.trim() ?? 'unknown',
      cores: os.availableParallelism(),
      memoryGb: Math.round(os.totalmem() / 1_024 ** 3),
      node: process.versions.node,
      ...versions,
    },
    legs: [...run.legs],
  };
}
