import type { ChildProcess } from 'node:child_process';
import pLimit from 'p-limit';
import { MANNERS } from '../conversation/take-turn.ts';
import type { Manner } from '../conversation/take-turn.ts';
import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { quarantineFailed, suspectTaken } from '../vocabulary/events.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import { SuspectProcess } from './suspect-process.ts';
import type { SuspectOutcome } from './suspect-process.ts';

/** What the quarantine needs from the rest of the system, and nothing more. */
export interface QuarantineNeeds {
  /** Starts a process that takes suspects; undefined where there is none to start. */
  readonly fork: (() => ChildProcess) | undefined;
  /** Takes a suspect in this process. */
  readonly takeHere: (id: ConversationId, manner: Manner) => Promise<SuspectOutcome>;
  /** Whether this worker comes before all others that have turns in hand. */
  readonly isFirst: () => Promise<boolean>;
  /** Something may have been said: called after each suspect that did not die. */
  readonly ringDelivery: (id: ConversationId) => void;
  /** Longer than the longest turn: a process that is silent for so long hangs. */
  readonly turnMsMax: number;
  readonly log: Logger;
}

/** Suspects that wait. Each turn that was under way in a dead worker is one; beyond this the sweeper finds them again. */
const WAITING_MAX = 1_000;
/** Suspects in the process at once. Hardly any of them did it, and if one does, few are with it. */
const GROUP_MAX = 8;
/** How long suspects are left to the worker that is first, which mostly has a process for them already. */
const LEFT_TO_FIRST_MS = 4_000;
/** Deaths come in rows, and a process that is there saves its customers a second. After this its memory is worth more. */
const IDLE_MS = 120_000;
/** Processes in a row that did not start, after which suspects are taken in this process for a while. */
const START_FAILURES_MAX = 2;
const START_AGAIN_MS = 60_000;

interface Suspect {
  manner: Manner;
  /** Too much has died with it for it to be in a group. */
  isAlone: boolean;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Takes turns that may have killed their worker in a process that does nothing else, a few at a time and at last each
 * alone, so that the one that did it is known by what it does next and those that were merely beside it are answered.
 *
 * One process is enough: turns mostly wait for the model, and where workers die in rows it is the starting of processes that
 * the machine has no time for [measured: a third of two cores went into it while a worker died every 2.5 s].
 *
 * It remembers nothing that matters: who is a suspect, and how often a process died, stands with the conversation.
 */
export class Quarantine {
  readonly #needs: QuarantineNeeds;
  readonly #waiting = new Map<ConversationId, Suspect>();
  readonly #inHand = new Map<ConversationId, Suspect>();
  /** Until nobody waits any more. */
  #taking: Promise<void> | undefined;
  #process: SuspectProcess | undefined;
  #idle: NodeJS.Timeout | undefined;
  readonly #here = pLimit(1);
  /** When a suspect was first left to another worker, and when last. */
  readonly #left = { sinceMs: 0, lastMs: 0 };
  #startFailures = 0;
  #startAgainAt = 0;
  #isClosed = false;

  constructor(needs: QuarantineNeeds) {
    this.#needs = needs;
  }

