import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { NODE_FLAGS } from '../local/node-flags.ts';
import type { z } from 'zod';
import { waitUntilGone } from '../local/processes.ts';
import { CommandAnswer } from './commands.ts';

export interface ProgramOptions {
  readonly name: string;
  /** Relative to the repository. */
  readonly file: string;
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
  /** Where its output goes. */
  readonly logs: string;
  /** Whether it takes commands. The product's own processes run as in production and take none. */
  readonly takesCommands?: boolean;
}

const ROOT = path.join(import.meta.dirname, '..');
const END_WITHIN_MS = 10_000;
const LAST_WORDS_CHARACTERS = 2_000;

interface Asked {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A process of the bench. */
export class Program {
  readonly name: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #gone: Promise<unknown>;
  readonly #asked = new Map<number, Asked>();
  #commands = 0;

  constructor(options: ProgramOptions) {
    const { name, file, arguments: given = [], environment, nodeFlags = [], logs, takesCommands = false } = options;
    const logFile = path.join(logs, `${name}.log`);
    const log = fs.openSync(logFile, 'a');
    const child = spawn(process.execPath, [...NODE_FLAGS, ...nodeFlags, file, ...given], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', log, log, ...(takesCommands ? (['ipc'] as const) : [])],
    });
    fs.closeSync(log);
    if (child.pid === undefined) throw new Error(`${name} could not be started`);
    this.name = name;
    this.pid = child.pid;
    this.#child = child;
    this.#logFile = logFile;
    this.#gone = once(child, 'exit').then(() => {
      for (const { reject } of this.#asked.values()) reject(new Error(`${name} ended: ${this.lastWords}`));
    });
    child.on('message', (message) => {
      this.#answered(message);
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of its log, which is gone with the bench. */
  get lastWords(): string {
    return fs.readFileSync(this.#logFile, 'utf8').slice(-LAST_WORDS_CHARACTERS);
  }

  /** Tells the program to do something, and waits until it has. */
  async ask<Answer>(name: string, body: unknown, answer: z.ZodType<Answer>): Promise<Answer> {
    this.#commands += 1;
    const id = this.#commands;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#asked.set(id, { resolve, reject });
    if (!this.isRunning) throw new Error(`${this.name} is not running`);
    this.#child.send({ id, name, body });
    return answer.parse(await promise);
  }

  /** Lets it drain; ends it if it does not. Safe to repeat. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill('SIGTERM');
    if (!(await waitUntilGone(this.pid, END_WITHIN_MS))) this.#child.kill('SIGKILL');
    await this.#gone;
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGKILL');
    await this.#gone;
  }

  #answered(message: unknown): void {
    const answer = CommandAnswer.parse(message);
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    if ('error' in answer) asked?.reject(new Error(`${this.name}: ${answer.error}`));
    else asked?.resolve(answer.result);
  }
}
