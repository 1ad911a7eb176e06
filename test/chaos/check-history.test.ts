import { describe, expect, it } from '@jest/globals';
import { checkHistory } from './check-history.ts';
import type { AskedDraft, History, StoredBubble, StoredLease, StoredMessage, StoredTurn } from './history.ts';

/**
 * Ana writes twice to the bakery, which gets echoes, and once to the workshop, which gets none; Bia writes to the bakery
 * and asks for a person. All of it goes well.
 */
const CLEAN: History = {
  channels: [
    { name: 'bakery', hasEcho: true, hasLogin: false, onUnknown: 'resend' },
    { name: 'workshop', hasEcho: false, hasLogin: false, onUnknown: 'resend' },
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
    { id: 'ana-bakery', channel: 'bakery', handoffs: [] },
    { id: 'ana-workshop', channel: 'workshop', handoffs: [] },
    { id: 'bia-bakery', channel: 'bakery', handoffs: ['customer-asked'] },
  ],
  turns: [
    turn('turn-1', { conversationId: 'ana-bakery', startedAt: 1_020, fence: 1 }),
    turn('turn-2', { conversationId: 'ana-bakery', startedAt: 9_020, fence: 2 }),
    turn('turn-3', { conversationId: 'ana-workshop', startedAt: 2_020, fence: 1 }),
    turn('turn-4', { conversationId: 'bia-bakery', startedAt: 3_020, fence: 1 }),
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
  leases: [
    lease('ana-bakery', { fence: 1, beganAt: 1_020 }),
    lease('ana-workshop', { fence: 1, beganAt: 2_020 }),
    lease('bia-bakery', { fence: 1, beganAt: 3_020 }),
    lease('ana-bakery', { fence: 2, beganAt: 9_020 }),
  ],
  drafts: [
    draft('worker-1', { questionId: 'q-000001', beganAt: 1_030 }),
    draft('worker-2', { questionId: 'q-000003', beganAt: 2_030 }),
    draft('worker-2', { questionId: 'q-000002', beganAt: 9_030 }),
  ],
  stranded: [],
  disturbances: [],
  lives: [{ worker: 'worker-1', from: 0, to: Infinity }],
};

function turn(id: string, of: { conversationId: string; startedAt: number; fence: number }): StoredTurn {
  return { id, ...of, epoch: 0, newestFence: of.fence };
}

function lease(conversationId: string, of: { fence: number; beganAt: number }): StoredLease {
  return { conversationId, ...of, holder: 'worker', endedAt: of.beganAt + 300, wasHeld: false };
}

function draft(worker: string, { questionId, beganAt }: { questionId: string; beganAt: number }): AskedDraft {
  return { worker, questionIds: [questionId], beganAt, endedAt: beganAt + 250 };
}

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
    settledBy: 'answer',
    resentAt: [],
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
      settledBy: {
        echo: 0,
        'read-back': 0,
        'late-answer': 0,
        resend: 0,
        'hand-over': 0,
        'another-reason': 0,
      },
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
    expect(kindsIn(changed('conversations', 2, { handoffs: [] }))).toEqual(['lost']);
  });

  it('is recorded without a reason', () => {
    const settled = { kind: 'recorded', reason: undefined, turnId: 'turn-2', at: 0 };

    expect(kindsIn(without('received', 4, without('bubbles', 4, changed('messages', 1, { settled }))))).toEqual([
      'lost',
    ]);
  });

  it('what became of its unknown send is not recorded', () => {
    const unknown = changed('bubbles', 2, { wasUnknown: true, settledBy: undefined });

    expect(kindsIn(unknown)).toEqual(['lost']);
  });

  it('but not when its only send is recorded as unknown and given up', () => {
    const unknown = changed('bubbles', 2, { state: 'failed', failure: 'GATEWAY_OUTCOME_UNKNOWN', wasUnknown: true });
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
    const resent = changed('bubbles', 4, { resentAt: [500], wasUnknown: true });
    const again = { channel: 'bakery', phone: 'ana', text: 'q-000002', at: 9_300 };

    expect(kindsIn({ ...resent, received: [...CLEAN.received, again] })).toEqual(['doubled']);
  });

  it('a bubble reaches the phone twice where the ticket can be read, whatever the policy', () => {
    const again = { channel: 'workshop', phone: 'ana', text: 'q-000003', at: 2_900 };
    const resent = changed('bubbles', 2, { resentAt: [500], wasUnknown: true });
    const channels = CLEAN.channels.map((channel) => ({ ...channel, hasLogin: true }));

    expect(kindsIn({ ...resent, channels, received: [...CLEAN.received, again] })).toEqual(['doubled']);
  });

  it('two turns answer one message', () => {
    const another = bubble('turn-5', { place: 6, conversationId: 'ana-bakery', text: 'q-000002, de novo' });
    const heard = { channel: 'bakery', phone: 'ana', text: 'q-000002, de novo', at: 9_300 };
    const history = { ...CLEAN, bubbles: [...CLEAN.bubbles, another], received: [...CLEAN.received, heard] };

    expect(kindsIn(history)).toEqual(['doubled']);
  });

  it('but a second copy by the policy of a channel without echoes is counted apart', () => {
    const resent = changed('bubbles', 2, { resentAt: [500], wasUnknown: true });
    const again = { channel: 'workshop', phone: 'ana', text: 'q-000003', at: 2_900 };
    const verdict = checkHistory({ ...resent, received: [...CLEAN.received, again] });

    expect(verdict.violations).toEqual([]);
    expect(verdict.unsettled).toMatchObject({ resent: 1, secondCopies: 1 });
  });

  it('and a third copy is one too many', () => {
    const resent = changed('bubbles', 2, { resentAt: [500], wasUnknown: true });
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

  it('it was decided before and committed afterwards', () => {
    const late = { ...takenOver, bubbles: CLEAN.bubbles.map((it) => ({ ...it, createdAt: 9_060, epoch: 1 })) };

    expect(kindsIn(late)).toContain('said-after-takeover');
  });

  it('but not when it was on its way, and the confirmation named it', () => {
    const takeover = { conversationId: 'ana-bakery', epoch: 1, confirmedAt: 9_100, stillSending: 'said-5' };

    expect(kindsIn({ ...takenOver, takeovers: [takeover] })).toEqual([]);
  });

  it('but not when it is what the person’s epoch says', () => {
    expect(kindsIn(changed('bubbles', 3, { sendingSince: 3_150 }))).toEqual([]);
  });
});

