import type { Table } from '../bench/report.ts';
import type { LoadRecord } from './record.ts';
import type { Leg } from './run-profile.ts';

export const HEAD = [
  'profile',
  'messages/s',
  'posted',
  'refused',
  'webhook p50, p99',
  'reply p50, p99, longest',
  'last reply after',
  'lost, doubled, out of order',
  'alerts it would light',
] as const;

export function rowOf(profile: string, leg: Leg): readonly string[] {
  const { webhookMs, replyMs, drainMs, problems, missed } = leg;
  return [
    profile,
    leg.perSecond,
    String(leg.posted),
    String(leg.refused),
    `${webhookMs.p50}, ${webhookMs.p99} ms`,
    `${seconds(replyMs.p50)}, ${seconds(replyMs.p99)}, ${seconds(replyMs.max)} s`,
    drainMs === undefined ? 'not in time' : `${seconds(drainMs)} s`,
    problems.length === 0 ? 'none' : problems.join('; '),
    missed.length === 0 ? 'none' : missed.join(', '),
  ];
}

const PEAKS_HEAD = ['profile', 'messages/s', 'connections used at once', 'callers that waited', 'memory'] as const;

function peaksRowOf(profile: string, { perSecond, peaks }: Leg): readonly string[] {
  const list = (of: Readonly<Record<string, number>>, digits = 0): string =>
    Object.entries(of)
      .filter(([, value]) => value > 0)
      .map(([name, value]) => `${name} ${value.toFixed(digits)}`)
      .join(', ') || 'none';
  return [profile, perSecond, list(peaks.poolUsed), list(peaks.poolWaiting), `${list(peaks.residentMb)} MB`];
}

function coresRowOf(profile: string, { perSecond, cores, cpuMsEach }: Leg): readonly string[] {
  const list = (of: Readonly<Record<string, number>>, digits: number): string =>
    Object.entries(of)
      .map(([name, used]) => `${name} ${used.toFixed(digits)}`)
      .join(', ');
  const own = Object.entries(cpuMsEach).filter(([name]) => name !== 'others');
  return [profile, perSecond, list(cores, 2), list(Object.fromEntries(own), 1)];
}

export function tablesOf(profile: string, legs: readonly Leg[]): readonly Table[] {
  return [
    { head: HEAD, rows: legs.map((leg) => rowOf(profile, leg)) },
    { head: PEAKS_HEAD, rows: legs.map((leg) => peaksRowOf(profile, leg)) },
    {
      head: ['profile', 'messages/s', 'cores used', 'processor ms for a message'],
      rows: legs.map((leg) => coresRowOf(profile, leg)),
    },
  ];
}

/** The part of docs/load.md that is made from the records. */
export function pageOf(records: readonly LoadRecord[]): string {
  const parts = tablesOfAll(records).map(markdownOf);
  return [...records.map(runOf), '', parts.join('\n\n')].join('\n');
}

function tablesOfAll(records: readonly LoadRecord[]): readonly Table[] {
  const all = records.map(({ profile, legs }) => tablesOf(profile, legs));
  return [0, 1, 2].map((place) => ({
    head: all[0]?.[place]?.head ?? [],
    rows: all.flatMap((tables) => tables[place]?.rows ?? []),
  }));
}

function runOf({ profile, says, modelMs, workers, commit, at, machine }: LoadRecord): string {
  const { processor, cores, memoryGb, node, postgres, redis } = machine;
  const on = `${processor}, ${cores} cores, ${memoryGb} GB, Node ${node}, PostgreSQL ${postgres}, Redis: ${redis}`;
  const who = `one service, ${workers} ${workers === 1 ? 'worker' : 'workers'}, a model of ${modelMs} ms`;
  return `- **${profile}**: ${says}. With ${who}; ${at.slice(0, 10)}, commit ${commit}, on ${on}.`;
}

function markdownOf({ head, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(ms < 10_000 ? 1 : 0);
}

export const BEGIN = '<!-- measured: npm run load -- all --record -->';
export const END = '<!-- /measured -->';

/** A page with its measured part written anew. */
export function withResults(page: string, records: readonly LoadRecord[]): string {
  const [before, rest] = page.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) throw new Error('The page has no place for results');
  return `${before}${BEGIN}\n${pageOf(records)}\n${END}${after}`;
}
