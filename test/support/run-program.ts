import { execFile } from 'node:child_process';

const RUNS_MS_MAX = 120_000;
const SAID_BYTES_MAX = 8 * 1_048_576;

export interface Ran {
  readonly code: number;
  /** Standard output and standard error, one after the other. */
  readonly said: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Runs a program to its end. Never rejects: a test wants to see what it said, also when it failed. */
export async function runProgram(file: string, given: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return await new Promise((resolve) => {
    const child = execFile(
      file,
      given,
      {
        timeout: RUNS_MS_MAX,
        maxBuffer: SAID_BYTES_MAX,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.environment === undefined ? {} : { env: options.environment }),
      },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : (child.exitCode ?? 1), said: `${stdout}${stderr}` });
      },
    );
  });
}
