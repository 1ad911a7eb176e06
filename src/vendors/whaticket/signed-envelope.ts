import { z } from 'zod';
import type { Address, ReceivedEvent } from '../../vocabulary/message.ts';
import { deliveryState, isBaileysMessage, readBaileysMessage } from './baileys-message.ts';
import { changeOf, ticketAddresses } from './hosted-envelope.ts';
import { isReaction, kindOf } from './media-kind.ts';
import { saidEvent, storable, unknownEvent } from './said.ts';
import type { EventFrame } from './said.ts';
import { firstText, lidName, objectIn, reach, WireAny, WireFlag, WireId, WireText, WireTime } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

const Contact = z.object({
  name: WireText,
  pushname: WireText,
  number: WireAny,
  phoneNumber: WireAny,
  lid: WireAny,
  isGroup: WireFlag,
});

/** A message as the fork keeps it, or what its event says about one. */
const Message = z.object({
  id: WireId,
  messageId: WireId,
  wid: WireId,
  ticketId: WireId,
  body: WireText,
  text: WireText,
  message: WireText,
  caption: WireText,
  mediaType: WireText,
  type: WireText,
  fromMe: WireFlag,
  isGroup: WireFlag,
  isDeleted: WireFlag,
  isEdited: WireFlag,
  from: WireAny,
  to: WireAny,
  number: WireAny,
  phone: WireAny,
  chatId: WireAny,
  remoteJid: WireAny,
  lid: WireAny,
  name: WireText,
  pushName: WireText,
  timestamp: WireTime,
  createdAt: WireTime,
  ack: WireAny,
  status: WireAny,
  state: WireAny,
});
type Message = z.infer<typeof Message>;

/** True for the shape of the fork that signs: a named event with a payload, and no `instance` as Evolution has it. */
export function isSignedEnvelope(body: JsonObject): boolean {
  return typeof body.event === 'string' && objectIn(body.payload) !== undefined && body.instance === undefined;
}

const MESSAGE_EVENT = /^messages?[._-](?:received|created|create|new|sent|upsert|edited|deleted|incoming|outgoing)$/i;
const STATUS_EVENT = /^messages?[._-](?:ack|status|updated?|delivered|read|failed)$/i;

/**
 * Reads the shape of the fork that signs.
 *
 * Its dispatcher has no callers yet, so the payload of an event is nowhere fixed: what stands in it is looked for in all
 * the forms this family uses elsewhere. The time of the envelope is the time of dispatch.
 *
 * Source: flaviokalleu/whaticket, backend/src/services/WebhookService/TriggerWebhooksService.ts.
 */
export function readSignedEnvelope(body: JsonObject): ReceivedEvent {
  const event = firstText(body.event) ?? '';
  const payload = objectIn(body.payload) ?? {};
  const dispatchedAt = WireTime.parse(body.timestamp);
  if (MESSAGE_EVENT.test(event)) return messageEvent(event, payload, dispatchedAt);
  const message = Message.parse(objectIn(payload.message) ?? payload);
  const frame = frameFor(message, dispatchedAt);
  if (STATUS_EVENT.test(event)) {
    const word = event.split(/[._-]/).at(-1);
    const ack = message.ack ?? message.status ?? message.state ?? word;
    return { ...frame, type: 'status', state: deliveryState(ack) };
  }
  if (/^tickets?[._-]/i.test(event)) {
    const row = objectIn(payload.ticket) ?? payload;
    const id = WireId.parse(row.id) ?? WireId.parse(payload.ticketId);
    const { addresses } = peopleIn(Message.parse(payload), { payload, inner: row }, false);
    return { ...frame, providerMessageId: undefined, type: 'ticket', change: changeOf(event, { id, row, addresses }) };
  }
  return unknownEvent(`the event ${event.slice(0, 60)} is not known`, frame);
}

