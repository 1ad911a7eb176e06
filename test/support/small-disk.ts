import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A disk of so many megabytes that a test can fill. */
export interface SmallDisk {
  readonly directory: string;
  /** Not a byte is left. */
  fill(): void;
  /** What {@link fill} has put there is gone. */
  free(): void;
  close(): void;
}

/** A file system in memory, which ends as a full disk does. Needs root. */
export function mountSmallDisk(megabytes: number): SmallDisk {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'plantao-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', directory]);
  const ballast = path.join(directory, 'ballast');
  return {
    directory,
    fill: () => {
      for (const bytes of [1_048_576, 4_096]) fillInSteps(ballast, bytes);
    },
    free: () => {
      rmSync(ballast, { force: true });
    },
    close: () => {
      execFileSync('umount', ['-l', directory]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function fillInSteps(file: string, bytes: number): void {
  const step = Buffer.alloc(bytes);
  try {
    for (;;) appendFileSync(file, step);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error;
  }
}

/** Why a test cannot have such a disk here; undefined when it can. */
export function whyNoSmallDisk(): string | undefined {
  return process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'only root on Linux may mount a tmpfs';
}