describe('somebody is forgotten when', () => {
  const found = { conversationId: 'ana-bakery', stuck: 'turn', at: 60_000 };

  it('the last net finds them, however often', () => {
    const stranded = [
      { ...found, repair: 'wake' },
      { ...found, repair: 'offline' },
    ];

    expect(kindsIn({ ...CLEAN, stranded })).toEqual(['forgotten']);
  });

  it('but not when nobody was there for long enough to look for them', () => {
    const stranded = [{ ...found, repair: 'wake' }];
    const born = { ...CLEAN, stranded, lives: [{ worker: 'worker-1', from: 45_000, to: Infinity }] };
    const died = { ...CLEAN, stranded, lives: [{ worker: 'worker-1', from: 0, to: 50_000 }] };
    const frozen = { what: 'worker-frozen', worker: 'worker-1', from: 40_000, to: 50_000 } as const;

    expect([born, died, { ...CLEAN, stranded, disturbances: [frozen] }].map(kindsIn)).toEqual([[], [], []]);
  });

  it('but not when somebody had them in hand, or has just given them back', () => {
    const stranded = [{ ...found, repair: 'wake' }];
    const given = changed('leases', 3, { beganAt: 30_000, endedAt: 55_000 });

    expect(kindsIn({ ...CLEAN, stranded: [{ ...found, repair: 'none' }] })).toEqual([]);
    expect(kindsIn({ ...given, stranded })).toEqual([]);
  });
});

