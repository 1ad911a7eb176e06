import type { TicketState } from './ticket.ts';

/** Who said it. */
export type Author = 'customer' | 'bot' | 'human';

/** What was said, by its form. `other` is a form we were sent and do not know. */
export const MESSAGE_KINDS = [
  'text',
  'audio',
  'image',
  'video',
  'document',
  'sticker',
  'location',
  'contact',
  'poll',
  'other',
] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** A way to reach a contact: exactly what the gateway called the person, and the form by which we recognise them. */
export interface Address {
  /** `ticket` is for gateways that name the ticket and not the person. */
  readonly kind: 'phone' | 'lid' | 'ticket';
  /** As received: digits for a phone, digits for a LID, the ticket id for a ticket. */
  readonly value: string;
}

/**
 * The form of an address under which all its spellings meet.
 *
 * A Brazilian mobile number is written with and without the ninth digit, and WhatsApp's own id may lack it: without it the
 * number begins with 6 to 9 and gets its 9 back. What begins with 2 to 5 is a landline, and another person. Other countries
 * are taken as they are. Source: Anatel, numbering plan for mobile services; whaticket forks disagree on when to drop it.
 */
export function canonicalAddress(address: Address): string {
  if (address.kind !== 'phone') return address.value;
  const digits = address.value.replace(/\D/g, '');
  const withoutNinth = /^(55\d{2})([6-9]\d{7})$/.exec(digits);
  return withoutNinth === null ? digits : `${withoutNinth[1] ?? ''}9${withoutNinth[2] ?? ''}`;
}

/** What became of a webhook. A closed set: it is the answer's `status` and a metric label. */
export type Disposition = 'accepted' | 'duplicate' | 'ignored' | 'parked';

interface EventBase {
  /** The provider's id, unique within a chat. Absent where the fork sends none. */
  readonly providerMessageId: string | undefined;
  /** When the provider says it happened. */
  readonly occurredAt: Date | undefined;
  /** True when the bytes hold an id or a time of their own, so that equal bytes mean the same event however late. */
  readonly isSelfDating: boolean;
}

interface SaidBase extends EventBase {
  /** Best address first. Never empty. */
  readonly addresses: readonly [Address, ...Address[]];
  readonly contactName: string | undefined;
  readonly ticketId: string | undefined;
  /** The ticket as it was then, where the fork shows it with every message. */
  readonly ticket?: TicketState | undefined;
  readonly kind: MessageKind;
  /** The customer's words: the text itself, a caption, a button's label. Undefined where there are none. */
  readonly text: string | undefined;
  readonly quotedText: string | undefined;
}

/** What somebody did to a ticket, as the gateway told it. */
export interface TicketChange {
  readonly ticket: TicketState;
  /** Whom it is about, best address first, where it says so. */
  readonly addresses: readonly Address[];
}

/** One thing a gateway told us, whatever its fork calls it. */
export type ReceivedEvent =
  | (SaidBase & { readonly type: 'message' })
  | (SaidBase & {
      readonly type: 'echo';
      /** True for what the fork itself says: greetings, transfers, farewells. Such words never take ownership. */
      readonly isAutomatic: boolean;
    })
  | (EventBase & {
      readonly type: 'status';
      readonly state: 'sent' | 'delivered' | 'read' | 'failed' | undefined;
    })
  | (EventBase & {
      readonly type: 'edit';
      readonly addresses: readonly [Address, ...Address[]];
      readonly targetMessageId: string;
      readonly text: string | undefined;
    })
  | (EventBase & {
      readonly type: 'deletion';
      readonly addresses: readonly [Address, ...Address[]];
      readonly targetMessageId: string;
    })
  | (EventBase & {
      readonly type: 'ticket';
      /** Undefined where it is about something else of the ticket, such as its tags. */
      readonly change?: TicketChange | undefined;
    })
  | (EventBase & { readonly type: 'reaction' | 'group' | 'system' })
  | (EventBase & {
      readonly type: 'unknown';
      /** Why nobody could read it, for the person who looks at what was parked. */
      readonly reason: string;
    });

/**
 * Text as PostgreSQL can keep it: no NUL, no half of a surrogate pair, bounded.
 *
 * @param charactersMax longer text is cut; WhatsApp's own limit is 65,536 characters for incoming text.
 */
export function storableText(text: string, charactersMax = 65_536): string {
  return text.slice(0, charactersMax).toWellFormed().replaceAll('\u0000', '');
}

/**
 * Text as two honest copies of it agree on: what a gateway adds or changes on the way is taken away.
 *
 * Used to recognise our own words in an echo: invisible marks, a leading `*Name:*` signature line, runs of white space and
 * the escapes that we put in against the gateways' template engine do not count.
 */
export function normalisedText(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\u200B-\u200F\u2060\uFEFF]/g, '')
    .replace(/^\s*\*[^*\n]{1,60}:\*\s*\n/, '')
    .replace(/\s+/g, ' ')
    .replaceAll('{ {', '{{')
    .trim();
}
