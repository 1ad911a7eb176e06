import { describe, expect, it } from '@jest/globals';
import { decideOwner } from './ownership.ts';
import type { Ownership, OwnerDecision, WantedOwner } from './ownership.ts';

const called: WantedOwner = { to: 'human', handoff: 'waiting' };
const takenOver: WantedOwner = { to: 'human', handoff: 'taken' };
const returned: WantedOwner = { to: 'bot' };
const closed: WantedOwner = { to: 'nobody' };

const botOwns: Ownership = { owner: 'bot', handoff: undefined };
const personIsCalled: Ownership = { owner: 'human', handoff: 'waiting' };
const personIsThere: Ownership = { owner: 'human', handoff: 'taken' };
const nobodyOwns: Ownership = { owner: 'nobody', handoff: undefined };

const humanWith = (handoff: 'waiting' | 'taken', moves: boolean): OwnerDecision => ({ owner: 'human', handoff, moves });
const botWith = (handoff: 'returned' | undefined, moves: boolean): OwnerDecision => ({ owner: 'bot', handoff, moves });
const nobodyWith = (handoff: 'closed' | undefined, moves: boolean): OwnerDecision => ({
  owner: 'nobody',
  handoff,
  moves,
});

describe('the owner of a conversation', () => {
  it.each<[string, [Ownership, WantedOwner], OwnerDecision]>([
    ['the bot calls a person', [botOwns, called], humanWith('waiting', true)],
    ['a person takes over from the bot', [botOwns, takenOver], humanWith('taken', true)],
    ['the called person comes', [personIsCalled, takenOver], humanWith('taken', true)],
    ['a person is called twice', [personIsCalled, called], humanWith('waiting', false)],
    ['a person is called who is there', [personIsThere, called], humanWith('taken', false)],
    ['a person takes over twice', [personIsThere, takenOver], humanWith('taken', false)],
    ['a person reopens a closed conversation', [nobodyOwns, takenOver], humanWith('taken', true)],
    ['a person returns it', [personIsThere, returned], botWith('returned', true)],
    ['a call is taken back', [personIsCalled, returned], botWith('returned', true)],
    ['what the bot has is returned to it', [botOwns, returned], botWith(undefined, false)],
    ['a closed conversation goes to the bot', [nobodyOwns, returned], botWith(undefined, true)],
    ['a person closes it', [personIsThere, closed], nobodyWith('closed', true)],
    ['it is closed while a person is called', [personIsCalled, closed], nobodyWith('closed', true)],
    ['it is closed while the bot has it', [botOwns, closed], nobodyWith(undefined, true)],
    ['it is closed twice', [nobodyOwns, closed], nobodyWith(undefined, false)],
  ])('is decided when %s', (_event, [now, wanted], expected) => {
    expect(decideOwner(now, wanted)).toEqual(expected);
  });
});
