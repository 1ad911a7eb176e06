import { describe, expect, it } from '@jest/globals';
import { NOON, turnOver, unanswered } from '../../test/support/turns.ts';
import { TenantSettings } from '../tenants/tenants.ts';
import type { MessageKind } from '../vocabulary/message.ts';
import type { Turn } from './conversation.ts';
import { gateOf } from './gates.ts';
import type { Gate } from './gates.ts';

const SETTINGS = TenantSettings.parse({});
const QUESTION = unanswered('Qual é a taxa de entrega?');
const NO_COUNTS = { answeredLastMinute: 0, answeredLastDay: 0, turnsLastTenMinutes: 0, spentLastDay: 0 };

function minutesFromNoon(minutes: number): Date {
  return new Date(NOON.getTime() + minutes * 60_000);
}

function ofKind(kind: MessageKind, text?: string) {
  return unanswered(text, { kind });
}

describe('what is clear before anything is asked', () => {
  it.each<[string, Turn, Gate]>([
    ['an ordinary question', turnOver([QUESTION]), { pass: 'compose' }],
    ['one to a closed conversation', turnOver([QUESTION], { owner: 'nobody' }), { pass: 'compose' }],
    ['one while a person has it', turnOver([QUESTION], { owner: 'human' }), { pass: 'leave-to-human' }],
    [
      'one while a person who was only seen may still come back',
      turnOver([QUESTION], { owner: 'human', ownerLapsesAt: minutesFromNoon(1) }),
      { pass: 'leave-to-human' },
    ],
    [
      'one after such a person’s time is over',
      turnOver([QUESTION], { owner: 'human', ownerLapsesAt: NOON }),
      { pass: 'take-back' },
    ],
    ['a wish for a person', turnOver([unanswered('atendente')]), { pass: 'hand-over', reason: 'customer-asked' }],
    [
      'a wish for a person among other things',
      turnOver([QUESTION, unanswered('quero falar com alguém'), unanswered('??')]),
      { pass: 'hand-over', reason: 'customer-asked' },
    ],
    [
      'a wish for a person to a person',
      turnOver([unanswered('atendente')], { owner: 'human' }),
      { pass: 'leave-to-human' },
    ],
    [
      'a question of thirteen hours ago',
      turnOver([unanswered('Abrem hoje?', { saidAt: minutesFromNoon(-780) })]),
      { pass: 'hand-over', reason: 'too-old' },
    ],
    [
      'an old one that has just been followed up',
      turnOver([unanswered('Abrem hoje?', { saidAt: minutesFromNoon(-780) }), unanswered('Oi?')]),
      { pass: 'compose' },
    ],
    ['a voice note', turnOver([ofKind('audio')]), { pass: 'media-only' }],
    ['a picture without words', turnOver([ofKind('image', ' ')]), { pass: 'media-only' }],
    ['a picture with words', turnOver([ofKind('image', 'quanto é este?')]), { pass: 'compose' }],
    ['a form that nobody knows', turnOver([ofKind('other')]), { pass: 'media-only' }],
    ['a sticker', turnOver([ofKind('sticker')]), { pass: 'record', reason: 'sticker-only' }],
    ['two stickers', turnOver([ofKind('sticker'), ofKind('sticker')]), { pass: 'record', reason: 'sticker-only' }],
    ['a sticker and a voice note', turnOver([ofKind('sticker'), ofKind('audio')]), { pass: 'media-only' }],
    ['white space', turnOver([unanswered(' \n ')]), { pass: 'record', reason: 'nothing-said' }],
    ['a place', turnOver([ofKind('location', 'Localização: -23.55, -46.63')]), { pass: 'compose' }],
    [
      'the thirty-first turn in ten minutes',
      turnOver([QUESTION], { counts: { ...NO_COUNTS, turnsLastTenMinutes: 30 } }),
      { pass: 'hand-over', reason: 'loop' },
    ],
    [
      'the five hundred and first reply of a day',
      turnOver([QUESTION], { counts: { ...NO_COUNTS, answeredLastDay: 500 } }),
      { pass: 'hand-over', reason: 'contact-limit' },
    ],
    [
      'a question of somebody who has cost a dollar in a day',
      turnOver([QUESTION], { counts: { ...NO_COUNTS, spentLastDay: 1_000_000 } }),
      { pass: 'hand-over', reason: 'contact-limit' },
    ],
    [
      'a burst that is one reply short of the day’s last',
      turnOver([QUESTION, QUESTION], { counts: { ...NO_COUNTS, answeredLastDay: 499 } }),
      { pass: 'compose' },
    ],
    [
      'the twenty-first reply of a minute',
      turnOver([QUESTION], { counts: { ...NO_COUNTS, answeredLastMinute: 20 } }),
      { pass: 'wait', ms: 30_000 },
    ],
  ])('%s', (...[, turn, gate]) => {
    expect(gateOf(turn, SETTINGS)).toEqual(gate);
  });

  it('has no limits where a tenant has switched them off', () => {
    const off = {
      ...SETTINGS,
      loopBreaker: 0,
      contactPerDay: 0,
      contactPerMinute: 0,
      contactMoneyPerDay: 0,
      answerWithinMinutes: 0,
    };
    const counts = { answeredLastMinute: 900, answeredLastDay: 9_000, turnsLastTenMinutes: 900, spentLastDay: 9e9 };
    const old = unanswered('Abrem hoje?', { saidAt: minutesFromNoon(-10_000) });

    expect(gateOf(turnOver([old], { counts }), off)).toEqual({ pass: 'compose' });
  });
});
