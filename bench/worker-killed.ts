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
/** Longer than the target, so that a miss is measured and not cut off: a send that was cut off is judged after 30 s. */
const DRAIN_MS = 45_000;
const GAP_MAX_MS = 10_000;

/** How long a customer waits whose worker is killed in the middle of a turn, while another worker runs. */
export async function measureWorkerKilled(ground: Ground): Promise<Section> {
  const street = await Street.open(ground, 'killed');
  try {
    const victim = await street.startWorker('killed-worker-1');
    await street.startWorker('killed-worker-2');
    const tenantId = await street.tenant();
    // A send that the kill cut off is settled by its echo, and made again when there is none: each customer hears us once.
    await street.channel(tenantId, 'killed', { echoes: true, onUnknown: 'resend' });
    await street.learnArticles(tenantId);
    await street.standIns.ask('thinkFor', { ms: THINK_MS }, z.unknown());

    const customers = TRAFFIC.perSecond * TRAFFIC.seconds;
    const traffic = street.standIns.ask(
      'traffic',
      { connection: 'killed', area: 'killed', customers, ...TRAFFIC },
      z.unknown(),
    );
    await pause(KILL_AFTER_MS);
    const underWay = await readUnderWay(street);
    await victim.kill();
    await traffic;
    const account = await street.standIns.ask('account', { timeoutMs: DRAIN_MS }, Account);
    const longestTurnMs = await readLongestTurn(street);
    const problems = problemsOf(account, await readOutcome(street.db));
    return sectionOf(account, { underWay, longestTurnMs, problems });
  } finally {
    await street.close();
  }
}

interface UnderWay {
  readonly turns: number;
  readonly sends: number;
}

async function readUnderWay(street: Street): Promise<UnderWay> {
  const { rows } = await street.db.query<{ turns: string; sends: string }>(
    `select (select count(*) from conversation where lease_until > clock_timestamp()) as turns,
            (select count(*) from outbox where state = 'sending') as sends`,
  );
  return { turns: Number(rows[0]?.turns), sends: Number(rows[0]?.sends) };
}

/** From a stored message to the decision about it, whoever took it in the end. */
async function readLongestTurn(street: Street): Promise<number> {
  const { rows } = await street.db.query<{ ms: number }>(
    `select (1000 * extract(epoch from max(t.finished_at - m.received_at)))::float8 as ms
       from message m join turn t on t.id = m.settled_turn_id where m.author = 'customer'`,
  );
  return rows[0]?.ms ?? NaN;
}

interface Measured {
  readonly underWay: UnderWay;
  readonly longestTurnMs: number;
  readonly problems: readonly string[];
}

function sectionOf(account: Account, { underWay, longestTurnMs, problems }: Measured): Section {
  const { posted, replies, surplus, unanswered, reply } = account;
  return {
    title: `Worker killed: kill -9 of one of two workers at ${TRAFFIC.perSecond} messages/s, the model takes ${THINK_MS} ms`,
    tables: [
      {
        head: ['messages', 'replies', 'reply p50', 'reply p99', 'longest to the decision', 'longest to the reply'],
        rows: [
          [
            String(posted),
            String(replies),
            milliseconds(reply.p50),
            milliseconds(reply.p99),
            milliseconds(longestTurnMs),
            milliseconds(reply.max),
          ],
        ],
      },
    ],
    notes: [`At the kill ${underWay.turns} turns and ${underWay.sends} sends were under way in both workers.`],
    findings: [
      {
        number: 'worker killed, longest wait for the decision',
        measured: milliseconds(longestTurnMs),
        target: `≤ ${GAP_MAX_MS} ms`,
        isReached: longestTurnMs <= GAP_MAX_MS,
      },
      {
        number: 'worker killed, longest wait for the reply',
        measured: milliseconds(reply.max),
        target: `≤ ${GAP_MAX_MS} ms`,
        isReached: unanswered === 0 && reply.max <= GAP_MAX_MS,
      },
    ],
    problems: [
      ...problems,
      ...(replies === posted && surplus === 0
        ? []
        : [`${posted} customers wrote once, ${replies} replies came, ${surplus} of them too many`]),
    ],
  };
}
