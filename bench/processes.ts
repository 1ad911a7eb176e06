import fs from 'node:fs';

/** The kernel counts time in ticks of this length: USER_HZ, 100 a second on every Linux that Node runs on. */
const TICK_SECONDS = 0.01;

/** What a process holds of the memory now. Undefined where the system does not tell. */
export function residentMegabytes(pid: number): number | undefined {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readOrEmpty(`/proc/${pid}/status`)) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1_024;
}

/** Processor time of a process and of its children, so far: PostgreSQL works in a process for each connection. */
export function cpuSeconds(pid: number): number {
  const children = readOrEmpty(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '');
  const [, , user = 0, system = 0, reapedUser = 0, reapedSystem = 0] = timesOf(pid);
  const own = (user + system + reapedUser + reapedSystem) * TICK_SECONDS;
  return children.reduce((sum, child) => sum + cpuSeconds(Number(child)), own);
}

/** Processor time of everything on this machine so far, whoever used it. Source: proc_stat(5). */
export function cpuSecondsOfMachine(): number {
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0, stolen = 0] = (
    readOrEmpty('/proc/stat').split('\n', 1)[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + interrupts + softInterrupts + stolen) * TICK_SECONDS;
}

/** The fields of `/proc/<pid>/stat` from minor faults on: … utime, stime, cutime, cstime. Source: proc_pid_stat(5). */
function timesOf(pid: number): readonly number[] {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  // The name, in brackets, may hold anything, also spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(9, 15).map(Number);
}

function readOrEmpty(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
