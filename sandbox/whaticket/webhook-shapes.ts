import type { MessageKind } from '../../src/vocabulary/message.ts';
import type { WebhookShape } from './webhook-signing.ts';

/** The other end of a chat, as WhatsApp knows them. */
export interface Person {
  readonly phone?: string | undefined;
  readonly lid?: string | undefined;
  readonly name?: string | undefined;
}

/** What the envelope of a hosted fork shows of the ticket with each message. */
export interface TicketShown {
  readonly status: string;
  readonly queueId: number | null;
  readonly userId: number | null;
}

/** What a person has done to a ticket. */
export interface TicketEvent {
  readonly action: 'created' | 'updated' | 'closed';
  readonly at: Date;
  readonly person: Person;
  readonly ticketId: number;
  readonly ticket: TicketShown;
}

/**
 * The body that a fork posts for it; undefined for the shapes that tell nothing of tickets.
 *
 * Source for W3: what clients of these services look for in `acao`; for W4: flaviokalleu/whaticket,
 * frontend/src/components/WebhookModal/index.js.
 */
export function ticketBody(shape: WebhookShape, event: TicketEvent): unknown {
  const { action, at, person, ticketId, ticket } = event;
  const number = person.phone ?? person.lid ?? '';
  const row = {
    id: ticketId,
    ...ticket,
    updatedAt: at.toISOString(),
    contact: { number, name: person.name ?? number },
  };
  if (shape === 'W3') return { acao: `ticket:${action}`, chamadoId: ticketId, ticketData: row, name: person.name };
  if (shape === 'W4') return { event: `ticket.${action}`, payload: row, timestamp: at.toISOString() };
  return undefined;
}

/** One thing that happened in a chat, before any fork has put it into its shape. */
export interface ChatEvent {
  readonly type: 'said' | 'reaction' | 'edit' | 'deletion';
  readonly id: string;
  readonly at: Date;
  readonly person: Person;
  readonly ticketId: number;
  readonly ticket?: TicketShown;
  readonly isFromUs: boolean;
  readonly groupId?: string;
  readonly kind: MessageKind;
  readonly text?: string | undefined;
  readonly quotedText?: string | undefined;
  /** The message that is edited, deleted or reacted to. */
  readonly targetId?: string;
}

/**
 * The body that a fork posts for it.
 *
 * @throws {Error} for an edit or a deletion in W3, which that shape cannot express.
 */
export function webhookBody(shape: WebhookShape, event: ChatEvent): unknown {
  switch (shape) {
    case 'W1':
      return baileysMessage(event);
    case 'W2':
      return { message: baileysMessage(event) };
    case 'W3':
      return hostedEnvelope(event);
    case 'W4':
      return signedEnvelope(event);
  }
}

/** Source: WhiskeySockets/Baileys 7, as launcherbr/whaticketsaas posts it from wbotMessageListener.ts. */
function baileysMessage(event: ChatEvent): unknown {
  const { person } = event;
  const phoneJid = person.phone === undefined ? undefined : `${person.phone}@s.whatsapp.net`;
  const lidJid = person.lid === undefined ? undefined : `${person.lid}@lid`;
  const chat =
    event.groupId === undefined
      ? {
          remoteJid: lidJid ?? phoneJid,
          ...(lidJid !== undefined && phoneJid !== undefined && { remoteJidAlt: phoneJid }),
        }
      : { remoteJid: `${event.groupId}@g.us`, participant: lidJid ?? phoneJid };
  return {
    key: { ...chat, fromMe: event.isFromUs, id: event.id },
    messageTimestamp: Math.floor(event.at.getTime() / 1_000),
    pushName: event.isFromUs ? 'Atendimento' : person.name,
    broadcast: false,
    message: baileysContent(event, phoneJid ?? lidJid),
  };
}

function baileysContent(event: ChatEvent, chatJid: string | undefined): unknown {
  const target = { remoteJid: chatJid, fromMe: event.type === 'reaction', id: event.targetId };
  switch (event.type) {
    case 'reaction':
      return {
        reactionMessage: { key: target, text: event.text ?? '', senderTimestampMs: String(event.at.getTime()) },
      };
    case 'edit': {
      const protocolMessage = {
        key: { ...target, fromMe: true },
        type: 'MESSAGE_EDIT',
        editedMessage: { conversation: event.text },
        timestampMs: String(event.at.getTime()),
      };
      return { editedMessage: { message: { protocolMessage } } };
    }
    case 'deletion':
      return { protocolMessage: { key: { ...target, fromMe: true }, type: 'REVOKE' } };
    case 'said':
      return saidContent(event);
  }
}

const ENCRYPTED_MEDIA = {
  url: 'https://mmg.whatsapp.net/v/t62.7117-24/stand-in.enc?ccb=11-4',
  mediaKey: 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=',
  fileLength: '8123',
};

