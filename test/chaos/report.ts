import { milliseconds } from '../../bench/report.ts';
import { countFaults, countViolations, ANSWER_P99_MS_MAX } from './record.ts';
import { spreadOf } from './measure.ts';
import type { Run } from './run.ts';
import { VIOLATION_KINDS } from './violation.ts';

/** Violations that are written out; the rest is in the history. */
const VIOLATIONS_SHOWN = 12;

/** So many messages make a p99 that one cluster of faults does not decide alone. */
const JUDGED_FROM_MESSAGES = 10_000;

/** Why a run is not good, one sentence each. */
export function problemsOf(run: Run): readonly string[] {
  const isJudged = run.sent.questions.length >= JUDGED_FROM_MESSAGES;
  const { violations } = run.verdict;
  const { p99 } = run.measured.answer;
  const refused = run.sent.questions.filter((question) => question.acceptedAt === undefined).length;
  return [
    ...(violations.length > 0 ? [`The promise was broken ${violations.length} times.`] : []),
    ...(refused > 0 ? [`${refused} messages were never accepted, however often they were sent.`] : []),
    ...(run.isQuiet ? [] : ['It did not come to rest in time.']),
    ...(isJudged && p99 > ANSWER_P99_MS_MAX
      ? [`p99 of the answers is ${milliseconds(p99)}, over the limit of 10 s.`]
      : []),
    ...run.ownDeaths.map((death) => `A process ended by itself: ${death}.`),
  ];
}

export function printRun(title: string, run: Run, { hasTimes }: { hasTimes: boolean }): void {
  const { verdict, sent, measured } = run;
  console.log(`\n${title}`);
  const accepted = sent.questions.filter((question) => question.acceptedAt !== undefined).length;
  const { reply, human, recorded } = verdict.ends;
  printRows([
    ['messages posted', `${sent.questions.length} in ${run.conversations} conversations, ${accepted} accepted`],
    ['answers to the sender', listed(sent.statuses)],
    ['ended in', `a reply ${reply}, a person ${human}, a recorded reason ${recorded}`],
    ['takeovers by the API', String(run.takeovers)],
    ['faults', listed(countFaults(run))],
    ['starts repeated without a database', String(run.failedStarts)],
    ['at rest', run.isQuiet ? `${milliseconds(run.quietAfterMs)} after the last post` : 'no'],
  ]);
  const counts = countViolations(verdict.violations);
  console.log('');
  printRows([['violation', 'count'], ...VIOLATION_KINDS.map((kind) => [kind, String(counts[kind])] as const)]);
  const { resent, secondCopies, handedOver, handedOverYetReceived } = verdict.unsettled;
  printRows([
    ['unsettled, `resend`', `${resent} said again, ${secondCopies} of them read twice`],
    ['unsettled, `hand-over`', `${handedOver} given to a person, ${handedOverYetReceived} of them read all the same`],
  ]);
  printRows([['unknown sends, settled by', listed(verdict.settledBy)]]);
  if (hasTimes) printTimes(run);
  for (const { kind, detail } of verdict.violations.slice(0, VIOLATIONS_SHOWN)) console.log(`  ${kind}: ${detail}`);
  if (run.folder !== undefined) console.log(`  logs and history: ${run.folder}`);
  console.log(`  posted late, p99: ${milliseconds(spreadOf(sent.latenessMs).p99)}; answered: ${measured.answer.count}`);
}

function printTimes({ measured, sent, startsMs }: Run): void {
  const { answer, slowest, slowestDuring } = measured;
  const shares = Object.entries(slowest).map(([phase, share]) => `${phase} ${Math.round(100 * share)} %`);
  console.log('');
  printRows([
    ['', 'p50 / p99 / longest'],
    ['first 2xx → first word on the phone', spread(answer)],
    ['webhook → 2xx', spread(spreadOf(sent.webhookMs))],
    ['worker killed → its open messages settled', spread(spreadOf(measured.afterWorkerKills))],
    [
      `worker killed → its work taken up again (${measured.resumedAfterKills.length} times)`,
      spread(spreadOf(measured.resumedAfterKills)),
    ],
    ['Redis back → backlog settled', spread(spreadOf(measured.afterRedisCameBack))],
    ['a process started → ready', spread(spreadOf(startsMs))],
    ['the slowest 1 % waited for', shares.join(', ')],
    ['and were open during', listed(slowestDuring)],
  ]);
}

function spread({ p50, p99, max }: { p50: number; p99: number; max: number }): string {
  return [p50, p99, max].map(milliseconds).join(' / ');
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function printRows(rows: readonly (readonly [string, string] | readonly string[])[]): void {
  const width = Math.max(...rows.map(([name = '']) => name.length));
  for (const [name = '', value = ''] of rows) console.log(`  ${name.padEnd(width)}  ${value}`);
}
