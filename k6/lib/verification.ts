import { marksIn, phoneOf } from './questions.ts';
import type { Mark } from './questions.ts';

/** A message that reached a customer's phone. */
export interface Heard {
  readonly phone: string;
  readonly text: string;
  /** Milliseconds since 1970, by the clock of the gateway. */
  readonly atMs: number;
}

/** What was posted. */
export interface Asked {
  readonly run: string;
  /** The messages have the numbers from 0 to below this. */
  readonly count: number;
  readonly customers: number;
  /** Those that nobody said yes to: they may be answered or not, but not twice. */
  readonly refused: ReadonlySet<number>;
  /** Of a run that was broken off: only messages with smaller numbers are missed when they are not answered. */
  readonly certainBelow?: number;
}

/** Each list names messages by their numbers. */
export interface Verdict {
  readonly answered: number;
  readonly lost: readonly number[];
  readonly doubled: readonly number[];
  /** Answered after a later message of the same customer. */
  readonly outOfOrder: readonly number[];
  /** Answered to somebody else. */
  readonly mixed: readonly number[];
  /** What was heard and answers nothing that was asked, e.g. the bot's own words when the model is away. */
  readonly withoutCause: readonly string[];
  /** From each post to the reply, of those that were answered. */
  readonly waitsMs: readonly number[];
}

/** Holds what customers heard against what was posted: each message answered once, to whom wrote it, in order. Pure. */
export function verify(asked: Asked, heard: readonly Heard[]): Verdict {
  const answers = new Map<number, number>();
  const latest = new Map<string, number>();
  const outOfOrder: number[] = [];
  const mixed: number[] = [];
  const withoutCause: string[] = [];
  const waitsMs: number[] = [];
  for (const { phone, text, atMs } of heard) {
    const marks = marksIn(text);
    const ours = marks.filter((mark) => mark.run === asked.run);
    if (marks.length === 0 || ours.some((mark) => mark.number >= asked.count)) withoutCause.push(text.slice(0, 60));
    for (const { number, postedAtMs } of ours.filter((mark) => mark.number < asked.count)) {
      answers.set(number, (answers.get(number) ?? 0) + 1);
      if (answers.get(number) === 1) waitsMs.push(atMs - postedAtMs);
      if (phone !== phoneOf(number, asked.customers)) mixed.push(number);
      const last = latest.get(phone) ?? -1;
      if (number < last) outOfOrder.push(number);
      latest.set(phone, Math.max(number, last));
    }
  }
  const lost: number[] = [];
  for (let number = 0; number < (asked.certainBelow ?? asked.count); number += 1) {
    if (!answers.has(number) && !asked.refused.has(number)) lost.push(number);
  }
  const doubled = [...answers].filter(([, times]) => times > 1).map(([number]) => number);
  return { answered: answers.size, lost, doubled, outOfOrder, mixed, withoutCause, waitsMs };
}

/** Whether everything that was accepted has been answered. Cheaper than a verdict, for whoever waits. */
export function isComplete(asked: Asked, seen: ReadonlySet<number>): boolean {
  for (let number = 0; number < asked.count; number += 1) {
    if (!seen.has(number) && !asked.refused.has(number)) return false;
  }
  return true;
}

/** The marks of a run in what was heard. */
export function marksOfRun(run: string, heard: readonly Heard[]): readonly Mark[] {
  return heard.reduce<Mark[]>((all, { text }) => {
    all.push(...marksIn(text).filter((mark) => mark.run === run));
    return all;
  }, []);
}

/**
 * How many messages of a run that was broken off are beyond doubt: a request that is cut off tells nobody, so what was posted
 * within a request's time of the last message may have arrived or not. Pure.
 */
export function certainCount(marks: readonly Mark[], requestTimeoutMs: number): number {
  const last = marks.reduce((latest, { postedAtMs }) => Math.max(latest, postedAtMs), 0);
  const recent = marks.filter(({ postedAtMs }) => postedAtMs >= last - requestTimeoutMs);
  return recent.reduce((least, { number }) => Math.min(least, number), marks.length === 0 ? 0 : Infinity);
}

/** One line for each way in which the promise was broken; none when all is well. */
export function problemsOf({ lost, doubled, outOfOrder, mixed, withoutCause }: Verdict): readonly string[] {
  const kinds: readonly (readonly [string, readonly (number | string)[]])[] = [
    ['messages were accepted and not answered', lost],
    ['messages were answered twice', doubled],
    ['messages were answered out of order', outOfOrder],
    ['messages were answered to somebody else', mixed],
    ['replies answer nothing that was asked', withoutCause],
  ];
  return kinds
    .filter(([, which]) => which.length > 0)
    .map(([what, which]) => `${which.length} ${what}, e.g. ${which.slice(0, 5).join(', ')}`);
}
