import { describe, expect, it } from '@jest/globals';
import { findLoop } from '../../src/conversation/loop-breaker.ts';
import { TenantSettings } from '../../src/tenants/tenants.ts';
import { SCRIPTED_BOTS } from './bots.ts';
import { dialoguesOf, momentsOf } from './dialogues.ts';
import { talk } from './simulated-talk.ts';

const SETTINGS = TenantSettings.parse({});
/** Each machine talks this often, with other answers of ours and other waits. */
const TALKS = 20;
/** False trips among people: 0.5 in a hundred. */
const FALSE_TRIPS_MAX = 0.005;
const SEEN = [
  'humans-shops.jsonl',
  'humans-services.jsonl',
  'humans-rhythm.jsonl',
  'humans-odd.jsonl',
  'humans-hard.jsonl',
];
/** At least a third of all, by somebody who has not seen the rule. Scored once, when the rule was done. */
const UNSEEN = 'humans-unseen.jsonl';

function wronglyTripped(files: readonly string[]): { people: number; tripped: readonly string[] } {
  const people = files.flatMap(dialoguesOf);
  const tripped = people.filter((one) => momentsOf(one).some((said) => findLoop(said, SETTINGS) !== undefined));
  return { people: people.length, tripped: tripped.map((one) => one.id) };
}

describe('a machine that answers us', () => {
  it('is one of thirty', () => {
    expect(new Set(SCRIPTED_BOTS.map((bot) => bot.id)).size).toBe(30);
  });

  it.each(SCRIPTED_BOTS.map((bot) => [bot.id, bot] as const))('is stopped within six turns: %s', (_id, bot) => {
    const turns = Array.from({ length: TALKS }, (_, seed) => talk(bot, SETTINGS, { seed, turnsMax: 7 })?.turns);

    expect(turns.filter((count) => count === undefined || count > 6)).toEqual([]);
  });
});

describe('a person who does what machines do', () => {
  it('is hardly ever taken for one', () => {
    const { people, tripped } = wronglyTripped([...SEEN, UNSEEN]);

    expect(people).toBeGreaterThanOrEqual(400);
    expect({ tripped, isRare: tripped.length / people <= FALSE_TRIPS_MAX }).toEqual({ tripped, isRare: true });
  });

  it('is hardly ever taken for one by a rule that was made without them', () => {
    const { people, tripped } = wronglyTripped([UNSEEN]);

    expect(people * 3).toBeGreaterThanOrEqual(wronglyTripped([...SEEN, UNSEEN]).people);
    expect({ tripped, isRare: tripped.length / people <= FALSE_TRIPS_MAX }).toEqual({ tripped, isRare: true });
  });
});
