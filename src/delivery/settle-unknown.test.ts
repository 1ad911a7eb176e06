import { describe, expect, it } from '@jest/globals';
import { sha256 } from '../platform/crypto.ts';
import { normalisedText } from '../vocabulary/message.ts';
import { sameWords } from './settle-unknown.ts';

const TEXT = 'O pão sai às 7h. Use {{name}}.';
const SOUGHT = { textHash: sha256(normalisedText(TEXT)), sentMsAgo: 10_000 };
const ELAPSED_MS = 500;

function idsOf(...said: readonly (readonly [id: string, saidMsAgo: number, text?: string])[]): readonly string[] {
  const all = said.map(([providerMessageId, saidMsAgo, text = TEXT]) => ({ providerMessageId, saidMsAgo, text }));
  return sameWords(all, SOUGHT, ELAPSED_MS).map(({ providerMessageId }) => providerMessageId);
}

describe('what a gateway shows as said may be the send that is looked for', () => {
  it('when it has its words, whatever the gateway has put around them or into them', () => {
    expect(
      idsOf(['exact', 9_000], ['marked', 8_000, '\u200E*Padaria:*\nO pão sai às 7h.  Use {\u200B{name}}.']),
    ).toEqual(['exact', 'marked']);
  });

  it('but not when it has other words, or more', () => {
    expect(idsOf(['other', 9_000, 'O pão sai às 8h.'], ['more', 9_000, `Oi! ${TEXT}`])).toEqual([]);
  });

  it('nor when it was said before the send began, but for the seconds that clocks leave out', () => {
    expect(idsOf(['before', 12_501], ['just', 12_500])).toEqual(['just']);
  });

  it('and the oldest comes first', () => {
    expect(idsOf(['newest', -400], ['oldest', 9_000], ['middle', 5_000])).toEqual(['oldest', 'middle', 'newest']);
  });
});
