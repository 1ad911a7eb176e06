import { z } from 'zod';
import type { Address, ReceivedEvent, TicketChange } from '../../vocabulary/message.ts';
import { isReaction, kindOf } from './media-kind.ts';
import { saidEvent } from './said.ts';
import type { EventFrame } from './said.ts';
import { closedTicket, ticketIn } from './ticket-state.ts';
import {
  firstText,
  lidName,
  objectIn,
  reach,
  WireAny,
  WireFlag,
  WireId,
  WireObject,
  WireText,
  WireTime,
} from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

/** The envelope of the hosted forks, with every key in lower case: relays written in other languages change the case. */
const HostedEnvelope = z.object({
  mensagem: WireAny,
  sender: WireAny,
  number: WireAny,
  chamadoid: WireId,
  acao: WireText,
  action: WireText,
  name: WireText,
  fromme: WireFlag,
  isgroup: WireFlag,
  timestamp: WireTime,
  updatedat: WireTime,
  ticketdata: WireObject,
  chamado: WireObject,
});
type HostedEnvelope = z.infer<typeof HostedEnvelope>;

const Ticket = z.object({ id: WireId, isgroup: WireFlag, updatedat: WireTime, contact: WireObject });
type Ticket = z.infer<typeof Ticket>;

const Contact = z.object({ name: WireText, number: WireAny, lid: WireAny, remotejid: WireAny });

/** What `mensagem` holds beside plain text: a media message, or a stored message record. */
const MessageObject = z.object({
  id: WireId,
  wid: WireId,
  body: WireText,
  text: WireText,
  caption: WireText,
  filename: WireText,
  mediatype: WireText,
  type: WireText,
  fromme: WireFlag,
  timestamp: WireTime,
  ticketid: WireId,
});

/** What a ticket went through, as opposed to what somebody said in it. */
const TICKET_ACTION = /^(?:end|close|closed|fechado|ticket\b.*)$/i;

/** An envelope of this shape has one of these; asking first saves every other shape the whole reading. */
const MARKS = new Set(['mensagem', 'acao', 'action']);

/** True for the shape of the hosted forks: a message, or something that happened to a ticket. */
export function isHostedEnvelope(body: JsonObject): boolean {
  if (!Object.keys(body).some((key) => MARKS.has(key.toLowerCase()))) return false;
  const lower = lowerCased(body);
  const { acao, action } = HostedEnvelope.parse(lower);
  const saysTicket = ['chamadoid', 'acao', 'ticketdata', 'chamado'].some((key) => lower[key] !== undefined);
  if ('mensagem' in lower && saysTicket) return true;
  return action === 'tag-sync' || (acao !== undefined && TICKET_ACTION.test(acao));
}

/**
 * Reads the shape of the hosted forks.
 *
 * It has no message id, and its only times are those of the ticket, which may be older than the message: they make equal
 * bytes mean the same event, but are not taken for the time it happened.
 *
 * Source: help.whaticket-saas.com/webhook; the same page at ajuda.novoenvio.com.br/webhook/webhook.
 */
export function readHostedEnvelope(body: JsonObject): ReceivedEvent {
  const envelope = HostedEnvelope.parse(lowerCased(body));
  const ticket = Ticket.parse(lowerCased(envelope.ticketdata ?? envelope.chamado));
  const message = readMessage(envelope.mensagem);
  const occurredAt = envelope.timestamp ?? message.sentAt;
  const frame: EventFrame = {
    providerMessageId: message.id,
    occurredAt,
    isSelfDating: [message.id, occurredAt, ticket.updatedat, envelope.updatedat].some((mark) => mark !== undefined),
  };
  if (envelope.action === 'tag-sync') return { ...frame, type: 'ticket' };
  const row = envelope.ticketdata ?? envelope.chamado;
  const people = peopleIn(envelope, ticket);
  if (TICKET_ACTION.test(envelope.acao ?? '')) {
    const id = envelope.chamadoid ?? ticket.id;
    return {
      ...frame,
      type: 'ticket',
      change: changeOf(envelope.acao ?? '', { id, row, addresses: people.addresses }),
    };
  }

  if (people.isGroup) return { ...frame, type: 'group' };
  if (isReaction(message.mediaType)) return { ...frame, type: 'reaction' };

  const isFromUs = envelope.fromme === true || message.isFromUs;
  const ticketId = envelope.chamadoid ?? ticket.id ?? message.ticketId;
  return saidEvent({
    ...frame,
    addresses: people.addresses.length > 0 ? people.addresses : ticketAddresses(ticketId),
    contactName: isFromUs ? people.contactName : firstText(envelope.name, people.contactName),
    ticketId,
    ticket: ticketIn(row),
    kind: kindOf(message.mediaType, message.text),
    text: message.text,
    quotedText: undefined,
    isFromUs,
  });
}

