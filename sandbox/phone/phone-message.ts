import { z } from 'zod';

/** The longest text that the phone sends, in UTF-16 units, as browsers count `maxlength`. WhatsApp's own limit for a text message. */
export const TEXT_LENGTH_MAX = 4_096;

/** What a phone can send without words of its own: a placeholder of each. */
export const ATTACHMENT_KINDS = ['audio', 'image', 'document'] as const;

/**
 * How far a customer's message has come.
 *
 * `sending` no answer yet · `accepted` the webhook said yes · `delivered` the service says that it recorded the message for
 * the bot · `answered` a reply has arrived since · `refused` the webhook said no, or nothing: it may be sent again.
 */
const Ticks = z.enum(['sending', 'accepted', 'delivered', 'answered', 'refused']);
export type Ticks = z.infer<typeof Ticks>;

const Said = { id: z.string().max(64), text: z.string(), at: z.iso.datetime() };

const CustomerMessage = z.object({
  ...Said,
  from: z.literal('customer'),
  kind: z.enum(['text', ...ATTACHMENT_KINDS]),
  ticks: Ticks,
  /** How long the webhook took to say yes. */
  acceptedMs: z.number().optional(),
  /** From the moment of writing to the first reply after it. */
  answeredMs: z.number().optional(),
});
export type CustomerMessage = z.infer<typeof CustomerMessage>;

const CompanyMessage = z.object({ ...Said, from: z.literal('company') });
export type CompanyMessage = z.infer<typeof CompanyMessage>;

/** One bubble, as the page shows it and as the file keeps it. */
export const PhoneMessage = z.discriminatedUnion('from', [CustomerMessage, CompanyMessage]);
export type PhoneMessage = z.infer<typeof PhoneMessage>;

/** What the company is doing for a customer; `overdue` is typing that has lasted too long to be believed. */
export type Activity = 'idle' | 'typing' | 'overdue';
