import { z } from 'zod';
import { pause } from '../src/platform/time.ts';
import type { Ground } from './ground.ts';
import { Account } from './ledger.ts';
import { milliseconds } from './report.ts';
import type { Section } from './report.ts';
import { Street } from './street.ts';
import { problemsOf, readOutcome } from './verification.ts';

const THINK_MS = 300;
const TRAFFIC = { perSecond: 40, seconds: 10 };
const KILL_AFTER_MS = 4_000;
/** Longer than the target, so that a miss is measured and not cut off. */
const DRAIN_MS = 25_000;
const GAP_MAX_MS = 10_000;

/** How long a customer waits whose worker is killed in the middle of a turn, while another worker runs. */
export async function measureWorkerKilled(ground: Ground): Promise<Section> {
  const street = await Street.open(ground, 'killed');
  try {
    const victim = await street.startWorker('killed-worker-1');
    await street.startWorker('killed-worker-2');
    const tenantId = await street.tenant();
    // With echoes a send that nobody could confirm is settled by what the gateway tells: each customer hears us once.
    await street.channel(tenantId, 'killed', { echoes: true });
    await street.learnArticles(tenantId);
    await street.standIns.ask('thinkFor', { ms: THINK_MS }, z.unknown());

    const customers = TRAFFIC.perSecond * TRAFFIC.seconds;
    const traffic = street.standIns.ask(
      'traffic',
      { connection: 'killed', area: 'killed', customers, ...TRAFFIC },
      z.unknown(),
    );
    await pause(KILL_AFTER_MS);
    const { rows } = await street.db.query<{ held: string }>(
      'select count(*) as held from conversation where lease_until > clock_timestamp()',
    );
    await victim.kill();
    await traffic;
    const account = await street.standIns.ask('account', { timeoutMs: DRAIN_MS }, Account);
    return sectionOf(account, {
      underWay: Number(rows[0]?.held),
      problems: problemsOf(account, await readOutcome(street.db)),
    });
  } finally {
    await street.close();
  }
}

function sectionOf(
  account: Account,
  { underWay, problems }: { underWay: number; problems: readonly string[] },
): Section {
  return {
    title: `Worker killed: kill -9 of one of two workers at ${TRAFFIC.perSecond} messages/s, the model takes ${THINK_MS} ms`,
    tables: [
      {
        head: ['messages', 'replies', 'turns under way at the kill', 'p50', 'p99', 'longest wait'],
        rows: [
          [
            String(account.posted),
            String(account.replies),
            String(underWay),
            milliseconds(account.reply.p50),
            milliseconds(account.reply.p99),
            milliseconds(account.reply.max),
          ],
        ],
      },
    ],
    notes: [],
    findings: [
      {
        number: 'worker killed, longest wait for the reply',
        measured: milliseconds(account.reply.max),
        target: `≤ ${milliseconds(GAP_MAX_MS)}`,
        isReached: account.unanswered === 0 && account.reply.max <= GAP_MAX_MS,
      },
    ],
    problems: [
      ...problems,
      ...(account.replies === account.posted && account.surplus === 0
        ? []
        : [
            `${account.posted} customers wrote once, ${account.replies} replies came, ${account.surplus} of them too many`,
          ]),
    ],
  };
}
