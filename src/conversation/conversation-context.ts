import { z } from 'zod';
import type { RememberedMessage } from './conversation.ts';

/*
 * What the bot remembers of a conversation, in bounded bytes however long it goes on: the last messages as they were, a
 * rolling summary of what went before, and the few facts worth keeping. A pure fold over messages, so that losing the
 * cache costs one read of PostgreSQL and changes nothing.
 */

const MESSAGES_MAX = 12;
const MESSAGE_CHARACTERS_MAX = 500;
const MESSAGES_CHARACTERS_MAX = 3_000;
const SUMMARY_CHARACTERS_MAX = 900;
const SUMMARY_LINE_CHARACTERS_MAX = 110;
const FACTS_MAX = 8;

export const ConversationContext = z.object({
  /** The number of the last message that is contained. A context that is behind it is rebuilt. */
  upTo: z.string().regex(/^\d+$/),
  messages: z.array(z.object({ author: z.enum(['customer', 'bot', 'human']), text: z.string() })),
  /** What the customer brought up before the messages above, one line each, oldest first. */
  summary: z.array(z.string()),
  /** E.g. order numbers. Newest last. */
  facts: z.array(z.string()),
});
export type ConversationContext = z.infer<typeof ConversationContext>;

export function emptyContext(): ConversationContext {
  return { upTo: '0', messages: [], summary: [], facts: [] };
}

/** What is left of a talk that is over: facts. What was said in it is not the thread of the next one. */
export function newEpisode(before: ConversationContext): ConversationContext {
  return { ...emptyContext(), facts: before.facts };
}

/** The context with these messages at its end. */
export function remember(
  context: ConversationContext,
  messages: readonly RememberedMessage[],
  upTo: string,
): ConversationContext {
  const kept = [...context.messages];
  const summary = [...context.summary];
  const facts = [...context.facts];
  for (const message of messages) {
    kept.push({ author: message.author, text: shorten(wordsOf(message), MESSAGE_CHARACTERS_MAX) });
    if (message.author === 'customer') facts.push(...factsIn(message.text ?? ''));
  }
  while (kept.length > MESSAGES_MAX || total(kept.map((it) => it.text)) > MESSAGES_CHARACTERS_MAX) {
    const oldest = kept.shift();
    if (oldest?.author === 'customer') summary.push(shorten(oldest.text, SUMMARY_LINE_CHARACTERS_MAX));
  }
  while (total(summary) > SUMMARY_CHARACTERS_MAX) summary.shift();
  return { upTo, messages: kept, summary, facts: [...new Set(facts.reverse())].slice(0, FACTS_MAX).reverse() };
}

/**
 * Numbers by which companies know things; people give them once and expect them to be remembered. White space is single
 * before these look at it, so that no run of spaces makes them try every way of dividing it.
 */
const FACT_PATTERN =
  /\b(pedido|order|protocolo|protocol) ?(?:n[º°o.]?|n[uú]mero|#|:)? ?#?([a-z0-9][a-z0-9-]{2,23})\b/giu;

function factsIn(text: string): readonly string[] {
  const plain = text.slice(0, MESSAGE_CHARACTERS_MAX).replace(/\s+/g, ' ');
  return [...plain.matchAll(FACT_PATTERN)].flatMap(([, what, value]) =>
    what !== undefined && value !== undefined && /\d/.test(value) ? [`${what.toLowerCase()} ${value}`] : [],
  );
}

function wordsOf(message: RememberedMessage): string {
  return message.text ?? `[${message.kind}]`;
}

function shorten(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1).toWellFormed()}…`;
}

function total(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}
