import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { soundsAngry } from '../../src/conversation/mood.ts';
import { threatens } from '../../src/conversation/threats.ts';
import { wantsHuman } from '../../src/conversation/wants-human.ts';

function sentences(name: string): readonly string[] {
  const file = path.join(import.meta.dirname, `${name}.txt`);
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

const wishes = sentences('wishes');
const threats = sentences('threats');
const lookAlikes = sentences('look-alikes');

describe('the labelled sentences', () => {
  it('are at least sixty of each kind, none of them twice', () => {
    const all = [...wishes, ...threats, ...lookAlikes];

    expect(Math.min(wishes.length, threats.length, lookAlikes.length)).toBeGreaterThanOrEqual(60);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('without a model', () => {
  it('every wish for a person is understood', () => {
    expect(wishes.filter((text) => !wantsHuman(text))).toEqual([]);
  });

  it('every threat is understood', () => {
    expect(threats.filter((text) => !threatens(text))).toEqual([]);
  });

  it('no threat is taken for a mere wish of the same words, nor a wish for a threat', () => {
    expect(wishes.filter((text) => threatens(text))).toEqual([]);
  });

  it('what only looks like one is neither', () => {
    expect(lookAlikes.filter((text) => wantsHuman(text) || threatens(text))).toEqual([]);
  });

  it('is the same in capitals, and with white space in odd places', () => {
    const typed = (text: string): string => `  ${text.toUpperCase().replaceAll(' ', '  ')}\n`;

    expect(wishes.filter((text) => !wantsHuman(typed(text)))).toEqual([]);
    expect(threats.filter((text) => !threatens(typed(text)))).toEqual([]);
    expect(lookAlikes.filter((text) => wantsHuman(typed(text)) || threatens(typed(text)))).toEqual([]);
  });
});

describe('a mood', () => {
  it('is heard where it is angry', () => {
    expect(sentences('angry').filter((text) => !soundsAngry(text))).toEqual([]);
  });

  it('is not imagined: joy, capitals alone and a complaint in peace are none', () => {
    expect(sentences('not-angry').filter((text) => soundsAngry(text))).toEqual([]);
  });
});

/**
 * Written by somebody who had seen neither the rules nor the other lists, and scored once before anybody repaired anything:
 * that first score is in the README. Since then the rules have been mended with these at hand, so what is held here is that
 * it gets no worse, not how well the next customer is understood.
 */
describe('sentences of an independent writer', () => {
  const unseen = {
    wishes: sentences('unseen-wishes'),
    threats: sentences('unseen-threats'),
    lookAlikes: sentences('unseen-look-alikes'),
  };

  it('are eighty wishes, sixty threats and a hundred and twenty that are neither', () => {
    expect(unseen.wishes.length).toBeGreaterThanOrEqual(80);
    expect(unseen.threats.length).toBeGreaterThanOrEqual(60);
    expect(unseen.lookAlikes.length).toBeGreaterThanOrEqual(120);
  });

  it('that wish for a person are understood but for two in a hundred', () => {
    const missed = unseen.wishes.filter((text) => !wantsHuman(text));

    expect({ missed, isFew: missed.length <= 0.02 * unseen.wishes.length }).toMatchObject({ isFew: true });
  });

  it('that threaten are understood but for four in a hundred', () => {
    const missed = unseen.threats.filter((text) => !threatens(text));

    expect({ missed, isFew: missed.length <= 0.04 * unseen.threats.length }).toMatchObject({ isFew: true });
  });

  it('that are neither raise no more than one false alarm in a hundred', () => {
    const falseAlarms = unseen.lookAlikes.filter((text) => wantsHuman(text) || threatens(text));

    expect({ falseAlarms, isFew: falseAlarms.length <= 0.01 * unseen.lookAlikes.length }).toMatchObject({
      isFew: true,
    });
  });
});
