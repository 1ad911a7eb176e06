import { sqlState } from './database.ts';

/** The exit codes of sysexits.h for a wrong call, and for something that is needed and not there. */
export const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;

/**
 * Runs what an operator has called: its result is the exit code of the process, and a database that cannot be asked is one
 * sentence. What else goes wrong is a bug and shows its trace.
 */
export async function runCommand(main: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    process.stderr.write(`The database cannot be asked: ${error.message || String(error.code)}\n`);
    process.exitCode = EX_UNAVAILABLE;
  }
}

/** Not there, not letting us in, without our database or without our tables, or going down. */
function isUnavailable(error: unknown): error is Error & { readonly code?: unknown } {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error);
  if (state !== undefined) return /^(08|28|3D|53|57)|^42P01$/.test(state);
  return ('code' in error && typeof error.code === 'string') || /timeout|terminated/i.test(error.message);
}
