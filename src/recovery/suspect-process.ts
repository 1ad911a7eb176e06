import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import { MANNERS } from '../conversation/take-turn.ts';
import { addGrowth, Growth } from '../platform/forked-metrics.ts';
import { TURN_OUTCOMES } from '../vocabulary/events.ts';
import type { TurnOutcome } from '../vocabulary/events.ts';
import { ConversationId } from '../vocabulary/ids.ts';

/** What the process is asked: to take this turn. */
export const SuspectOrder = z.object({
  take: ConversationId,
  manner: z.enum(MANNERS),
  company: z.enum(['few', 'nobody']),
});
export type SuspectOrder = z.infer<typeof SuspectOrder>;

/** What it says: that it can be asked, how a turn ended, and what it has counted. */
export const SuspectReport = z.union([
  z.object({ isReady: z.literal(true) }),
  z.object({ taken: ConversationId, outcome: z.union([z.enum(TURN_OUTCOMES), z.literal('not-taken')]) }),
  z.object({ grown: Growth }),
]);
export type SuspectReport = z.infer<typeof SuspectReport>;

/** How a turn ended that was taken alone. `died`: with its process. `not-taken`: with an error before it began. */
export type SuspectOutcome = TurnOutcome | 'not-taken' | 'died';

/** From the fork to its word that it can be asked, on a machine that is busy with a restart. */
const START_WITHIN_MS = 15_000;
/** Asked to end, it gives back what it has; after this it is made to. Less than one part of a process has for closing. */
const END_WITHIN_MS = 8_000;

/** A process for suspects, seen from the worker that started it. */
export class SuspectProcess {
  readonly #child: ChildProcess;
  /** Resolves with its exit code; null when it was killed or could not be started. */
  readonly ended: Promise<number | null>;
  readonly #asked = new Map<ConversationId, (outcome: SuspectOutcome) => void>();
  #hasEnded = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = this.#watch();
    child.on('message', (said) => {
      const report = SuspectReport.safeParse(said);
      // What it says wrongly is a bug of ours, and its silence has an end.
      if (!report.success) return;
      if ('grown' in report.data) addGrowth(report.data.grown);
      if ('taken' in report.data) this.#asked.get(report.data.taken)?.(report.data.outcome);
    });
  }

  /** @throws when it ends, or says nothing for too long, instead of being ready. It has ended then. */
  async ready(): Promise<void> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), START_WITHIN_MS);
    try {
      await Promise.race([once(this.#child, 'message'), this.#neverReady()]);
    } finally {
      clearTimeout(late);
    }
  }

  get isAlive(): boolean {
    return !this.#hasEnded;
  }

  /** Never rejects. A process that says nothing for `withinMs` hangs, and is made to end. */
  async take(order: SuspectOrder, withinMs: number): Promise<SuspectOutcome> {
    const reported = Promise.withResolvers<SuspectOutcome>();
    this.#asked.set(order.take, reported.resolve);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    // A line that is cut means that it has ended or is about to, and the end is what we wait for.
    if (this.#child.connected) this.#child.send(order, () => undefined);
    const outcome = await Promise.race([reported.promise, this.#outcomeOfEnd()]);
    clearTimeout(late);
    this.#asked.delete(order.take);
    return outcome;
  }

  /** Asks it to end, and insists. Safe to repeat. */
  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), END_WITHIN_MS);
    await this.ended;
    clearTimeout(late);
  }

  async #watch(): Promise<number | null> {
    const ended = Promise.withResolvers<number | null>();
    this.#child.once('exit', ended.resolve);
    this.#child.once('error', () => {
      // It could not be started at all, or not be signalled; what cannot be started never says that it has ended.
      if (this.#child.pid === undefined) ended.resolve(null);
    });
    const code = await ended.promise;
    this.#hasEnded = true;
    return code;
  }

  async #neverReady(): Promise<never> {
    throw new Error(`It ended with code ${await this.ended} instead of starting`);
  }

  async #outcomeOfEnd(): Promise<SuspectOutcome> {
    // Asked to end, it has given the turn back.
    return (await this.ended) === 0 ? 'superseded' : 'died';
  }
}
