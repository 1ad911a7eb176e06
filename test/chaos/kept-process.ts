import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { NODE_FLAGS } from '../../local/node-flags.ts';
import { waitUntilGone } from '../../local/processes.ts';
import { systemClock } from '../../src/platform/time.ts';
import { isReady } from '../support/product-calls.ts';
import { until } from '../support/until.ts';
import type { Life } from './history.ts';
import { signalTree } from './process-tree.ts';

export interface KeptProcessOptions {
  readonly name: string;
  /** Relative to the project. */
  readonly file: string;
  /** With a `PORT` on which `/readyz` answers. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logs: string;
}

const ROOT = path.join(import.meta.dirname, '..', '..');
/** About what a container runtime takes. */
const RESTART_AFTER_MS = 200;
const READY_WITHIN_MS = 30_000;
const END_WITHIN_MS = 10_000;
/** The product's processes say so as soon as they are ready. */
const STARTED = '.started"';

/** A process of the product that is started again when it dies, and knows which deaths were its killer's. */
export class KeptProcess {
  readonly name: string;
  /** Deaths of a process that ran and to which nobody here did anything, with what it ended with. */
  readonly ownDeaths: string[] = [];
  /** Starts that came to nothing, as without a database, and were repeated. */
  failedStarts = 0;
  readonly #spawnedAt: number[] = [];
  readonly #endedAt: number[] = [];
  readonly #options: KeptProcessOptions;
  readonly #logFile: string;
  #child: ChildProcess;
  #isStopping = false;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: KeptProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#logFile = path.join(options.logs, `${options.name}.log`);
    this.#child = this.#spawn();
  }

  /** Resolves when the process that runs now says that it is ready. */
  async untilReady(): Promise<void> {
    const url = `http://127.0.0.1:${this.#options.environment.PORT ?? ''}`;
    await until(async () => {
      if (this.failedStarts > 0) throw new Error(`${this.name} does not start; see ${this.#logFile}`);
      return await isReady(url);
    }, READY_WITHIN_MS);
  }

  /** How long each start took that came to its end. On a busy machine that is most of what a kill costs. */
  startsMs(): readonly number[] {
    return this.#starts().map(({ spawnedAt, readyAt }) => readyAt - spawnedAt);
  }

  /** When it was there, each time from when it was ready. */
  lives(): readonly Life[] {
    return this.#starts().map(({ readyAt }) => {
      const to = this.#endedAt.find((at) => at > readyAt) ?? Infinity;
      return { worker: this.name, from: readyAt, to };
    });
  }

  #starts(): readonly { spawnedAt: number; readyAt: number }[] {
    const readyAt = this.#logLines().flatMap((line) => {
      const [, time] = /"time":"([^"]+)"/.exec(line) ?? [];
      return line.includes(STARTED) && time !== undefined ? [Date.parse(time)] : [];
    });
    return this.#spawnedAt.flatMap((spawnedAt, index) => {
      const until = this.#spawnedAt[index + 1] ?? Infinity;
      const ready = readyAt.find((at) => at >= spawnedAt && at < until);
      return ready === undefined ? [] : [{ spawnedAt, readyAt: ready }];
    });
  }

  /** What it has logged about an event, all of its lives together. */
  logged(event: string): readonly unknown[] {
    const lines = this.#logLines().filter((line) => line.includes(`"event":"${event}"`) && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as unknown);
  }

  /** `kill -9`. Another one is started. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** It stands still, and whatever it has started. */
  freeze(): void {
    signalTree(this.#child.pid, 'SIGSTOP');
  }

  thaw(): void {
    signalTree(this.#child.pid, 'SIGCONT');
  }

  /** Safe to repeat. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = once(child, 'exit');
    this.thaw();
    child.kill('SIGTERM');
    if (!(await waitUntilGone(child.pid, END_WITHIN_MS))) child.kill('SIGKILL');
    await gone;
  }

  #logLines(): readonly string[] {
    return fs.readFileSync(this.#logFile, 'utf8').split('\n');
  }

  #spawn(): ChildProcess {
    const { file, environment } = this.#options;
    const log = fs.openSync(this.#logFile, 'a');
    const logged = fs.fstatSync(log).size;
    const child = spawn(process.execPath, [...NODE_FLAGS, path.join(ROOT, file)], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: path.join(this.#options.logs, 'compile-cache'),
        ...environment,
      },
      // The channel's end tells it that the run itself has died.
      stdio: ['ignore', log, log, 'ipc'],
    });
    fs.closeSync(log);
    this.#spawnedAt.push(systemClock.now().getTime());
    child.once('exit', (code, signal) => {
      this.#endedAt.push(systemClock.now().getTime());
      if (this.#isStopping) return;
      if (signal !== 'SIGKILL') {
        if (fs.readFileSync(this.#logFile).subarray(logged).includes(STARTED)) {
          this.ownDeaths.push(`code ${code ?? signal ?? 'unknown'}`);
        } else this.failedStarts += 1;
      }
      this.#restart = setTimeout(() => {
        this.#child = this.#spawn();
      }, RESTART_AFTER_MS);
    });
    return child;
  }
}
