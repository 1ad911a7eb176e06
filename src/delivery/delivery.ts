/*
 * The door of `delivery`: what we send.
 *
 * This domain owns the tables outbox and channel_pacing, and settles echoes. Its invariants: the parts of a reply leave in
 * their order, one at a time per conversation; a text whose fate is unknown is never sent again before somebody or
 * something has decided so; nothing of an older epoch leaves after the owner changed.
 */

/** An answer that could not be sent within this time is not sent any more: a person gets the conversation instead. */
export const SEND_WITHIN_MS = 15 * 60_000;

/** One call of a gateway, connection included. */
export const SEND_TIMEOUT_MS = 10_000;
/** A claim older than this may have been made before we were frozen; the world may have moved since. */
export const CLAIM_GOOD_FOR_MS = 1_000;

/** One read-back of an unknown send, login and search included. */
export const READ_BACK_TIMEOUT_MS = 5_000;
/** What is read back counts as this send although it seems so much older: gateways tell the time in whole seconds. */
export const READ_BACK_SLACK_MS = 2_000;

/** More bubbles than this in one go look like a flood, to people and to WhatsApp. */
export const BUBBLES_MAX = 4;
/** A bubble that still reads well on a phone. */
const BUBBLE_CHARACTERS = 700;
/** WhatsApp's own limit for a text is 4,096 characters. Source: WhatsApp Cloud API, text messages. */
export const BUBBLE_CHARACTERS_MAX = 4_096;

/**
 * Splits a reply into at most four bubbles, at its paragraphs where it has them.
 *
 * A short reply stays whole. What does not fit into four bubbles of WhatsApp's length is cut at a sentence, with an
 * ellipsis; the prompt asks for far less.
 */
export function splitIntoBubbles(text: string): readonly string[] {
  const whole = text.trim();
  if (whole === '') return [];
  const paragraphs = whole.split(/\n\s*\n/).map((paragraph) => paragraph.trim());
  const joined = joinWhileShort(paragraphs, BUBBLE_CHARACTERS);
  const few = joined.length <= BUBBLES_MAX ? joined : evenly(paragraphs, whole.length);
  return few.slice(0, BUBBLES_MAX).map((bubble) => cut(bubble));
}

function joinWhileShort(paragraphs: readonly string[], charactersMax: number): readonly string[] {
  const bubbles: string[] = [];
  for (const paragraph of paragraphs) {
    const last = bubbles.at(-1);
    if (last !== undefined && last.length + paragraph.length + 2 <= charactersMax) {
      bubbles[bubbles.length - 1] = `${last}\n\n${paragraph}`;
    } else bubbles.push(paragraph);
  }
  return bubbles;
}

/** Raises the length of a bubble until four are enough. */
function evenly(paragraphs: readonly string[], charactersTotal: number): readonly string[] {
  for (let size = BUBBLE_CHARACTERS; size <= charactersTotal; size += BUBBLE_CHARACTERS / 2) {
    const bubbles = joinWhileShort(paragraphs, size);
    if (bubbles.length <= BUBBLES_MAX) return bubbles;
  }
  return [paragraphs.join('\n\n')];
}

function cut(bubble: string): string {
  if (bubble.length <= BUBBLE_CHARACTERS_MAX) return bubble;
  const window = bubble.slice(0, BUBBLE_CHARACTERS_MAX - 2);
  const sentence = window.lastIndexOf('. ');
  return `${window.slice(0, sentence > 0 ? sentence + 1 : window.length).toWellFormed()} …`;
}