function saidContent({ kind, text, quotedText }: ChatEvent): unknown {
  const contextInfo =
    quotedText === undefined
      ? {}
      : { contextInfo: { stanzaId: '3EB0QUOTED', quotedMessage: { conversation: quotedText } } };
  switch (kind) {
    case 'text':
      return quotedText === undefined
        ? { conversation: text ?? '' }
        : { extendedTextMessage: { text, ...contextInfo } };
    case 'audio':
      return {
        audioMessage: { ...ENCRYPTED_MEDIA, mimetype: 'audio/ogg; codecs=opus', seconds: 4, ptt: true, ...contextInfo },
      };
    case 'image':
      return { imageMessage: { ...ENCRYPTED_MEDIA, mimetype: 'image/jpeg', caption: text, ...contextInfo } };
    case 'video':
      return { videoMessage: { ...ENCRYPTED_MEDIA, mimetype: 'video/mp4', caption: text, ...contextInfo } };
    case 'document': {
      const fileName = 'comprovante.pdf';
      const documentMessage = {
        ...ENCRYPTED_MEDIA,
        mimetype: 'application/pdf',
        fileName,
        caption: text,
        ...contextInfo,
      };
      return text === undefined
        ? { documentMessage }
        : { documentWithCaptionMessage: { message: { documentMessage } } };
    }
    case 'sticker':
      return { stickerMessage: { ...ENCRYPTED_MEDIA, mimetype: 'image/webp', isAnimated: false } };
    case 'location':
      return { locationMessage: { degreesLatitude: -23.55, degreesLongitude: -46.63, name: text } };
    case 'contact':
      return { contactMessage: { displayName: text, vcard: 'BEGIN:VCARD\nVERSION:3.0\nEND:VCARD' } };
    case 'poll':
      return { pollCreationMessageV3: { name: text, options: [{ optionName: 'Sim' }, { optionName: 'Não' }] } };
    case 'other':
      return { productMessage: { body: text } };
  }
}

/** How the forks call the forms in their own records. */
const MEDIA_TYPES: Readonly<Record<MessageKind, string>> = {
  text: 'conversation',
  audio: 'audio',
  image: 'image',
  video: 'video',
  document: 'application',
  sticker: 'sticker',
  location: 'locationMessage',
  contact: 'contactMessage',
  poll: 'pollCreationMessageV3',
  other: 'productMessage',
};

function mediaType(event: ChatEvent): string {
  return event.type === 'reaction' ? 'reactionMessage' : MEDIA_TYPES[event.kind];
}

/** Source: help.whaticket-saas.com/webhook. Media as `mensagem` object, as newer services of the family send it. */
function hostedEnvelope(event: ChatEvent): unknown {
  if (event.type === 'edit' || event.type === 'deletion') throw new Error('W3 has no edits and no deletions');
  const { person, ticketId } = event;
  const isText = event.type === 'said' && event.kind === 'text';
  const number = event.groupId ?? person.phone ?? person.lid ?? '';
  const contact = {
    id: ticketId,
    name: person.name ?? number,
    number,
    ...(person.lid && { lid: `${person.lid}@lid` }),
  };
  const isGroup = event.groupId !== undefined;
  return {
    filaescolhida: 'Suporte',
    filaescolhidaid: 3,
    mensagem: isText
      ? (event.text ?? '')
      : { mediaType: mediaType(event), mediaUrl: '', fromMe: event.isFromUs, body: event.text ?? '' },
    sender: number,
    chamadoId: ticketId,
    acao: 'start',
    name: contact.name,
    companyId: 7,
    defaultWhatsapp_x: 12,
    fromMe: event.isFromUs,
    queueId: 3,
    isGroup,
    ticketData: {
      id: ticketId,
      status: event.ticket?.status ?? 'pending',
      lastMessage: event.text ?? '',
      isGroup,
      userId: event.ticket?.userId ?? null,
      queueId: event.ticket?.queueId ?? 3,
      channel: 'whatsapp',
      updatedAt: event.at.toISOString(),
      contact,
      user: null,
      tags: [],
    },
  };
}

/** Source: flaviokalleu/whaticket, TriggerWebhooksService.ts, for the envelope; its payload is fixed nowhere. */
function signedEnvelope(event: ChatEvent): unknown {
  const { person } = event;
  const payload = {
    id: event.targetId !== undefined && event.type !== 'reaction' ? event.targetId : event.id,
    ticketId: event.ticketId,
    body: event.text ?? '',
    fromMe: event.isFromUs,
    mediaType: mediaType(event),
    ...(event.quotedText !== undefined && { quotedMsg: { body: event.quotedText } }),
    ...(event.type === 'edit' && { isEdited: true }),
    ...(event.type === 'deletion' && { isDeleted: true }),
    contact: {
      number: event.groupId ?? person.phone,
      name: person.name,
      isGroup: event.groupId !== undefined,
      ...(person.lid !== undefined && { lid: `${person.lid}@lid` }),
    },
    timestamp: event.at.getTime(),
  };
  return { event: 'message.received', payload, timestamp: event.at.toISOString() };
}
