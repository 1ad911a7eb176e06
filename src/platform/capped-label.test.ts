import { describe, expect, it } from '@jest/globals';
import { CappedLabel } from './capped-label.ts';

describe('a label that nobody else bounds', () => {
  it('keeps the first values, and puts all later ones together', () => {
    const label = new CappedLabel(2, 'other');

    expect(['padaria', 'clinica', 'farmacia', 'padaria', 'escola', 'clinica'].map((slug) => label.of(slug))).toEqual([
      'padaria',
      'clinica',
      'other',
      'padaria',
      'other',
      'clinica',
    ]);
  });

  it('has one more value than its bound, however many come', () => {
    const label = new CappedLabel(50, 'other');
    const shown = new Set(Array.from({ length: 10_000 }, (_, index) => label.of(`tenant-${index}`)));

    expect(shown.size).toBe(51);
  });
});
