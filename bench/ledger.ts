import { z } from 'zod';
import { monotonicMs } from '../src/platform/time.ts';
import { percentile } from './report.ts';

interface Entry {
  readonly phone: string;
  readonly dueAt: number;
  readonly postedAt: number;
  answeredAt: number;
  status: number;
  repliedAt: number;
}

const Spread = z.object({ p50: z.number(), p99: z.number(), max: z.number() });

/** What became of the messages of one stage. Milliseconds, each from the time at which the message was due. */
export const Account = z.object({
  posted: z.int(),
  accepted: z.int(),
  replies: z.int(),
  /** Messages without a reply of their own: late, lost, or answered together with another. */
  unanswered: z.int(),
  /** Replies that nobody had asked for. */
  surplus: z.int(),
  reply: Spread,
  webhook: Spread,
  /** How late the messages were posted: how honest the generator was. */
  lateness: Spread,
  /** From the last post to the last reply. */
  drainMs: z.number(),
});
export type Account = z.infer<typeof Account>;

/** Who wrote when, and when the reply was on their phone. */
export class Ledger {
  #entries: Entry[] = [];
  #open = new Map<string, Entry[]>();
  #openCount = 0;
  #replies = 0;
  #surplus = 0;
  #lastReplyAt = 0;
  #quiet: (() => void) | undefined;

  posted(phone: string, dueAt: number, postedAt: number): Entry {
    const entry = { phone, dueAt, postedAt, answeredAt: NaN, status: 0, repliedAt: NaN };
    this.#entries.push(entry);
    const open = this.#open.get(phone);
    if (open === undefined) this.#open.set(phone, [entry]);
    else open.push(entry);
    this.#openCount += 1;
    return entry;
  }

  answered(entry: Entry, at: number, status: number): void {
    entry.answeredAt = at;
    entry.status = status;
  }

  /** Replies keep the order of the messages, so a reply is that of the oldest message that has none. */
  replied(phone: string, at: number): void {
    this.#replies += 1;
    this.#lastReplyAt = at;
    const entry = this.#open.get(phone)?.shift();
    if (entry === undefined) {
      this.#surplus += 1;
      return;
    }
    entry.repliedAt = at;
    this.#openCount -= 1;
    if (this.#openCount === 0) this.#quiet?.();
  }

  /** @returns whether every message has its reply, as soon as that is so, or when the time is over. */
  async untilQuiet(timeoutMs: number): Promise<boolean> {
    if (this.#openCount === 0) return true;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      resolve(undefined);
    }, timeoutMs);
    this.#quiet = () => {
      resolve(undefined);
    };
    await promise;
    clearTimeout(timer);
    this.#quiet = undefined;
    return this.#openCount === 0;
  }

  /** Closes the stage: what comes for it from now on is surplus. */
  takeAccount(): Account {
    const entries = this.#entries;
    const replied = entries.filter((entry) => !Number.isNaN(entry.repliedAt));
    const account = {
      posted: entries.length,
      accepted: entries.filter((entry) => entry.status === 200).length,
      replies: this.#replies,
      unanswered: this.#openCount,
      surplus: this.#surplus,
      reply: spread(replied.map((entry) => entry.repliedAt - entry.dueAt)),
      webhook: spread(entries.map((entry) => entry.answeredAt - entry.dueAt)),
      lateness: spread(entries.map((entry) => entry.postedAt - entry.dueAt)),
      drainMs:
        (replied.length === entries.length ? this.#lastReplyAt : monotonicMs()) - (entries.at(-1)?.postedAt ?? 0),
    };
    this.#entries = [];
    this.#open = new Map();
    [this.#openCount, this.#replies, this.#surplus] = [0, 0, 0];
    return account;
  }
}

function spread(values: readonly number[]): z.infer<typeof Spread> {
  // JSON has no NaN; a spread of nothing is nothing.
  if (values.length === 0) return { p50: 0, p99: 0, max: 0 };
  return { p50: percentile(values, 0.5), p99: percentile(values, 0.99), max: percentile(values, 1) };
}
