import { describe, expect, it } from '@jest/globals';
import { checkHistory } from './check-history.ts';
import type { History, StoredBubble, StoredMessage } from './history.ts';

/**
 * Ana writes twice to the bakery, which gets echoes, and once to the workshop, which gets none; Bia writes to the bakery
 * and asks for a person. All of it goes well.
 */
const CLEAN: History = {
  channels: [
    { name: 'bakery', hasEcho: true, onUnknown: 'resend' },
    { name: 'workshop', hasEcho: false, onUnknown: 'resend' },
  ],
  questions: [
    { id: 'q-000001', channel: 'bakery', phone: 'ana', saidAt: 1_000, acceptedAt: 1_010 },
    { id: 'q-000002', channel: 'bakery', phone: 'ana', saidAt: 9_000, acceptedAt: 9_010 },
    { id: 'q-000003', channel: 'workshop', phone: 'ana', saidAt: 2_000, acceptedAt: 2_010 },
    { id: 'q-000004', channel: 'bakery', phone: 'bia', saidAt: 3_000, acceptedAt: 3_010 },
  ],
  messages: [
    message('q-000001', { conversationId: 'ana-bakery', turnId: 'turn-1' }),
    message('q-000002', { conversationId: 'ana-bakery', turnId: 'turn-2' }),
    message('q-000003', { conversationId: 'ana-workshop', turnId: 'turn-3' }),
    {
      ...message('q-000004', { conversationId: 'bia-bakery', turnId: 'turn-4' }),
      settled: { kind: 'human', reason: 'customer-asked', turnId: 'turn-4', at: 3_100 },
    },
  ],
  conversations: [
    { id: 'ana-bakery', channel: 'bakery', hasHandoff: false },
    { id: 'ana-workshop', channel: 'workshop', hasHandoff: false },
    { id: 'bia-bakery', channel: 'bakery', hasHandoff: true },
  ],
  turns: [
    { id: 'turn-1', conversationId: 'ana-bakery', startedAt: 1_020 },
    { id: 'turn-2', conversationId: 'ana-bakery', startedAt: 9_020 },
    { id: 'turn-3', conversationId: 'ana-workshop', startedAt: 2_020 },
    { id: 'turn-4', conversationId: 'bia-bakery', startedAt: 3_020 },
  ],
  bubbles: [
    bubble('turn-1', { place: 1, conversationId: 'ana-bakery', text: 'q-000001, parte 1' }),
    bubble('turn-1', { place: 2, conversationId: 'ana-bakery', text: 'q-000001, parte 2' }),
    bubble('turn-3', { place: 3, conversationId: 'ana-workshop', text: 'q-000003' }),
    bubble('turn-4', { place: 4, conversationId: 'bia-bakery', text: 'Vou chamar alguém', epoch: 1 }),
    bubble('turn-2', { place: 5, conversationId: 'ana-bakery', text: 'q-000002' }),
  ],
  received: [
    { channel: 'bakery', phone: 'ana', text: 'q-000001, parte 1', at: 1_200 },
    { channel: 'bakery', phone: 'ana', text: 'q-000001, parte 2', at: 1_300 },
    { channel: 'workshop', phone: 'ana', text: 'q-000003', at: 2_200 },
    { channel: 'bakery', phone: 'bia', text: 'Vou chamar alguém', at: 3_200 },
    { channel: 'bakery', phone: 'ana', text: 'q-000002', at: 9_200 },
  ],
  handedToPerson: [{ conversationId: 'bia-bakery', epoch: 1, at: 3_100 }],
  takeovers: [],
};

function message(questionId: string, of: { conversationId: string; turnId: string }): StoredMessage {
  const settled = { kind: 'reply', reason: undefined, turnId: of.turnId, at: 0 };
  return { id: `message-${questionId}`, questionId, conversationId: of.conversationId, receivedAt: 0, settled };
}

function bubble(turnId: string, of: Partial<StoredBubble> & { place: number }): StoredBubble {
  return {
    id: `bubble-${of.place}`,
    messageId: `said-${of.place}`,
    conversationId: '',
    turnId,
    epoch: 0,
    text: '',
    state: 'sent',
    failure: undefined,
    wasUnknown: false,
    resends: 0,
    createdAt: 0,
    sendingSince: 0,
    ...of,
  };
}

/** The clean history with one row of one of its tables changed. */
function changed<Table extends keyof History>(
  table: Table,
  row: number,
  change: Partial<History[Table][number]>,
): History {
  const rows: readonly object[] = CLEAN[table];
  return { ...CLEAN, [table]: rows.map((it, index) => (index === row ? { ...it, ...change } : it)) };
}

