import { z } from 'zod';
import type { Ground } from './ground.ts';
import { Account } from './ledger.ts';
import type { Section } from './report.ts';
import { Street } from './street.ts';
import { problemsOf, readOutcome } from './verification.ts';

const EARLY = 20;
/** A number of rounds of the customer's questions later, so that both prompts are about the same question. */
const LATE = 1_000;
const RATIO_MAX = 1.1;
/** Neighbours that are looked at with each: the questions differ in length. */
const NEIGHBOURS = 15;

/** How the prompt grows in a conversation that does not end. */
export async function measurePrompt(ground: Ground): Promise<Section> {
  const street = await Street.open(ground, 'prompt');
  try {
    await street.startWorker('prompt-worker');
    const tenantId = await street.tenant();
    await street.channel(tenantId, 'prompt');
    await street.learnArticles(tenantId);
    const Talk = z.object({ promptBytes: z.array(z.number()) });
    const { promptBytes } = await street.standIns.ask('talk', { connection: 'prompt', messages: LATE }, Talk);
    const account = await street.standIns.ask('account', { timeoutMs: 5_000 }, Account);
    const early = meanAround(promptBytes, EARLY);
    const late = meanAround(promptBytes, LATE);
    const ratio = late / early;
    return {
      title: `Prompt bytes in one conversation of ${LATE} messages`,
      tables: [
        {
          head: ['at message', 'request bytes', `ratio`],
          rows: [EARLY, 100, 500, LATE].map((at) => {
            const bytes = meanAround(promptBytes, at);
            return [String(at), bytes.toFixed(0), (bytes / early).toFixed(2)];
          }),
        },
      ],
      notes: [
        `Each the mean of ${NEIGHBOURS} requests up to that message; the largest of all had ${Math.max(...promptBytes)} bytes`,
      ],
      findings: [
        {
          number: `prompt bytes, message ${LATE} to message ${EARLY}`,
          measured: ratio.toFixed(2),
          target: `≤ ${RATIO_MAX}`,
          isReached: ratio <= RATIO_MAX,
        },
      ],
      problems: problemsOf(account, await readOutcome(street.db)),
    };
  } finally {
    await street.close();
  }
}

function meanAround(bytes: readonly number[], message: number): number {
  const around = bytes.slice(Math.max(0, message - NEIGHBOURS), message);
  return around.reduce((total, value) => total + value, 0) / around.length;
}
