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