function without(table: keyof History, row: number, of: History = CLEAN): History {
  return { ...of, [table]: of[table].filter((_, index) => index !== row) };
}

function kindsIn(history: History): readonly string[] {
  return checkHistory(history).violations.map((violation) => violation.kind);
}

describe('a clean history', () => {
  it('has no violation, and an end for each message', () => {
    expect(checkHistory(CLEAN)).toEqual({
      violations: [],
      unsettled: { resent: 0, secondCopies: 0, handedOver: 0, handedOverYetReceived: 0 },
      ends: { reply: 3, human: 1, recorded: 0 },
    });
  });

  it('may lack what was never accepted', () => {
    const refused = changed('questions', 1, { acceptedAt: undefined });

    expect(kindsIn(without('received', 4, without('bubbles', 4, without('messages', 1, refused))))).toEqual([]);
  });
});

describe('a message is lost when it was accepted and', () => {
  it('is not stored', () => {
    expect(kindsIn(without('messages', 1))).toContain('lost');
  });

  it('has no end', () => {
    expect(kindsIn(changed('messages', 1, { settled: undefined }))).toEqual(['lost']);
  });

  it('its reply is said to be sent and never arrived', () => {
    expect(kindsIn(without('received', 4))).toEqual(['lost', 'lost']);
  });

  it('its reply is still under way', () => {
    const pending = changed('bubbles', 4, { state: 'pending' });

    expect(kindsIn(without('received', 4, pending))).toEqual(['lost']);
  });

  it('its reply failed, of which nobody was told', () => {
    const failed = changed('bubbles', 4, { state: 'failed' });

    expect(kindsIn(without('received', 4, failed))).toEqual(['lost']);
  });

  it('a part of its reply that is said to be sent never arrived', () => {
    expect(kindsIn(without('received', 1))).toEqual(['lost']);
  });

  it('is a person’s, and no person was called', () => {
    expect(kindsIn(changed('conversations', 2, { hasHandoff: false }))).toEqual(['lost']);
  });

  it('is recorded without a reason', () => {
    const settled = { kind: 'recorded', reason: undefined, turnId: 'turn-2', at: 0 };

    expect(kindsIn(without('received', 4, without('bubbles', 4, changed('messages', 1, { settled }))))).toEqual([
      'lost',
    ]);
  });

  it('but not when its only send is recorded as unknown and given up', () => {
    const unknown = changed('bubbles', 2, { state: 'failed', wasUnknown: true });
    const verdict = checkHistory(without('received', 2, unknown));

    expect(verdict.violations).toEqual([]);
    expect(verdict.unsettled).toMatchObject({ handedOver: 1, handedOverYetReceived: 0 });
  });
});

describe('something is doubled when', () => {
  it('an event is stored twice', () => {
    const again = message('q-000001', { conversationId: 'ana-bakery', turnId: 'turn-1' });

    expect(kindsIn({ ...CLEAN, messages: [...CLEAN.messages, again] })).toEqual(['doubled']);
  });

  it('a bubble reaches the phone twice', () => {
    const again = { channel: 'bakery', phone: 'ana', text: 'q-000002', at: 9_300 };

    expect(kindsIn({ ...CLEAN, received: [...CLEAN.received, again] })).toEqual(['doubled']);
  });

  it('a bubble reaches the phone twice where echoes tell, whatever the policy', () => {
    const resent = changed('bubbles', 4, { resends: 1, wasUnknown: true });
    const again = { channel: 'bakery', phone: 'ana', text: 'q-000002', at: 9_300 };

    expect(kindsIn({ ...resent, received: [...CLEAN.received, again] })).toEqual(['doubled']);
  });

  it('two turns answer one message', () => {
    const another = bubble('turn-5', { place: 6, conversationId: 'ana-bakery', text: 'q-000002, de novo' });
    const heard = { channel: 'bakery', phone: 'ana', text: 'q-000002, de novo', at: 9_300 };
    const history = { ...CLEAN, bubbles: [...CLEAN.bubbles, another], received: [...CLEAN.received, heard] };

    expect(kindsIn(history)).toEqual(['doubled']);
  });

  it('but a second copy by the policy of a channel without echoes is counted apart', () => {
    const resent = changed('bubbles', 2, { resends: 1, wasUnknown: true });
    const again = { channel: 'workshop', phone: 'ana', text: 'q-000003', at: 2_900 };
    const verdict = checkHistory({ ...resent, received: [...CLEAN.received, again] });

    expect(verdict.violations).toEqual([]);
    expect(verdict.unsettled).toMatchObject({ resent: 1, secondCopies: 1 });
  });

  it('and a third copy is one too many', () => {
    const resent = changed('bubbles', 2, { resends: 1, wasUnknown: true });
    const again = { channel: 'workshop', phone: 'ana', text: 'q-000003', at: 2_900 };

    expect(kindsIn({ ...resent, received: [...CLEAN.received, again, again] })).toEqual(['doubled']);
  });
});

