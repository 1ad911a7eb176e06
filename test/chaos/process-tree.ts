import fs from 'node:fs';

/**
 * Sends a signal to a process and its children: to the process first when it is to stop, or it would start another child
 * behind our back, and last when it is to go on.
 */
export function signalTree(pid: number | undefined, signal: 'SIGSTOP' | 'SIGCONT'): void {
  if (pid === undefined) return;
  if (signal === 'SIGSTOP') signalIfThere(pid, signal);
  for (const child of childrenOf(pid)) signalIfThere(child, signal);
  if (signal === 'SIGCONT') signalIfThere(pid, signal);
}

function childrenOf(pid: number): readonly number[] {
  try {
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return children.flatMap((child) => (child.trim() === '' ? [] : [Number(child)]));
  } catch {
    // It is gone, and has none.
    return [];
  }
}

/** It may have ended since it was listed. */
function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, and with it what was to be frozen.
  }
}
