import type { MessageKind } from '../../vocabulary/message.ts';

/** Beginnings of the words by which forks name a form: Baileys keys, whatsapp-web.js types and media types alike. */
const KIND_BY_BEGINNING: readonly (readonly [string, MessageKind])[] = [
  ['audio', 'audio'],
  ['ptt', 'audio'],
  ['voice', 'audio'],
  ['image/webp', 'sticker'],
  ['image', 'image'],
  ['video', 'video'],
  ['ptv', 'video'],
  ['document', 'document'],
  ['application', 'document'],
  ['text/', 'document'],
  ['sticker', 'sticker'],
  ['location', 'location'],
  ['livelocation', 'location'],
  ['contact', 'contact'],
  ['vcard', 'contact'],
  ['multi_vcard', 'contact'],
  ['poll', 'poll'],
  ['text', 'text'],
  ['chat', 'text'],
  ['conversation', 'text'],
  ['extendedtext', 'text'],
  ['buttons', 'text'],
  ['list', 'text'],
  ['template', 'text'],
  ['interactive', 'text'],
];

/**
 * The kind behind a fork's own word for it.
 *
 * @param text what was said: it tells text from something unknown where the fork names no form.
 */
export function kindOf(mediaType: unknown, text: string | undefined): MessageKind {
  if (typeof mediaType !== 'string' || mediaType === '') return text === undefined ? 'other' : 'text';
  const word = mediaType.slice(0, 40).toLowerCase();
  return KIND_BY_BEGINNING.find(([beginning]) => word.startsWith(beginning))?.[1] ?? 'other';
}

/** True for the word by which forks mark a reaction. */
export function isReaction(mediaType: unknown): boolean {
  return typeof mediaType === 'string' && mediaType.slice(0, 40).toLowerCase().startsWith('reaction');
}
