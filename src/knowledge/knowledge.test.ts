import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { splitIntoPassages } from './knowledge.ts';

const PASSAGE_CHARACTERS_MAX = 1_200;

describe('a document in passages', () => {
  it('is one passage where it is short', () => {
    expect(splitIntoPassages('Abrimos às 7h.\r\n\r\n\r\nE fechamos às 20h.')).toEqual([
      'Abrimos às 7h.\n\nE fechamos às 20h.',
    ]);
  });

  it('is none where it is nothing', () => {
    expect(splitIntoPassages(' \n\n ')).toEqual([]);
  });

  it('is cut between paragraphs', () => {
    const paragraphs = ['a', 'b', 'c'].map((letter) => `${letter} `.repeat(300).trim());

    expect(splitIntoPassages(paragraphs.join('\n\n'))).toEqual([
      `${paragraphs[0] ?? ''}\n\n${paragraphs[1] ?? ''}`,
      paragraphs[2],
    ]);
  });

  it('is cut at sentences where a paragraph is too long, at words where a sentence is, and anywhere where a word is', () => {
    for (const passage of splitIntoPassages('Pão quente o dia todo. '.repeat(200))) expect(passage).toMatch(/todo\.$/);
    for (const passage of splitIntoPassages('pão '.repeat(1_000))) expect(passage).toMatch(/pão$/);
    expect(splitIntoPassages('x'.repeat(3_000)).map((passage) => passage.length)).toEqual([1_200, 1_200, 600]);
  });

  it('loses nothing and is never longer than a passage may be, whatever it holds', () => {
    const piece = fc.constantFrom(
      'pão',
      'Bolo.',
      '\n\n',
      '\n',
      ' ',
      'x'.repeat(1_500),
      `x${'🍞'.repeat(700)}`,
      '\r\n\r\n',
      '? ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join(' ');
        const passages = splitIntoPassages(text);

        for (const passage of passages) {
          expect(passage.length).toBeLessThanOrEqual(PASSAGE_CHARACTERS_MAX);
          expect(passage.trim()).not.toBe('');
          expect(passage.isWellFormed()).toBe(true);
        }
        expect(passages.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
      }),
      { numRuns: 200 },
    );
  });
});
