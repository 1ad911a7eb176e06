import { z } from 'zod';
import type { ReceivedEvent } from '../../vocabulary/message.ts';
import { readContent } from './baileys-content.ts';
import type { Content } from './baileys-content.ts';
import { saidEvent, storable, unknownEvent } from './said.ts';
import type { EventFrame } from './said.ts';
import { lidName, objectIn, reach, WireAny, WireFlag, WireId, WireObject, WireText, WireTime } from './wire-values.ts';
import type { JsonObject, Reached } from './wire-values.ts';

const Key = z.object({
  id: WireId,
  remoteJid: WireText,
  remoteJidAlt: WireText,
  senderPn: WireText,
  sender_pn: WireText,
  senderLid: WireText,
  fromMe: WireFlag,
});
type Key = z.infer<typeof Key>;

const WebMessage = z.object({
  messageTimestamp: WireTime,
  pushName: WireText,
  message: WireObject,
  update: WireObject,
  messageStubType: WireAny,
});

/** Everything of one Baileys message, before it is known what it means. */
interface Opened {
  readonly frame: EventFrame;
  readonly key: Key;
  readonly reached: Reached;
  readonly contactName: string | undefined;
  readonly ticketId: string | undefined;
}

export interface BaileysMessage extends JsonObject {
  readonly key: JsonObject;
}

/** True when it has what only a Baileys message has: a key that names a chat. */
export function isBaileysMessage(value: JsonObject | undefined): value is BaileysMessage {
  return typeof objectIn(value?.key)?.remoteJid === 'string';
}

/**
 * Reads a message, or a message update, as Baileys hands them to the forks.
 *
 * @param ticketId the ticket that the shape around the message names, if it names one.
 */
export function readBaileysMessage(envelope: BaileysMessage, ticketId: string | undefined): ReceivedEvent {
  const key = Key.parse(envelope.key);
  const { messageTimestamp: occurredAt, pushName, message, update, messageStubType } = WebMessage.parse(envelope);
  const isSelfDating = key.id !== undefined || occurredAt !== undefined;
  const frame: EventFrame = { providerMessageId: key.id, occurredAt, isSelfDating };
  const opened: Opened = {
    frame,
    key,
    reached: reach(namesOf(key)),
    // Of our own messages this is our own name.
    contactName: key.fromMe === true ? undefined : pushName,
    ticketId,
  };
  if (opened.reached.isGroup) return { ...frame, type: 'group' };
  if (update !== undefined) return updateEvent(opened, update);
  if (message !== undefined) return contentEvent(opened, readContent(message, key.id));
  if (isRevoked(messageStubType)) return deletionEvent(opened, key.id);
  if (messageStubType !== undefined) return { ...frame, type: 'system' };
  return unknownEvent('a Baileys message without content', frame);
}

/**
 * The names of the chat: the alternative name of Baileys 7, that of 6.7, that of some forks, then the chat's own.
 *
 * `senderPn` names whoever sent it. Of an echo that is ourselves, and must not become a name of the customer.
 */
function namesOf(key: Key): readonly unknown[] {
  const sender = key.fromMe === true ? [] : [key.senderPn, key.sender_pn, lidName(key.senderLid)];
  return [key.remoteJidAlt, ...sender, key.remoteJid];
}

function contentEvent(opened: Opened, content: Content): ReceivedEvent {
  const { frame, key } = opened;
  switch (content.type) {
    case 'said':
      return saidEvent({
        ...frame,
        addresses: opened.reached.addresses,
        contactName: opened.contactName,
        ticketId: opened.ticketId,
        kind: content.kind,
        text: content.text,
        quotedText: content.quotedText,
        isFromUs: key.fromMe === true,
      });
    case 'edit':
      return editEvent(opened, content.targetMessageId, content.text);
    case 'deletion':
      return deletionEvent(opened, content.targetMessageId);
    case 'reaction':
    case 'system':
      return { ...frame, type: content.type };
    case 'unreadable':
      return unknownEvent(`a Baileys message ${content.reason}`, frame);
  }
}

/** What somebody on our side edits or deletes is not the customer's: it changes nothing that waits for an answer. */
function editEvent(opened: Opened, targetMessageId: string, text: string | undefined): ReceivedEvent {
  return changeEvent(opened, targetMessageId, (change) => ({ ...change, type: 'edit', text: storable(text) }));
}

function deletionEvent(opened: Opened, targetMessageId: string | undefined): ReceivedEvent {
  return changeEvent(opened, targetMessageId, (change) => ({ ...change, type: 'deletion' }));
}

type Deletion = Extract<ReceivedEvent, { type: 'deletion' }>;

function changeEvent(
  { frame, key, reached }: Opened,
  target: string | undefined,
  make: (change: Omit<Deletion, 'type'>) => ReceivedEvent,
): ReceivedEvent {
  if (key.fromMe === true) return { ...frame, type: 'system' };
  const [best, ...others] = reached.addresses;
  const targetMessageId = WireId.parse(target);
  if (best === undefined) return unknownEvent('an edit or a deletion that names nobody', frame);
  if (targetMessageId === undefined) return unknownEvent('an edit or a deletion of nothing', frame);
  return make({ ...frame, addresses: [best, ...others], targetMessageId });
}

/** Baileys announces late content, edits, deletions and delivery statuses as updates of a message. */
function updateEvent(opened: Opened, update: JsonObject): ReceivedEvent {
  const { frame, key } = opened;
  if (isRevoked(update.messageStubType)) return deletionEvent(opened, key.id);
  const message = objectIn(update.message);
  if (message !== undefined) return contentEvent(opened, readContent(message, key.id));
  return { ...frame, type: 'status', state: deliveryState(update.status) };
}

function isRevoked(stubType: unknown): boolean {
  return stubType === 1 || stubType === 'REVOKE';
}

type DeliveryState = Extract<ReceivedEvent, { type: 'status' }>['state'];

/** Source: WhiskeySockets/Baileys, WAProto/WAProto.proto, WebMessageInfo.Status. -1 is whatsapp-web.js for "failed". */
const STATE_BY_ACK: ReadonlyMap<string, DeliveryState> = new Map<string, DeliveryState>([
  ['-1', 'failed'],
  ['0', 'failed'],
  ['1', undefined],
  ['2', 'sent'],
  ['3', 'delivered'],
  ['4', 'read'],
  ['5', 'read'],
  ['error', 'failed'],
  ['failed', 'failed'],
  ['server_ack', 'sent'],
  ['sent', 'sent'],
  ['delivery_ack', 'delivered'],
  ['delivered', 'delivered'],
  ['read', 'read'],
  ['played', 'read'],
]);

/** What a number or a name says about the way of a message; undefined for what says nothing yet. */
export function deliveryState(ack: unknown): DeliveryState {
  if (typeof ack !== 'number' && typeof ack !== 'string') return undefined;
  return STATE_BY_ACK.get(String(ack).toLowerCase());
}
