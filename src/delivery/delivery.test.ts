import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BUBBLES_MAX, splitIntoBubbles } from './delivery.ts';

const WHATSAPP_CHARACTERS_MAX = 4_096;

function paragraph(characters: number): string {
  return 'Pão quente. '
    .repeat(Math.ceil(characters / 12))
    .slice(0, characters)
    .trim();
}

describe('a reply in bubbles', () => {
  it('is one bubble where it is short, paragraphs and all', () => {
    expect(splitIntoBubbles('  Abrimos às 7h.\n\nE fechamos às 20h. ')).toEqual([
      'Abrimos às 7h.\n\nE fechamos às 20h.',
    ]);
  });

  it('is none where it is nothing', () => {
    expect(splitIntoBubbles(' \n\n ')).toEqual([]);
  });

  it('is cut at its paragraphs, and short ones stay together', () => {
    const paragraphs = [paragraph(500), paragraph(300), paragraph(200), paragraph(690)];

    expect(splitIntoBubbles(paragraphs.join('\n\n\n'))).toEqual([
      paragraphs[0],
      `${paragraphs[1] ?? ''}\n\n${paragraphs[2] ?? ''}`,
      paragraphs[3],
    ]);
  });

  it('is never more than four, however long it is', () => {
    const bubbles = splitIntoBubbles(Array.from({ length: 30 }, () => paragraph(400)).join('\n\n'));

    expect(bubbles).toHaveLength(BUBBLES_MAX);
  });

  it('ends at a sentence with a mark where WhatsApp would not take all of it', () => {
    const [only, ...others] = splitIntoBubbles('Pão quente o dia todo. '.repeat(400));

    expect(others).toEqual([]);
    expect(only?.length).toBeLessThanOrEqual(WHATSAPP_CHARACTERS_MAX);
    expect(only?.endsWith('todo. …')).toBe(true);
  });

  it('keeps its words and their order, whatever they are, up to what WhatsApp takes', () => {
    const word = fc.constantFrom('pão', 'bolo', '🍞', '\n\n', '\n \n', ' ', 'x'.repeat(300));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const text = words.join(' ');
        const bubbles = splitIntoBubbles(text);

        expect(bubbles.length).toBeLessThanOrEqual(BUBBLES_MAX);
        for (const bubble of bubbles) {
          expect(bubble.length).toBeLessThanOrEqual(WHATSAPP_CHARACTERS_MAX);
          expect(bubble.isWellFormed()).toBe(true);
          expect(bubble.trim()).not.toBe('');
        }
        if (text.length <= WHATSAPP_CHARACTERS_MAX) {
          expect(bubbles.join(' ').split(/\s+/).filter(Boolean)).toEqual(text.split(/\s+/).filter(Boolean));
        }
      }),
      { numRuns: 300 },
    );
  });
});
