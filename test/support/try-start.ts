import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { z } from 'zod';
import { commandLineOf, isRunning } from '../../local/processes.ts';
import { monotonicMs, pause } from '../../src/platform/time.ts';

/**
 * `npm start`, as somebody tries it for the first time: it comes up, a customer gets an answer, Ctrl-C leaves nothing.
 *
 * A program of its own and no test of the suite, because it uses this folder's own data.
 */
const UP_WITHIN_MS = 60_000;
const ANSWER_WITHIN_MS = 20_000;
const GONE_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;

const State = z.object({
  customers: z.array(z.object({ id: z.string(), messages: z.array(z.object({ from: z.string() })) })),
});

const startedAt = monotonicMs();
const npm = spawn('npm', ['start'], { env: { ...process.env, HOST: '127.0.0.1', PORT: '0', SANDBOX_PORT: '0' } });
try {
  const phone = await untilPrinted(npm, /Phone page +(\S+)/);
  report('is up', startedAt);
  await askOnce(phone);
  await endAll();
} finally {
  // Only after a failure is anything left. Its own end takes what it has started along.
  for (const pid of descendantsOf(npm.pid ?? 0).filter(isProgram)) process.kill(pid, 'SIGTERM');
}

async function untilPrinted(child: ChildProcessWithoutNullStreams, wanted: RegExp): Promise<string> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return await until('npm start did not come up', UP_WITHIN_MS, () => {
    if (child.exitCode !== null) throw new Error(`npm start ended: ${output}`);
    return Promise.resolve(wanted.exec(output)?.[1]);
  });
}

async function askOnce(phone: string): Promise<void> {
  const askedAt = monotonicMs();
  const before = await answersToAna(phone);
  const sent = await fetch(`${phone}/api/customers/ana/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'Quanto custa a taxa de entrega?' }),
    signal: AbortSignal.timeout(5_000),
  });
  if (sent.status !== 201) throw new Error(`The phone page answered ${sent.status}: ${await sent.text()}`);
  await until('Ana got no answer', ANSWER_WITHIN_MS, async () => (await answersToAna(phone)) > before || undefined);
  report('has answered a question', askedAt);
}

async function answersToAna(phone: string): Promise<number> {
  const response = await fetch(`${phone}/api/state`, { signal: AbortSignal.timeout(5_000) });
  const { customers } = State.parse(await response.json());
  return customers.find(({ id }) => id === 'ana')?.messages.filter(({ from }) => from === 'company').length ?? 0;
}

/** Ctrl-C, which a terminal sends to the program itself and not only to the npm around it. */
async function endAll(): Promise<void> {
  const all = descendantsOf(npm.pid ?? 0);
  const program = all.find(isProgram);
  if (program === undefined) throw new Error('npm start runs no local/start.ts');
  const gone = once(npm, 'exit');
  const endedAt = monotonicMs();
  process.kill(program, 'SIGINT');
  await until('Something still runs after Ctrl-C', GONE_WITHIN_MS, () =>
    Promise.resolve(all.every((pid) => !isRunning(pid)) || undefined),
  );
  await gone;
  report(`has ended, all ${all.length} processes of it`, endedAt);
}

function isProgram(pid: number): boolean {
  return /^\S*node local\/start\.ts/.test(commandLineOf(pid));
}

/** Every process that came of this one, wherever its process group is. */
function descendantsOf(pid: number): readonly number[] {
  const children = fs
    .readdirSync('/proc')
    .map(Number)
    .filter((candidate) => Number.isInteger(candidate) && parentOf(candidate) === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

function parentOf(pid: number): number | undefined {
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(fields.slice(fields.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

async function until<Found>(problem: string, withinMs: number, look: () => Promise<Found | undefined>): Promise<Found> {
  const giveUpAt = monotonicMs() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (monotonicMs() > giveUpAt) throw new Error(`${problem} within ${withinMs / 1_000} s`);
    await pause(LOOK_EVERY_MS);
  }
}

function report(what: string, sinceMs: number): void {
  console.log(`npm start ${what} (${((monotonicMs() - sinceMs) / 1_000).toFixed(1)} s)`);
}
