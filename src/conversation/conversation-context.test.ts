import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RememberedMessage } from './conversation.ts';
import { ConversationContext, emptyContext, remember } from './conversation-context.ts';

const BYTES_MAX = 20_000;

function said(author: RememberedMessage['author'], text: string | undefined): RememberedMessage {
  return { author, kind: text === undefined ? 'audio' : 'text', text, saidAt: new Date('2026-08-01T12:00:00Z') };
}

/** A talk of customer and bot, taking turns. */
function talk(length: number, from = 0): readonly RememberedMessage[] {
  return Array.from({ length }, (_, index) =>
    said((from + index) % 2 === 0 ? 'customer' : 'bot', `Mensagem número ${from + index}: ${'pão '.repeat(40)}`),
  );
}

const anyMessage = fc.record({
  author: fc.constantFrom('customer', 'bot', 'human'),
  kind: fc.constant('text'),
  text: fc.option(fc.string({ unit: 'binary', maxLength: 3_000 }), { nil: undefined }),
  saidAt: fc.constant(new Date(0)),
}) as fc.Arbitrary<RememberedMessage>;

describe('what the bot remembers', () => {
  it('has the last messages as they were', () => {
    const context = remember(
      emptyContext(),
      [said('customer', 'Oi'), said('bot', 'Olá!'), said('customer', undefined)],
      '3',
    );

    expect(context.messages).toEqual([
      { author: 'customer', text: 'Oi' },
      { author: 'bot', text: 'Olá!' },
      { author: 'customer', text: '[audio]' },
    ]);
    expect(context.upTo).toBe('3');
  });

  it('is as large after a thousand messages as after twenty', () => {
    const bytesAfter = (messages: number): number =>
      Buffer.byteLength(JSON.stringify(remember(emptyContext(), talk(messages), '1')));

    expect(bytesAfter(1_000) / bytesAfter(40)).toBeCloseTo(1, 1);
    expect(bytesAfter(1_000)).toBeLessThan(BYTES_MAX);
  });

  it('is bounded whatever people write', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 40 }), (messages) => {
        const context = remember(emptyContext(), messages, '1');
        const text = JSON.stringify(context);

        expect(Buffer.byteLength(text)).toBeLessThan(BYTES_MAX);
        expect(ConversationContext.parse(JSON.parse(text))).toEqual(context);
      }),
      { numRuns: 100 },
    );
  });

  it('keeps of the past what the customer brought up, oldest first', () => {
    const context = remember(emptyContext(), talk(100), '100');

    expect(context.summary.length).toBeGreaterThan(3);
    expect(context.summary.every((line) => line.length <= 110)).toBe(true);
    expect(context.summary.every((line) => Number(/número (\d+)/.exec(line)?.[1]) % 2 === 0)).toBe(true);
    expect(context.summary).toEqual(context.summary.toSorted((a, b) => numberIn(a) - numberIn(b)));
  });

  it('keeps the numbers by which companies know things, long after they were said', () => {
    const first = [said('customer', 'O pedido nº 4711-A não chegou'), said('customer', 'Protocolo: 2026080155')];

    const context = remember(emptyContext(), [...first, ...talk(200)], '202');

    expect(context.facts).toEqual(['pedido 4711-A', 'protocolo 2026080155']);
  });

  it('takes no facts from itself, and no words for numbers', () => {
    const context = remember(emptyContext(), [said('bot', 'Pedido 999?'), said('customer', 'meu pedido atrasou')], '2');

    expect(context.facts).toEqual([]);
  });

  it('does not cut an emoji in half', () => {
    const context = remember(emptyContext(), [said('customer', '🍞'.repeat(400))], '1');

    expect(context.messages[0]?.text.isWellFormed()).toBe(true);
  });
});

describe('what was lost and is read back', () => {
  it('is what was kept: a bit at a time or all at once, the last messages are the same', () => {
    const all = talk(50);
    let kept = emptyContext();
    for (const [index, message] of all.entries()) kept = remember(kept, [message], String(index + 1));

    const rebuilt = remember(emptyContext(), all, '50');

    expect(kept).toEqual(rebuilt);
  });
});

function numberIn(line: string): number {
  return Number(/número (\d+)/.exec(line)?.[1]);
}
