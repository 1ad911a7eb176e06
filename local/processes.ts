import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { pause } from '../src/platform/time.ts';

export function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return !isZombie(pid);
}

/** A process that has ended and that nobody has collected yet still answers to its number. */
function isZombie(pid: number): boolean {
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return fields.slice(fields.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/** How a process was started, so that a reused number is not mistaken for ours. Empty when it cannot be known. */
export function commandLineOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
  }
}

/** @returns whether it was gone within `timeoutMs`. */
export async function waitUntilGone(pid: number, timeoutMs: number): Promise<boolean> {
  const giveUp = AbortSignal.timeout(timeoutMs);
  while (isRunning(pid)) {
    if (giveUp.aborted) return false;
    await pause(20);
  }
  return true;
}
