import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fullJitterMs, monotonicMs } from '../src/platform/time.ts';
import { NODE_FLAGS } from './node-flags.ts';

export interface Program {
  readonly name: string;
  /** Relative to the project. */
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
}

const BACKOFF = { baseMs: 200, capMs: 5_000 };
/** A program that ran this long was well; its next end is a new story. */
const WELL_AFTER_MS = 30_000;
const STOP_WITHIN_MS = 3_000;
const LOG_BYTES_MAX = 20 * 1_048_576;

interface Running {
  readonly program: Program;
  child: ChildProcess;
  startedAt: number;
  endsInARow: number;
}

/**
 * Keeps programs running: one that ends is started again, sooner or later depending on how often it has ended.
 *
 * Each has a process group of its own, so that Ctrl-C reaches the supervisor alone and the end has an order; and a channel
 * to it, so that a program notices when the supervisor itself was killed.
 */
export class Supervisor {
  readonly #root: string;
  readonly #logs: string;
  readonly #running = new Map<string, Running>();
  readonly #onEnd: (name: string, code: number | null) => void;
  #isStopping = false;

  constructor(options: { root: string; logs: string; onEnd: (name: string, code: number | null) => void }) {
    this.#root = options.root;
    this.#logs = options.logs;
    this.#onEnd = options.onEnd;
    fs.mkdirSync(options.logs, { recursive: true });
  }

  start(program: Program): void {
    this.#running.set(program.name, { program, child: this.#spawn(program), startedAt: monotonicMs(), endsInARow: 0 });
    this.#watch(program.name);
  }

  pidOf(name: string): number | undefined {
    return this.#running.get(name)?.child.pid;
  }

  /** Asks all of them to end, the last started first in line, and insists after three seconds. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#running.values()].reverse().map(async ({ child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGINT');
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
        await gone;
        clearTimeout(late);
      }),
    );
  }

  #watch(name: string): void {
    const running = this.#running.get(name);
    running?.child.once('exit', (code) => {
      if (this.#isStopping) return;
      this.#onEnd(name, code);
      running.endsInARow = monotonicMs() - running.startedAt > WELL_AFTER_MS ? 1 : running.endsInARow + 1;
      setTimeout(
        () => {
          if (this.#isStopping) return;
          running.child = this.#spawn(running.program);
          running.startedAt = monotonicMs();
          this.#watch(name);
        },
        fullJitterMs(running.endsInARow, BACKOFF),
      );
    });
  }

  #spawn(program: Program): ChildProcess {
    const log = this.logFile(program.name);
    if (fs.existsSync(log) && fs.statSync(log).size > LOG_BYTES_MAX) fs.renameSync(log, `${log}.1`);
    const output = fs.openSync(log, 'a');
    const child = spawn(process.execPath, [...NODE_FLAGS, path.join(this.#root, program.script)], {
      cwd: this.#root,
      env: { ...process.env, ...program.environment },
      stdio: ['ignore', output, output, 'ipc'],
      detached: true,
    });
    fs.closeSync(output);
    child.on('error', (error) => {
      fs.appendFileSync(log, `${String(error)}\n`);
    });
    return child;
  }

  logFile(name: string): string {
    return path.join(this.#logs, `${name}.log`);
  }
}
