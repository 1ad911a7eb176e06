import { describe, expect, it } from '@jest/globals';
import type { TicketState } from '../vocabulary/ticket.ts';
import { meaningOf } from './ticket.ts';
import { destinationOf, isAt, isFinal, TRANSFER_ATTEMPTS_MAX, waitAfterMs } from './transfer.ts';

const BOT_QUEUE = 3;
const PEOPLE = 5;
const BRUNO = 12;

function ticket(changes: Partial<TicketState> = {}): TicketState {
  const said = changes.status ?? 'pending';
  return { id: '4711', status: 'pending', said, queueId: BOT_QUEUE, userId: undefined, ...changes };
}

describe('destinationOf', () => {
  const channel = { queueId: PEOPLE, userId: BRUNO, queues: { financeiro: 6 } };

  it.each([
    ['the default where no rule names one', undefined, { queueId: PEOPLE, userId: BRUNO }],
    ['the queue that a rule names, for anybody there', 'financeiro', { queueId: 6, userId: undefined }],
    ['the default for a name that the channel does not know', 'vendas', { queueId: PEOPLE, userId: BRUNO }],
    ['the default for a name that every object has', 'constructor', { queueId: PEOPLE, userId: BRUNO }],
  ])('is %s', (_case, name, expected) => {
    expect(destinationOf(channel, name)).toEqual(expected);
  });

  it('is nowhere in a channel without any', () => {
    expect(destinationOf({ queueId: undefined, userId: undefined, queues: {} }, undefined)).toBeUndefined();
  });
});

describe('isAt', () => {
  const inQueue = { queueId: PEOPLE, userId: undefined };
  const withBruno = { queueId: undefined, userId: BRUNO };

  it.each([
    ['waits in the queue', { seen: ticket({ queueId: PEOPLE }), to: inQueue, isThere: true }],
    [
      'was accepted from the queue',
      { seen: ticket({ queueId: PEOPLE, status: 'open', userId: 13 }), to: inQueue, isThere: true },
    ],
    ['is in another queue', { seen: ticket(), to: inQueue, isThere: false }],
    ['is closed in the queue', { seen: ticket({ queueId: PEOPLE, status: 'closed' }), to: inQueue, isThere: false }],
    [
      'has a status nobody knows',
      { seen: ticket({ queueId: PEOPLE, status: 'unknown' }), to: inQueue, isThere: false },
    ],
    ['is with the user', { seen: ticket({ status: 'open', userId: BRUNO }), to: withBruno, isThere: true }],
    ['is with somebody else', { seen: ticket({ status: 'open', userId: 13 }), to: withBruno, isThere: false }],
    [
      'is only meant for the user',
      { seen: ticket({ status: 'pending', userId: BRUNO }), to: withBruno, isThere: false },
    ],
  ])('says whether a ticket that %s is there', (_case, { seen, to, isThere }) => {
    expect(isAt(seen, to)).toBe(isThere);
  });
});

describe('a transfer', () => {
  it('is tried about a quarter of an hour, each time later', () => {
    const waits = Array.from({ length: TRANSFER_ATTEMPTS_MAX }, (_, index) => waitAfterMs(index + 1));

    expect(waits).toEqual([5_000, 15_000, 60_000, 240_000, 600_000, undefined]);
  });

  it.each([
    ['unknown-queue', true],
    ['unknown-user', true],
    ['of-another-company', true],
    ['not-moved', false],
    ['GATEWAY_UNREACHABLE', false],
  ])('that fails for %s is final: %s', (reason, expected) => {
    expect(isFinal(reason)).toBe(expected);
  });
});

/** A user of the gateway's API. */
const PROGRAM = 99;

describe('meaningOf', () => {
  const accepted = ticket({ status: 'open', userId: BRUNO, queueId: PEOPLE });
  const closed = ticket({ status: 'closed' });

  it.each([
    ['was accepted', { previous: ticket(), seen: accepted, owner: 'bot', means: 'taken' }],
    ['was somebody’s before we ever saw it', { previous: undefined, seen: accepted, owner: 'bot', means: 'nothing' }],
    [
      'was accepted by a program',
      { previous: ticket(), seen: { ...accepted, userId: PROGRAM }, owner: 'bot', means: 'nothing' },
    ],
    [
      'was closed by a program',
      { previous: accepted, seen: { ...closed, userId: PROGRAM }, owner: 'human', means: 'nothing' },
    ],
    [
      'went from one person to another',
      { previous: ticket({ status: 'open', userId: 13 }), seen: accepted, owner: 'human', means: 'taken' },
    ],
    [
      'still is with the person who gave the conversation back',
      { previous: accepted, seen: accepted, owner: 'bot', means: 'nothing' },
    ],
    ['was closed', { previous: accepted, seen: closed, owner: 'human', means: 'closed' }],
    [
      'was closed when nobody owns it any more',
      { previous: accepted, seen: closed, owner: 'nobody', means: 'nothing' },
    ],
    ['was closed before we ever saw it', { previous: undefined, seen: closed, owner: 'human', means: 'nothing' }],
    ['still is closed', { previous: closed, seen: closed, owner: 'human', means: 'nothing' }],
    [
      'came back to the bot’s queue',
      { previous: ticket({ queueId: PEOPLE }), seen: ticket(), owner: 'human', means: 'returned' },
    ],
    [
      'was taken from its person into the bot’s queue',
      { previous: accepted, seen: ticket(), owner: 'human', means: 'returned' },
    ],
    ['has never left the bot’s queue', { previous: ticket(), seen: ticket(), owner: 'human', means: 'nothing' }],
    [
      'lies in the bot’s queue when first seen',
      { previous: undefined, seen: ticket(), owner: 'human', means: 'nothing' },
    ],
    [
      'came back to a bot that owns it',
      { previous: ticket({ queueId: PEOPLE }), seen: ticket(), owner: 'bot', means: 'nothing' },
    ],
    ['waits among people', { previous: ticket(), seen: ticket({ queueId: PEOPLE }), owner: 'human', means: 'nothing' }],
    [
      'has a status nobody knows',
      {
        previous: accepted,
        seen: ticket({ status: 'unknown', said: 'paused' }),
        owner: 'human',
        means: 'strange-status',
      },
    ],
  ] as const)('of a ticket that %s', (_case, { means, ...sight }) => {
    expect(meaningOf({ ...sight, botQueueId: BOT_QUEUE, notPeople: [PROGRAM], isEvent: false })).toBe(means);
  });

  it('believes a gateway that tells of a change, whatever was seen before', () => {
    const sight = { previous: undefined, owner: 'human', botQueueId: BOT_QUEUE, notPeople: [] } as const;

    expect(meaningOf({ ...sight, seen: closed, isEvent: true })).toBe('closed');
    expect(meaningOf({ ...sight, seen: accepted, isEvent: true })).toBe('taken');
  });

  it('knows no way back to the bot where the channel names no queue of its own', () => {
    const sight = { previous: accepted, seen: ticket(), owner: 'human', botQueueId: undefined, notPeople: [] } as const;

    expect(meaningOf({ ...sight, isEvent: true })).toBe('nothing');
  });
});
