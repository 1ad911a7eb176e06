import exec from 'k6/execution';
import type { Options } from 'k6/options';
import type { Profile } from './profiles.ts';
import type { optionsOf } from './scenario.ts';
import { newRun } from './settings.ts';
import { Hearing, letModelThinkFor, noteVerdict, placeInSink } from './sink.ts';
import { certainCount, marksOfRun, verify } from './verification.ts';
import { postMessage, WEBHOOK_TIMEOUT_SECONDS } from './webhook.ts';

/** k6 takes what the plain part of a script makes for it; the compiler sees to that here, where k6's types are known. */
type OptionsOfK6<Made extends Options> = Made;
export type ScriptOptions = OptionsOfK6<ReturnType<typeof optionsOf>>;

/** What every virtual user of a run knows. */
export interface Begun {
  readonly run: string;
  readonly placeInSink: number;
}

export function begin({ modelMs }: Profile): Begun {
  letModelThinkFor(modelMs);
  return { run: newRun(), placeInSink: placeInSink() };
}

/** The next message of the run: every iteration has a number of its own, whichever virtual user has it. */
export function postNext({ run }: Begun, { customers }: Profile): void {
  postMessage(run, exec.scenario.iterationInTest, customers);
}

/** This iteration is not completed yet, so what is counted are the messages, and each of them has had its answer. */
export function verifyAll({ run, placeInSink: from }: Begun, { customers }: Profile): void {
  const hearing = new Hearing(run, from);
  const { iterationsCompleted } = exec.instance;
  const asked = { run, count: iterationsCompleted, customers, refused: hearing.refused };
  hearing.untilComplete(asked);
  noteVerdict(verify(asked, hearing.heard));
}

/** After a ramp: a threshold may have ended it, with requests cut off. */
export function verifyBrokenOff({ run, placeInSink: from }: Begun, { customers }: Profile): void {
  const hearing = new Hearing(run, from);
  hearing.untilQuiet();
  const { heard, refused } = hearing;
  const marks = marksOfRun(run, heard);
  const count =
    1 + [...refused, ...marks.map(({ number }) => number)].reduce((most, number) => Math.max(most, number), -1);
  const certainBelow = certainCount(marks, WEBHOOK_TIMEOUT_SECONDS * 1_000);
  noteVerdict(verify({ run, count, customers, refused, certainBelow }, heard));
}
