import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { describeMachine } from '../bench/machine.ts';
import { findRedisServer } from '../local/local-redis.ts';
import { loadConfig, MigrationEnvironment } from '../src/config.ts';
import { EX_USAGE } from '../src/platform/command.ts';
import { recordSuccess } from './backup-record.ts';
import { findAnyTools } from './drill/drill-cluster.ts';
import { runDrill } from './drill/drill.ts';
import type { DrillResult } from './drill/drill.ts';

const MESSAGES_DEFAULT = 20_000;
const PAGE = path.join(import.meta.dirname, '..', 'docs', 'backup.md');
/** What stands between these lines of the page is written by the command. */
const MARKS = ['<!-- drill -->', '<!-- /drill -->'] as const;

const Options = z.strictObject({
  messages: z.coerce.number().int().min(1_000).max(10_000_000).default(MESSAGES_DEFAULT),
  record: z.boolean().default(false),
});

/** Holds the drill; with `--record` it becomes the page's account of it, and where DATABASE_URL is set it is recorded there. */
export async function runDrillCommand(given: readonly string[], say: (line: string) => void): Promise<number> {
  const options = Options.safeParse(read(given));
  if (!options.success) {
    say('Usage: npm run backup -- drill [--messages N] [--record]');
    return EX_USAGE;
  }
  const { messages, record } = options.data;
  const transcript: string[] = [];
  const startedOn = new Date().toISOString().slice(0, 10);
  const machine = describeMachine({
    postgres: String(findAnyTools(process.env.POSTGRES_BIN)?.major),
    redis: findRedisServer() ?? 'in JavaScript',
  });
  const result = await runDrill({
    messages,
    say: (line) => {
      transcript.push(line);
      say(line);
    },
  });
  const report = reportOf(result);
  for (const line of report) say(line);
  if (record) writePage({ startedOn, machine, transcript, report });
  if (process.env.DATABASE_URL !== undefined || process.env.DATABASE_URL_FILE !== undefined) {
    await recordSuccess(loadConfig(MigrationEnvironment, process.env).databaseUrl.reveal(), 'drill');
  }
  return 0;
}

function read(given: readonly string[]): unknown {
  try {
    const options = { messages: { type: 'string' }, record: { type: 'boolean' } } as const;
    return { ...parseArgs({ args: [...given], options }).values };
  } catch {
    return undefined;
  }
}

function reportOf(result: DrillResult): readonly string[] {
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  const { expected, restored } = result.markers;
  const { file } = result.base;
  return [
    `Base backup of ${gigabytes(file.plainBytes)}: ${seconds(result.baseTookMs)}, ${gigabytes(file.bytes)} in the archive`,
    `Markers up to one second before the drop: ${expected} committed, ${restored} restored, the chain whole`,
    `RPO: ${seconds(result.lostMs)} of what had been committed were in no archive when the machine was lost (promised: 60 s)`,
    `RTO for ${result.messages} messages: database back after ${seconds(result.backAfterMs)}, ` +
      `first customer answered after ${seconds(result.answeredAfterMs)}`,
  ];
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1_024 ** 3).toFixed(2)} GiB`;
}

interface Account {
  readonly startedOn: string;
  readonly machine: string;
  readonly transcript: readonly string[];
  readonly report: readonly string[];
}

function writePage({ startedOn, machine, transcript, report }: Account): void {
  const page = fs.readFileSync(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(MARKS[0]), page.indexOf(MARKS[1])];
  if (begin === -1 || end < begin) throw new Error(`docs/backup.md lacks its lines ${MARKS.join(' and ')}`);
  const account = [`Held on ${startedOn}.`, '', '```text', machine, '', ...transcript, ...report, '```'].join('\n');
  fs.writeFileSync(PAGE, `${page.slice(0, begin)}${MARKS[0]}\n\n${account}\n\n${page.slice(end)}`);
}
