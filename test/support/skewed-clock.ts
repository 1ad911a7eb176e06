import { spawnSync } from 'node:child_process';

/**
 * What a process is started with so that its clock is wrong by so much, e.g. `+10m`. Its timers keep their pace.
 *
 * faketime is a program and a library that stands between a process and the system's clock; the program is asked for the
 * place of the library, so that the process can be started directly and be frozen and killed by its own id.
 */
export function skewedClock(by: string): Readonly<Record<string, string>> {
  return { LD_PRELOAD: library, FAKETIME: by, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

/** Why a clock cannot be skewed on this machine; undefined when it can. */
export function whyNoSkewedClock(): string | undefined {
  return library === '' ? 'no faketime on PATH' : undefined;
}

const { stdout, status } = spawnSync('faketime', ['-f', '+0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' });
const library = status === 0 ? stdout.trim() : '';