  /** Somebody may have died: a process that starts now is there by the time it is known whose turns are suspects. */
  async warm(): Promise<void> {
    if (this.#process !== undefined || this.#needs.fork === undefined || !(await this.#isFirst())) return;
    if (!this.#isClosed) this.#takeAll();
  }

  /**
   * Resolves when the suspect was taken, however that ended, or is left to another worker. Safe to repeat: one that waits goes
   * on waiting. Never rejects.
   */
  async take(id: ConversationId, manner: Manner): Promise<void> {
    const known = this.#waiting.get(id) ?? this.#inHand.get(id);
    if (known !== undefined) {
      if (MANNERS.indexOf(manner) > MANNERS.indexOf(known.manner)) known.manner = manner;
      await known.done.promise;
      return;
    }
    // A manner that is not the usual one is a customer's who has waited for too long already.
    if (manner === 'model' && !(await this.#isOurs())) return;
    if (this.#isClosed || this.#waiting.size >= WAITING_MAX || this.#waiting.has(id) || this.#inHand.has(id)) return;
    const suspect: Suspect = { manner, isAlone: false, done: Promise.withResolvers() };
    this.#waiting.set(id, suspect);
    this.#takeAll();
    await suspect.done.promise;
  }

  /** What waits is left to others; what is in hand is given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { done } of this.#waiting.values()) done.resolve();
    this.#waiting.clear();
    clearTimeout(this.#idle);
    await this.#process?.end();
    await this.#taking;
  }

  /** Starting a process in every worker would take the machine from the customers, so one worker is to be first. */
  async #isOurs(): Promise<boolean> {
    if (this.#process !== undefined || this.#needs.fork === undefined) return true;
    const nowMs = monotonicMs();
    if (nowMs - this.#left.lastMs > LEFT_TO_FIRST_MS) this.#left.sinceMs = nowMs;
    this.#left.lastMs = nowMs;
    return nowMs - this.#left.sinceMs >= LEFT_TO_FIRST_MS || (await this.#isFirst());
  }

  async #isFirst(): Promise<boolean> {
    // Two processes are better than none.
    return await this.#needs.isFirst().catch(() => true);
  }

  #takeAll(): void {
    this.#taking ??= this.#takeUntilNobodyWaits();
  }

  async #takeUntilNobodyWaits(): Promise<void> {
    clearTimeout(this.#idle);
    do await this.#takeAllIn(await this.#processThere());
    while (this.#waiting.size > 0);
    // In one breath with the last look at who waits: who comes now begins anew.
    this.#taking = undefined;
    if (!this.#isClosed) this.#idle = setTimeout(() => void this.#process?.end(), IDLE_MS);
  }

  /** Until nobody waits or the process has died. Who has to be alone waits for the others to end, and everybody behind waits for them. */
  async #takeAllIn(process: SuspectProcess | undefined): Promise<void> {
    const group = new Set<Promise<void>>();
    for (;;) {
      const [id, suspect] = this.#waiting.entries().next().value ?? [];
      const mayStart = process?.isAlive !== false && group.size < (suspect?.isAlone === true ? 1 : GROUP_MAX);
      if (id !== undefined && suspect !== undefined && mayStart) {
        const taking = this.#takeIn(process, id, suspect).finally(() => group.delete(taking));
        group.add(taking);
        if (suspect.isAlone || process === undefined) await taking;
      } else if (group.size > 0) await Promise.race(group);
      else return;
    }
  }

  async #takeIn(process: SuspectProcess | undefined, id: ConversationId, suspect: Suspect): Promise<void> {
    this.#waiting.delete(id);
    this.#inHand.set(id, suspect);
    const { manner, isAlone } = suspect;
    const order = { take: id, manner, company: isAlone ? 'nobody' : 'few' } as const;
    const outcome = await (process === undefined
      ? this.#here(() => this.#needs.takeHere(id, manner))
      : process.take(order, this.#needs.turnMsMax));
    this.#inHand.delete(id);
    if (outcome === 'suspect' && !isAlone && !this.#isClosed) {
      suspect.isAlone = true;
      this.#waiting.set(id, suspect);
      return;
    }
    this.#report(id, outcome);
    suspect.done.resolve();
  }

  #report(id: ConversationId, outcome: SuspectOutcome): void {
    // Somebody else has it, or there is nothing left of it: then nothing was tried, and nothing is known.
    if (outcome !== 'busy' && outcome !== 'nothing-to-answer' && outcome !== 'not-due') {
      suspectTaken(this.#needs.log, { conversationId: id, outcome });
    }
    if (outcome !== 'died') this.#needs.ringDelivery(id);
  }

  /** The process, started where there is none, or undefined when suspects have to be taken here. */
  async #processThere(): Promise<SuspectProcess | undefined> {
    if (this.#process?.isAlive === true) return this.#process;
    const { fork } = this.#needs;
    if (fork === undefined) return undefined;
    if (this.#startFailures >= START_FAILURES_MAX && monotonicMs() < this.#startAgainAt) return undefined;
    do {
      const started = await this.#start(fork);
      if (started !== undefined || this.#isClosed) return started;
    } while (this.#startFailures < START_FAILURES_MAX);
    this.#startAgainAt = monotonicMs() + START_AGAIN_MS;
    return undefined;
  }

  async #start(fork: () => ChildProcess): Promise<SuspectProcess | undefined> {
    try {
      const started = new SuspectProcess(fork());
      this.#process = started;
      void started.ended.then(() => {
        if (this.#process === started) this.#process = undefined;
      });
      await started.ready();
      this.#startFailures = 0;
      return started;
    } catch (error) {
      if (this.#isClosed) return undefined;
      this.#startFailures += 1;
      const reason = error instanceof Error ? error.message : 'unknown';
      quarantineFailed(this.#needs.log, { inARow: this.#startFailures, reason });
      return undefined;
    }
  }
}
