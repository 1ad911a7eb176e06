import type { KeyObject } from 'node:crypto';
import { blindIndex, sha256 } from '../platform/crypto.ts';
import type { Address, ReceivedEvent } from '../vocabulary/message.ts';
import { canonicalAddress } from '../vocabulary/message.ts';

/*
 * The door of `inbound`: what we receive.
 *
 * This domain owns the tables inbound_event, contact, contact_alias and echo (until it is settled), and inserts messages
 * and conversations. Its invariant: a webhook is answered 200 only after one commit holds it, and it is held once. It
 * only inserts, never updates, and never decides what a message deserves.
 */

/** How long to wait for the rest of a burst. Milliseconds; both 0 means not at all. */
export interface Coalescing {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Words that open a message and promise that more is coming, when they are all there is.
 *
 * Their end is "no letter follows": to `\b` the accented letter of "olá" is no letter.
 */
const OPENERS =
  /^(oi+|ol[aá]|opa|bom dia|boa tarde|boa noite|hello|hi|e a[ií]|tudo bem)(?!\p{L})[\s!,.]*(tudo bem|td bem)?[\s!?,.]*$/iu;

/**
 * How long after this bubble the customer may still be typing the next one.
 *
 * A finished question is answered after the least wait. A fragment, such as a greeting or words that end without any
 * mark, gets three times that. What caps the sum over a burst is the age of its first bubble, not this.
 */
export function waitForRestMs(text: string | undefined, coalescing: Coalescing): number {
  const said = text?.trim() ?? '';
  const isOpener = said.length <= OPENER_CHARACTERS_MAX && OPENERS.test(said);
  const isFinished = /[?!.…)]["']?$/.test(said) && !isOpener;
  return Math.min(coalescing.maxMs, isFinished ? coalescing.minMs : coalescing.minMs * 3);
}

/** No opener is longer, and the search for one takes time that grows with the square of the text. */
const OPENER_CHARACTERS_MAX = 100;

/** Without an id and without a time in its bytes an event is the same as another only if they arrive this close. */
const SAME_ARRIVAL_MS = 10_000;

export interface Arrival {
  readonly event: ReceivedEvent;
  readonly raw: Buffer;
  readonly receivedAt: Date;
  /** The signed `webhook-id` of Standard Webhooks, where the sender gives one. */
  readonly webhookId: string | undefined;
}

/**
 * The key under which an event is recorded once per channel.
 *
 * The provider's id counts within its chat, because WhatsApp's ids are unique there and nowhere else. Where a fork sends
 * none, the bytes themselves are the key if they hold a time; else the sender's own delivery id; else the bytes within a
 * few seconds. When in doubt two events are two: a doubled answer is a nuisance, a lost customer is not.
 *
 * @param indexKey the tenant's, so that the key tells nothing about the person.
 */
export function dedupeKey({ event, raw, receivedAt, webhookId }: Arrival, indexKey: KeyObject): string {
  const { type, providerMessageId } = event;
  if (providerMessageId !== undefined) {
    const chat = 'addresses' in event ? canonicalAddress(event.addresses[0]) : '';
    const state = type === 'status' ? (event.state ?? '') : '';
    return `${type}:${blindIndex(indexKey, [chat, providerMessageId, state].join('|')).toString('base64url')}`;
  }
  const fingerprint = sha256(raw).toString('base64url');
  if (event.isSelfDating || type === 'unknown') return `bytes:${fingerprint}`;
  if (webhookId !== undefined) return `delivery:${blindIndex(indexKey, webhookId).toString('base64url')}`;
  return `bytes:${fingerprint}:${Math.floor(receivedAt.getTime() / SAME_ARRIVAL_MS)}`;
}

/** The text under which all spellings of an address meet. A ticket's number means something at its own gateway only. */
export function addressKey(address: Address, channelId: string): string {
  const scope = address.kind === 'ticket' ? `${channelId}:` : '';
  return `${address.kind}:${scope}${canonicalAddress(address)}`;
}