const CLOSING = /^(?:end|close|closed|fechado|ticket[\s:._-]*(?:closed|fechado))$/i;

interface ChangedTicket {
  readonly id: string | undefined;
  readonly row: JsonObject | undefined;
  readonly addresses: readonly Address[];
}

/** What an action did to a ticket; undefined where that is not told. */
export function changeOf(action: string, { id, row, addresses }: ChangedTicket): TicketChange | undefined {
  const shown = row ?? {};
  const ticket =
    CLOSING.test(action) && id !== undefined ? closedTicket(id, shown) : ticketIn({ ...shown, id: id ?? shown.id });
  return ticket && { ticket, addresses };
}

/** Where the gateway names no person, the ticket is the only way back. */
export function ticketAddresses(ticketId: string | undefined): readonly { kind: 'ticket'; value: string }[] {
  return ticketId === undefined ? [] : [{ kind: 'ticket', value: ticketId }];
}

/** The ticket's contact comes first: of our own messages some versions write something else into `sender`. */
function peopleIn(envelope: HostedEnvelope, ticket: Ticket) {
  const contact = Contact.parse(lowerCased(ticket.contact));
  const sender = Contact.parse(lowerCased(objectIn(envelope.sender)));
  const reached = reach([
    contact.number,
    sender.number,
    envelope.sender,
    envelope.number,
    contact.remotejid,
    lidName(contact.lid),
    lidName(sender.lid),
  ]);
  return {
    addresses: reached.addresses,
    isGroup: reached.isGroup || envelope.isgroup === true || ticket.isgroup === true,
    contactName: firstText(contact.name, sender.name),
  };
}

interface HostedMessage {
  readonly id: string | undefined;
  readonly text: string | undefined;
  readonly mediaType: string | undefined;
  readonly isFromUs: boolean;
  readonly sentAt: Date | undefined;
  readonly ticketId: string | undefined;
}

const NOTHING_SAID: HostedMessage = {
  id: undefined,
  text: undefined,
  mediaType: undefined,
  isFromUs: false,
  sentAt: undefined,
  ticketId: undefined,
};

/** Shorter ids count rows of the fork, not messages. A false id would turn a message into a duplicate of another. */
const MESSAGE_ID_CHARACTERS_MIN = 12;

function readMessage(mensagem: unknown): HostedMessage {
  if (typeof mensagem === 'string') return { ...NOTHING_SAID, text: firstText(mensagem) };
  if (Array.isArray(mensagem)) return readParts(mensagem);
  const message = objectIn(mensagem);
  if (message === undefined) return NOTHING_SAID;
  const { body, text, caption, filename, mediatype, type, ...rest } = MessageObject.parse(lowerCased(message));
  const id = rest.wid ?? rest.id;
  return {
    id: id !== undefined && id.length >= MESSAGE_ID_CHARACTERS_MIN ? id : undefined,
    text: firstText(body, text, caption, filename),
    mediaType: mediatype ?? type,
    isFromUs: rest.fromme === true,
    sentAt: rest.timestamp,
    ticketId: rest.ticketid,
  };
}

const PARTS_MAX = 50;

/** One version sends the message in parts of the form `{type, text}`. */
function readParts(parts: readonly unknown[]): HostedMessage {
  const read = parts.slice(0, PARTS_MAX).map((part) => (typeof part === 'string' ? { text: part } : objectIn(part)));
  const texts = read.flatMap((part) => firstText(part?.text, part?.body, part?.caption) ?? []);
  const types = read.flatMap((part) => firstText(part?.type, part?.mediaType) ?? []);
  return {
    ...NOTHING_SAID,
    text: firstText(texts.join('\n')),
    mediaType: types.find((type) => type.toLowerCase() !== 'text') ?? types[0],
  };
}

/** No envelope has as many keys; one that has is not read to its end. */
const KEYS_MAX = 1_000;

/** The same object with its keys in lower case. Where two keys become the same, the first one counts. */
function lowerCased(value: JsonObject | undefined): JsonObject {
  const lower = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value ?? {}).slice(0, KEYS_MAX)) {
    const name = key.toLowerCase();
    if (!lower.has(name)) lower.set(name, field);
  }
  return Object.fromEntries(lower);
}
