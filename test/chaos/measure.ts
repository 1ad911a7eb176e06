import { percentile } from '../../bench/report.ts';
import { heardAt } from './check-history.ts';
import type { History, StoredBubble } from './history.ts';
import type { Injected } from './inject.ts';
import { resumedAfterKills } from './resumed.ts';

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Milliseconds. */
export interface Measured {
  /** From the first 2xx to the first word on the customer's phone, of every message that was answered or handed over. */
  readonly answer: Spread & { readonly count: number };
  /** What the slowest hundredth waited for, in shares of their time. */
  readonly slowest: Readonly<Record<Phase, number>>;
  /** How many of the slowest were open while, or within a second after, a fault of a kind was on. */
  readonly slowestDuring: Readonly<Record<string, number>>;
  /** From each kill of a worker to the end of the last message that was open then. */
  readonly afterWorkerKills: readonly number[];
  /** From each kill of a worker to the moment at which somebody took up again what it had in hand, for each conversation. */
  readonly resumedAfterKills: readonly number[];
  /** From each return of Redis to the end of the last message that was open then. */
  readonly afterRedisCameBack: readonly number[];
}

const PHASES = ['a turn to begin', 'the decision', 'its turn to be sent', 'the gateway'] as const;
type Phase = (typeof PHASES)[number];

interface Answered {
  readonly acceptedAt: number;
  readonly heardAt: number;
  readonly phases: readonly number[];
}

/** How long everybody waited, and for what. Pure. */
export function measure(history: History, faults: readonly Injected[]): Measured {
  const answered = readAnswered(history);
  const waits = answered.map((it) => it.heardAt - it.acceptedAt);
  const slowest = answered
    .toSorted((left, right) => right.heardAt - right.acceptedAt - (left.heardAt - left.acceptedAt))
    .slice(0, Math.ceil(answered.length / 100));
  const ofKind = (...kinds: readonly string[]): readonly Injected[] => faults.filter((it) => kinds.includes(it.kind));
  return {
    answer: { ...spreadOf(waits), count: waits.length },
    slowest: sharesOf(slowest),
    slowestDuring: countDuring(slowest, faults),
    afterWorkerKills: ofKind('worker-killed').map((kill) => drainedAfter(history, kill.beganAt)),
    resumedAfterKills: resumedAfterKills(history).map(({ afterMs }) => afterMs),
    afterRedisCameBack: ofKind('redis-flushed', 'redis-killed', 'redis-frozen').map((it) =>
      drainedAfter(history, it.endedAt),
    ),
  };
}

export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) return { p50: 0, p99: 0, max: 0 };
  const [p50 = 0, p99 = 0, max = 0] = [0.5, 0.99, 1].map((share) => Math.round(percentile(values, share)));
  return { p50, p99, max };
}

function readAnswered(history: History): readonly Answered[] {
  const heard = heardAt(history);
  const questions = new Map(history.questions.map((question) => [question.id, question]));
  const turns = new Map(history.turns.map((turn) => [turn.id, turn]));
  const firstBubbles = new Map<string, StoredBubble>();
  for (const bubble of history.bubbles) {
    if (!firstBubbles.has(bubble.turnId)) firstBubbles.set(bubble.turnId, bubble);
  }
  return history.messages.flatMap((message) => {
    const turnId = message.settled?.turnId ?? '';
    const acceptedAt = questions.get(message.questionId)?.acceptedAt;
    const [at, turn, bubble] = [heard.get(turnId), turns.get(turnId), firstBubbles.get(turnId)];
    if (acceptedAt === undefined || at === undefined || turn === undefined || bubble === undefined) return [];
    const steps = [acceptedAt, turn.startedAt, bubble.createdAt, bubble.sendingSince ?? at, at];
    return [{ acceptedAt, heardAt: at, phases: differences(steps, at) }];
  });
}

/** A step may lie before the one it follows: a message may be sent again after it was heard. */
function differences(steps: readonly number[], end: number): readonly number[] {
  let reached = steps[0] ?? 0;
  return steps.slice(1).map((step) => {
    const next = Math.max(reached, Math.min(step, end));
    const took = next - reached;
    reached = next;
    return took;
  });
}

function sharesOf(answered: readonly Answered[]): Measured['slowest'] {
  const total = answered.reduce((sum, it) => sum + it.heardAt - it.acceptedAt, 0);
  const shares = PHASES.map((phase, index) => {
    const took = answered.reduce((sum, { phases }) => sum + (phases[index] ?? 0), 0);
    return [phase, total === 0 ? 0 : Math.round((100 * took) / total) / 100] as const;
  });
  return Object.fromEntries(shares) as Record<Phase, number>;
}

const AFTERWARDS_MS = 1_000;

function countDuring(answered: readonly Answered[], faults: readonly Injected[]): Record<string, number> {
  const kinds = [...new Set(faults.map((fault) => fault.kind))];
  const counts = kinds.map((kind) => {
    const during = answered.filter((it) =>
      faults.some(
        (fault) => fault.kind === kind && fault.beganAt <= it.heardAt && fault.endedAt + AFTERWARDS_MS >= it.acceptedAt,
      ),
    );
    return [kind, during.length] as const;
  });
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

function drainedAfter(history: History, at: number): number {
  const ends = history.messages.flatMap(({ receivedAt, settled }) =>
    receivedAt <= at && settled !== undefined && settled.at > at ? [settled.at] : [],
  );
  return ends.length === 0 ? 0 : Math.round(Math.max(...ends) - at);
}
