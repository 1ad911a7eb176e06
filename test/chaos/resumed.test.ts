import { describe, expect, it } from '@jest/globals';
import type { AskedDraft, Disturbance, History, StoredLease, StoredMessage } from './history.ts';
import { resumedAfterKills } from './resumed.ts';

/** Worker 1 is killed at 5,000 with Ana's turn in hand; worker 2 takes it up again at 11,000. Bia had been answered. */
const HISTORY: History = {
  channels: [],
  questions: [],
  messages: [message('q-000001', 'ana', 11_300), message('q-000002', 'bia', 4_300), message('q-000003', 'ana', 3_300)],
  conversations: [],
  turns: [],
  bubbles: [],
  received: [],
  handedToPerson: [],
  takeovers: [],
  lives: [],
  stranded: [],
  leases: [
    lease('ana', { fence: 1, holder: 'one', beganAt: 3_000, endedAt: 3_300 }),
    lease('bia', { fence: 1, holder: 'one', beganAt: 4_000, endedAt: 4_300 }),
    lease('ana', { fence: 2, holder: 'one', beganAt: 4_800, endedAt: undefined }),
    lease('ana', { fence: 3, holder: 'two', beganAt: 10_900, endedAt: 11_300 }),
  ],
  drafts: [
    draft('worker-1', 'q-000003', 3_010),
    draft('worker-1', 'q-000002', 4_010),
    draft('worker-1', 'q-000001', 4_900),
    draft('worker-2', 'q-000001', 11_000),
  ],
  disturbances: [killed('worker-1', 5_000)],
};

function message(questionId: string, conversationId: string, at: number): StoredMessage {
  const settled = { kind: 'reply', reason: undefined, turnId: 'turn', at };
  return { id: questionId, questionId, conversationId, receivedAt: 0, settled };
}

function lease(conversationId: string, of: Pick<StoredLease, 'fence' | 'holder' | 'beganAt' | 'endedAt'>): StoredLease {
  return { conversationId, wasHeld: false, ...of };
}

function draft(worker: string, questionId: string, beganAt: number): AskedDraft {
  return { worker, questionIds: [questionId], beganAt, endedAt: beganAt + 100 };
}

function killed(worker: string, at: number): Disturbance {
  return { what: 'worker-killed', worker, from: at, to: at };
}

function afterMs(history: History): readonly number[] {
  return resumedAfterKills(history).map((it) => it.afterMs);
}

describe('the work of a worker that was killed', () => {
  it('is resumed when the next draft of it begins', () => {
    expect(afterMs(HISTORY)).toEqual([6_000]);
  });

  it('is resumed when it is settled without one', () => {
    expect(afterMs({ ...HISTORY, drafts: HISTORY.drafts.slice(0, 3) })).toEqual([6_300]);
  });

  it('is resumed by who takes it up and dies before asking for a draft, whose death counts by itself', () => {
    const taken = lease('ana', { fence: 3, holder: 'two', beganAt: 9_500, endedAt: undefined });
    const known = lease('bia', { fence: 2, holder: 'two', beganAt: 9_000, endedAt: 9_300 });
    const next = lease('ana', { fence: 4, holder: 'three', beganAt: 14_900, endedAt: 15_300 });
    const drafts = [
      ...HISTORY.drafts.slice(0, 3),
      draft('worker-2', 'q-000002', 9_100),
      draft('worker-3', 'q-000001', 15_000),
    ];
    const leases = [...HISTORY.leases.slice(0, 3), known, taken, next];
    const messages = [message('q-000001', 'ana', 15_300), ...HISTORY.messages.slice(1)];
    const disturbances = [...HISTORY.disturbances, killed('worker-2', 9_600)];

    expect(afterMs({ ...HISTORY, messages, drafts, leases, disturbances })).toEqual([4_500, 5_400]);
  });

  it('is not what another worker had in hand', () => {
    expect(afterMs({ ...HISTORY, disturbances: [killed('worker-2', 5_000)] })).toEqual([]);
  });

  it('is not what it had in hand when it was killed before', () => {
    const again = [...HISTORY.disturbances, killed('worker-1', 7_000)];

    expect(afterMs({ ...HISTORY, disturbances: again })).toEqual([6_000]);
  });

  it('is not what somebody else had taken up by then', () => {
    expect(afterMs({ ...HISTORY, disturbances: [killed('worker-1', 10_950)] })).toEqual([]);
  });
});
