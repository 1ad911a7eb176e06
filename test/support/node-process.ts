import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const ROOT = new URL('../../', import.meta.url);
const START_TIMEOUT_MS = 20_000;
const SAID_CHARACTERS_MAX = 1_000_000;

export interface Program {
  /** From the project's root. */
  readonly file: string;
  /** What its log says once it works. */
  readonly startedEvent: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A module that is loaded before the program and may break it, from the project's root. */
  readonly preload?: string;
}

/** A program of the product as production runs it, in a process of its own that a test may freeze and kill. */
export class NodeProcess {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #said = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#gone = once(child, 'exit');
    const listen = (chunk: Buffer): void => {
      this.#said = (this.#said + chunk.toString()).slice(-SAID_CHARACTERS_MAX);
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
  }

  /** @throws what it wrote, when it ends instead of starting. */
  static async start(program: Program): Promise<NodeProcess> {
    const flags = ['--disable-warning=ExperimentalWarning'];
    if (program.preload !== undefined) flags.push('--import', new URL(program.preload, ROOT).href);
    const child = spawn(process.execPath, [...flags, fileURLToPath(new URL(program.file, ROOT))], {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        PORT: '0',
        HOST: '127.0.0.1',
        ...program.environment,
        LOG_LEVEL: 'info',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new NodeProcess(child);
    await until(() => started.said.includes(program.startedEvent) || started.hasEnded, START_TIMEOUT_MS);
    if (started.hasEnded) throw new Error(`${program.file} ended with code ${child.exitCode}: ${started.said}`);
    return started;
  }

  /** Null while it runs, and after a signal that it could not answer. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The end of what it has written so far. */
  get said(): string {
    return this.#said;
  }

  /** Where it serves its health, and whatever else it serves. */
  get url(): string {
    const [, port] = /"port":(\d+)/.exec(this.#said) ?? [];
    if (port === undefined) throw new Error('The process has not said on which port it listens');
    return `http://127.0.0.1:${port}`;
  }

  /** `kill -9`: nothing is finished, nothing is given back. Safe to repeat. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  /** Resolves once it is gone, whoever ended it. */
  async isGone(): Promise<void> {
    await this.#gone;
  }

  /** Any other signal, for what a preload listens to. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Stands still from now on, its connections open, as a machine that swaps or a virtual one that is moved. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Goes on where it stood, and does not know how late it is. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Asks it to end, and resolves with its exit code. */
  async end(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    await this.#gone;
    return this.#child.exitCode;
  }
}
