import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const PROGRAM = fileURLToPath(new URL('../../workers/main.ts', import.meta.url));
const START_TIMEOUT_MS = 20_000;

/** A worker as production runs it: `node workers/main.ts`, which may be killed at any moment. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#gone = once(child, 'exit');
  }

  /** @throws what it wrote, when it ends instead of starting. */
  static async start(environment: Readonly<Record<string, string>>): Promise<WorkerProcess> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM], {
      env: { PATH: process.env.PATH, ...environment, PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'info' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const worker = new WorkerProcess(child);
    let said = '';
    const listen = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-100_000);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    await until(() => said.includes('worker.started') || child.exitCode !== null, START_TIMEOUT_MS);
    if (child.exitCode !== null) throw new Error(`The worker ended with code ${child.exitCode}: ${said}`);
    return worker;
  }

  /** `kill -9`: nothing is finished, nothing is given back. Safe to repeat. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  /** Asks it to end, and resolves with its exit code. */
  async end(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    await this.#gone;
    return this.#child.exitCode;
  }
}