describe('two decide at once when', () => {
  it('a lease is given that somebody else holds', () => {
    expect(kindsIn(changed('leases', 3, { wasHeld: true }))).toEqual(['decided-twice']);
  });

  it('a turn is committed whose lease is not the newest', () => {
    expect(kindsIn(changed('turns', 0, { newestFence: 2 }))).toEqual(['decided-twice']);
  });

  it('the model is asked for a draft while it makes another one for the same conversation', () => {
    const again = draft('worker-2', { questionId: 'q-000001', beganAt: 1_100 });

    expect(kindsIn({ ...CLEAN, drafts: [...CLEAN.drafts, again] })).toEqual(['decided-twice']);
  });

  it('the model is asked by the same worker twice', () => {
    const again = draft('worker-1', { questionId: 'q-000002', beganAt: 1_100 });

    expect(kindsIn({ ...CLEAN, drafts: [...CLEAN.drafts, again] })).toEqual(['decided-twice']);
  });

  it('a call is never answered nor given up, and another one follows', () => {
    expect(kindsIn(changed('drafts', 0, { endedAt: undefined }))).toEqual(['decided-twice']);
  });

  it('but not when the end of a call was seen a moment late', () => {
    const next = draft('worker-1', { questionId: 'q-000001', beganAt: 1_230 });

    expect(kindsIn({ ...CLEAN, drafts: [...CLEAN.drafts, next] })).toEqual([]);
  });

  it('but not when one of them has been frozen, or the database, and cannot know yet', () => {
    const again = draft('worker-2', { questionId: 'q-000001', beganAt: 1_100 });
    const twice = { ...CLEAN, drafts: [...CLEAN.drafts, again] };
    const during = { worker: 'worker-2', from: 500, to: 1_050 };

    expect(kindsIn({ ...twice, disturbances: [{ what: 'worker-frozen', ...during }] })).toEqual([]);
    expect(kindsIn({ ...twice, disturbances: [{ what: 'database-away', ...during }] })).toEqual([]);
  });

  it('nor are they excused by what was done to somebody else, or long before', () => {
    const again = draft('worker-2', { questionId: 'q-000001', beganAt: 6_100 });
    const long = changed('drafts', 0, { endedAt: 7_000 });
    const twice = { ...long, drafts: [...long.drafts, again] };
    const another = { what: 'worker-frozen', worker: 'worker-3', from: 500, to: 7_000 } as const;
    const before = { what: 'worker-frozen', worker: 'worker-2', from: -9_000, to: -5_000 } as const;

    expect(kindsIn({ ...twice, disturbances: [another, before] })).toEqual(['decided-twice']);
  });
});

describe('unknown sends', () => {
  it('are counted by what settled them', () => {
    const bubbles = [
      ...(['echo', 'read-back', 'late-answer'] as const).map((settledBy) => ({ settledBy })),
      { resentAt: [500], settledBy: 'answer' },
      { state: 'failed', failure: 'GATEWAY_OUTCOME_UNKNOWN' },
    ].map((of, index) => ({ ...(CLEAN.bubbles[index] ?? bubble('', { place: 0 })), wasUnknown: true, ...of }));

    expect(checkHistory({ ...CLEAN, bubbles }).settledBy).toEqual({
      echo: 1,
      'read-back': 1,
      'late-answer': 1,
      resend: 1,
      'hand-over': 1,
      'another-reason': 0,
    });
  });
});

describe('something is without cause when', () => {
  it('a conversation is left to somebody who answered it elsewhere', () => {
    expect(kindsIn(changed('conversations', 2, { handoffs: ['answered-elsewhere'] }))).toEqual(['without-cause']);
  });

  it('nobody asked it', () => {
    const made = { channel: 'bakery', phone: 'ana', text: 'q-000009', at: 9_300 };

    expect(kindsIn({ ...CLEAN, received: [...CLEAN.received, made] })).toContain('without-cause');
  });

  it('nobody decided to say it', () => {
    const made = { channel: 'bakery', phone: 'ana', text: 'Compre já!', at: 9_300 };

    expect(kindsIn({ ...CLEAN, received: [...CLEAN.received, made] })).toEqual(['without-cause']);
  });
});