describe('something is out of order when', () => {
  it('two parts of a reply change places', () => {
    const [first, second, ...rest] = CLEAN.received;

    expect(kindsIn({ ...CLEAN, received: [second, first, ...rest].flatMap((it) => it ?? []) })).toEqual([
      'out-of-order',
    ]);
  });

  it('an earlier question is answered by a later turn, although it was there', () => {
    const swapped = changed('questions', 0, { saidAt: 10_000, acceptedAt: 10_010 });
    const early = { ...swapped, questions: swapped.questions.map((it) => ({ ...it, acceptedAt: 900 })) };

    expect(kindsIn(early)).toEqual(['out-of-order']);
  });

  it('but not when the earlier question came after the turn of the later one had begun', () => {
    expect(kindsIn(changed('questions', 0, { saidAt: 10_000, acceptedAt: 1_010 }))).toEqual([]);
  });

  it('one reply answers two questions the wrong way round', () => {
    const both = changed('messages', 1, { settled: { kind: 'reply', reason: undefined, turnId: 'turn-1', at: 0 } });
    const text = 'q-000002, q-000001';
    const bubbles = [bubble('turn-1', { place: 1, conversationId: 'ana-bakery', text }), ...CLEAN.bubbles.slice(2, 4)];
    const received = [{ channel: 'bakery', phone: 'ana', text, at: 9_200 }, ...CLEAN.received.slice(2, 4)];

    expect(kindsIn({ ...both, bubbles, received })).toEqual(['out-of-order']);
  });
});

describe('something is mixed when', () => {
  it('a reply goes to the same number on another channel', () => {
    expect(kindsIn(changed('received', 4, { channel: 'workshop' }))).toContain('mixed');
  });

  it('a reply goes to another number', () => {
    expect(kindsIn(changed('received', 4, { phone: 'bia' }))).toContain('mixed');
  });

  it('one conversation holds messages of two people', () => {
    expect(kindsIn(changed('messages', 3, { conversationId: 'ana-bakery' }))).toContain('mixed');
  });
});

describe('something is said after a takeover when', () => {
  const takenOver = {
    ...CLEAN,
    handedToPerson: [...CLEAN.handedToPerson, { conversationId: 'ana-bakery', epoch: 1, at: 9_050 }],
  };

  it('a bubble of an older epoch sets out', () => {
    const late = { ...takenOver, bubbles: CLEAN.bubbles.map((it) => ({ ...it, sendingSince: 9_060 })) };

    expect(kindsIn(late)).toContain('said-after-takeover');
  });

  it('a bubble of an older epoch arrives after the confirmation, which did not name it', () => {
    const takeover = { conversationId: 'ana-bakery', epoch: 1, confirmedAt: 9_100, stillSending: undefined };

    expect(kindsIn({ ...takenOver, takeovers: [takeover] })).toEqual(['said-after-takeover']);
  });

  it('but not when it was on its way, and the confirmation named it', () => {
    const takeover = { conversationId: 'ana-bakery', epoch: 1, confirmedAt: 9_100, stillSending: 'said-5' };

    expect(kindsIn({ ...takenOver, takeovers: [takeover] })).toEqual([]);
  });

  it('but not when it is what the person’s epoch says', () => {
    expect(kindsIn(changed('bubbles', 3, { sendingSince: 3_150 }))).toEqual([]);
  });
});

describe('something is without cause when', () => {
  it('nobody asked it', () => {
    const made = { channel: 'bakery', phone: 'ana', text: 'q-000009', at: 9_300 };

    expect(kindsIn({ ...CLEAN, received: [...CLEAN.received, made] })).toContain('without-cause');
  });

  it('nobody decided to say it', () => {
    const made = { channel: 'bakery', phone: 'ana', text: 'Compre já!', at: 9_300 };

    expect(kindsIn({ ...CLEAN, received: [...CLEAN.received, made] })).toEqual(['without-cause']);
  });
});