function messageEvent(event: string, payload: JsonObject, dispatchedAt: Date | undefined): ReceivedEvent {
  const inner = objectIn(payload.message);
  const ticketId =
    WireId.parse(payload.ticketId) ?? WireId.parse(objectIn(payload.ticket)?.id) ?? WireId.parse(inner?.ticketId);
  if (isBaileysMessage(payload)) return readBaileysMessage(payload, ticketId);
  if (isBaileysMessage(inner)) return readBaileysMessage(inner, ticketId);

  const message = Message.parse(inner ?? payload);
  const isFromUs = message.fromMe === true || /(?:sent|outgoing)$/i.test(event);
  const people = peopleIn(message, { payload, inner }, isFromUs);
  const record: OpenedRecord = {
    frame: frameFor(message, dispatchedAt),
    message,
    isFromUs,
    ticketId,
    addresses: people.addresses.length > 0 ? people.addresses : ticketAddresses(ticketId),
    contactName: people.contactName,
    text: firstText(message.body, message.text, message.message, message.caption),
    quotedText: firstText(objectIn((inner ?? payload).quotedMsg)?.body),
  };
  if (people.isGroup) return { ...record.frame, type: 'group' };
  if (isReaction(message.mediaType ?? message.type)) return { ...record.frame, type: 'reaction' };
  const change = changeIn(event, message);
  return change === undefined ? recordEvent(record) : changeEvent(record, change);
}

/** A message record of the fork, before it is known what it means. */
interface OpenedRecord {
  readonly frame: EventFrame;
  readonly message: Message;
  readonly isFromUs: boolean;
  readonly ticketId: string | undefined;
  readonly addresses: readonly Address[];
  readonly contactName: string | undefined;
  readonly text: string | undefined;
  readonly quotedText: string | undefined;
}

function recordEvent({ frame, message, isFromUs, contactName, ...rest }: OpenedRecord): ReceivedEvent {
  return saidEvent({
    ...frame,
    addresses: rest.addresses,
    contactName: isFromUs ? contactName : firstText(contactName, message.pushName, message.name),
    ticketId: rest.ticketId,
    kind: kindOf(message.mediaType ?? message.type, rest.text),
    text: rest.text,
    quotedText: rest.quotedText,
    isFromUs,
  });
}

/** What somebody on our side edits or deletes is not the customer's: it changes nothing that waits for an answer. */
function changeEvent({ frame, addresses, isFromUs, text }: OpenedRecord, change: 'edit' | 'deletion'): ReceivedEvent {
  if (isFromUs) return { ...frame, type: 'system' };
  const [best, ...others] = addresses;
  const targetMessageId = frame.providerMessageId;
  if (best === undefined || targetMessageId === undefined) {
    return unknownEvent('an edit or a deletion that names nobody or nothing', frame);
  }
  const changed = { ...frame, addresses: [best, ...others] as const, targetMessageId };
  return change === 'deletion' ? { ...changed, type: change } : { ...changed, type: change, text: storable(text) };
}

function changeIn(event: string, message: Message): 'edit' | 'deletion' | undefined {
  if (message.isDeleted === true || /deleted$/i.test(event)) return 'deletion';
  return message.isEdited === true || /edited$/i.test(event) ? 'edit' : undefined;
}

function frameFor(message: Message, dispatchedAt: Date | undefined): EventFrame {
  const providerMessageId = message.wid ?? message.messageId ?? message.id;
  const occurredAt = message.timestamp ?? message.createdAt ?? dispatchedAt;
  return { providerMessageId, occurredAt, isSelfDating: providerMessageId !== undefined || occurredAt !== undefined };
}

interface Surroundings {
  readonly payload: JsonObject;
  readonly inner: JsonObject | undefined;
}

/** `from` names whoever wrote: of our own messages that is ourselves, and the customer stands in `to`. */
function peopleIn(message: Message, { payload, inner }: Surroundings, isFromUs: boolean) {
  const ticket = objectIn(payload.ticket);
  const contacts = [inner?.contact, payload.contact, ticket?.contact].map((value) =>
    Contact.parse(objectIn(value) ?? {}),
  );
  const outside = Message.parse(payload);
  const reached = reach([
    ...contacts.flatMap((contact) => [contact.number, contact.phoneNumber]),
    ...[message, outside].flatMap((it) => [it.number, it.phone, isFromUs ? it.to : it.from, it.chatId, it.remoteJid]),
    ...contacts.map((contact) => lidName(contact.lid)),
    lidName(message.lid),
  ]);
  const groupFlags = [message, outside, ...contacts].some((it) => it.isGroup === true);
  return {
    addresses: reached.addresses,
    isGroup: reached.isGroup || groupFlags || WireFlag.parse(ticket?.isGroup) === true,
    contactName: firstText(...contacts.flatMap((contact) => [contact.name, contact.pushname])),
  };
}
