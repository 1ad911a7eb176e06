import { describe, expect, it } from '@jest/globals';
import type { History } from './history.ts';
import { measure } from './measure.ts';

/** Ana is answered half a second after her message was accepted, Bia four seconds after hers. */
const HISTORY: History = {
  channels: [{ name: 'bakery', hasEcho: true, hasLogin: false, onUnknown: 'resend' }],
  questions: [
    { id: 'q-000001', channel: 'bakery', phone: 'ana', saidAt: 1_000, acceptedAt: 1_000 },
    { id: 'q-000002', channel: 'bakery', phone: 'bia', saidAt: 1_000, acceptedAt: 1_000 },
  ],
  messages: [
    messageOf('q-000001', { conversationId: 'ana', turnId: 'turn-1', settledAt: 1_400 }),
    messageOf('q-000002', { conversationId: 'bia', turnId: 'turn-2', settledAt: 4_500 }),
  ],
  conversations: ['ana', 'bia'].map((id) => {
    return { id, channel: 'bakery', handoffs: [] };
  }),
  turns: [
    { id: 'turn-1', conversationId: 'ana', startedAt: 1_100, epoch: 0, fence: 1, newestFence: 1 },
    { id: 'turn-2', conversationId: 'bia', startedAt: 4_000, epoch: 0, fence: 1, newestFence: 1 },
  ],
  bubbles: [
    bubbleOf('turn-1', { conversationId: 'ana', text: 'q-000001', createdAt: 1_400, sendingSince: 1_450 }),
    bubbleOf('turn-2', { conversationId: 'bia', text: 'q-000002', createdAt: 4_500, sendingSince: 4_900 }),
  ],
  received: [
    { channel: 'bakery', phone: 'ana', text: 'q-000001', at: 1_500 },
    { channel: 'bakery', phone: 'bia', text: 'q-000002', at: 5_000 },
  ],
  handedToPerson: [],
  takeovers: [],
  lives: [],
  leases: [],
  drafts: [],
  stranded: [],
  disturbances: [],
};

function messageOf(questionId: string, of: { conversationId: string; turnId: string; settledAt: number }) {
  const settled = { kind: 'reply', reason: undefined, turnId: of.turnId, at: of.settledAt };
  return { id: questionId, questionId, conversationId: of.conversationId, receivedAt: 990, settled };
}

function bubbleOf(
  turnId: string,
  of: { conversationId: string; text: string; createdAt: number; sendingSince: number },
) {
  const rest = { epoch: 0, state: 'sent', failure: undefined, wasUnknown: false, settledBy: 'answer', resentAt: [] };
  return { ...of, ...rest, id: turnId, messageId: turnId, turnId, place: of.createdAt };
}

describe('the times of a run', () => {
  it('are from the first 2xx to the first word on the phone', () => {
    expect(measure(HISTORY, []).answer).toEqual({ count: 2, p50: 500, p99: 4_000, max: 4_000 });
  });

  it('tell what the slowest waited for', () => {
    expect(measure(HISTORY, []).slowest).toEqual({
      'a turn to begin': 0.75,
      'the decision': 0.13,
      'its turn to be sent': 0.1,
      'the gateway': 0.03,
    });
  });

  it('tell how long what was open when a worker died, or when Redis came back, took to be settled', () => {
    const measured = measure(HISTORY, [
      { kind: 'worker-killed', victim: 0, beganAt: 2_000, endedAt: 2_000 },
      { kind: 'redis-killed', victim: undefined, beganAt: 1_100, endedAt: 3_000 },
      { kind: 'redis-frozen', victim: undefined, beganAt: 5_000, endedAt: 6_000 },
    ]);

    expect(measured.afterWorkerKills).toEqual([2_500]);
    expect(measured.afterRedisCameBack).toEqual([1_500, 0]);
    expect(measured.slowestDuring).toEqual({ 'worker-killed': 1, 'redis-killed': 1, 'redis-frozen': 1 });
  });
});
