import type { Address, MessageKind, ReceivedEvent } from '../../vocabulary/message.ts';
import { storableText } from '../../vocabulary/message.ts';
import type { TicketState } from '../../vocabulary/ticket.ts';
import { firstText } from './wire-values.ts';

/** What every event says about itself. */
export interface EventFrame {
  readonly providerMessageId: string | undefined;
  readonly occurredAt: Date | undefined;
  readonly isSelfDating: boolean;
}

/** One thing said, in the same words for every shape. */
export interface Said extends EventFrame {
  readonly addresses: readonly Address[];
  readonly contactName: string | undefined;
  readonly ticketId: string | undefined;
  readonly ticket?: TicketState | undefined;
  readonly kind: MessageKind;
  readonly text: string | undefined;
  readonly quotedText: string | undefined;
  readonly isFromUs: boolean;
}

const NAME_CHARACTERS_MAX = 200;

/** A quotation shows what is meant; nobody needs all of it. */
const QUOTE_CHARACTERS_MAX = 4_096;

/** An event of the type `message` or `echo`; `unknown` when it names nobody. */
export function saidEvent(said: Said): ReceivedEvent {
  const { isFromUs, addresses, ...rest } = said;
  const [best, ...others] = addresses;
  if (best === undefined) return unknownEvent('it names nobody who could be answered', said);
  const event = {
    ...rest,
    addresses: [best, ...others] as const,
    contactName: storableName(said.contactName),
    text: storable(isFileName(said) ? undefined : said.text),
    quotedText: storable(said.quotedText, QUOTE_CHARACTERS_MAX),
  };
  if (!isFromUs) return { ...event, type: 'message' };
  return { ...event, type: 'echo', isAutomatic: isAutomaticText(said.text ?? '') };
}

const FILES: readonly MessageKind[] = ['audio', 'image', 'video', 'document', 'sticker'];
const FILE_NAME =
  /^[^\n]{1,255}\.(?:pdf|docx?|xlsx?|pptx?|odt|ods|txt|csv|xml|zip|rar|og[ag]|opus|mp3|m4a|aac|amr|wav|jpe?g|png|webp|gif|heic|mp4|3gp|mov)$/i;

/** Where a file has no caption most forks put its name. The customer has not said it, so there is nothing to answer in it. */
function isFileName({ kind, text }: Said): boolean {
  return FILES.includes(kind) && FILE_NAME.test(text ?? '');
}

/** Words as the database can keep them. What is only white space and marks was still sent, and stays. */
export function storable(words: string | undefined, charactersMax?: number): string | undefined {
  return words === undefined ? undefined : storableText(words, charactersMax);
}

/** Frames without an id or a time: what could not be read is told apart by its bytes and the time of arrival. */
const NO_FRAME: EventFrame = { providerMessageId: undefined, occurredAt: undefined, isSelfDating: false };

export function unknownEvent(reason: string, frame: EventFrame = NO_FRAME): ReceivedEvent {
  const { providerMessageId, occurredAt, isSelfDating } = frame;
  return { providerMessageId, occurredAt, isSelfDating, type: 'unknown', reason: storableText(reason, 200) };
}

function storableName(name: string | undefined): string | undefined {
  return firstText(storableText(name ?? '', NAME_CHARACTERS_MAX).trim());
}

/**
 * What forks write to customers by themselves.
 *
 * Most of it begins with a left-to-right mark, by which the forks skip it on its way back. Transfers and ratings do not.
 * Source: launcherbr/whaticketsaas, backend/src/services/TicketServices/UpdateTicketService.ts (transfer, rating) and
 * backend/src/services/WbotServices/wbotMessageListener.ts (mark, menu).
 */
const AUTOMATIC_TEXTS: readonly RegExp[] = [
  /^\s*\*?mensagem autom[aá]tica\b/i,
  /^\s*\*assistente virtual:?\*/i,
  /\bseu atendimento foi transferido\. Departamento:/,
  /\bDigite de 1 [aà] \d{1,2} para qualificar nosso atendimento\b/,
  /^\*\[ ?(?:\d{1,2}|#) ?\]\* - \S/m,
];

/** The texts above stand near the beginning; the rest of a long text is not searched. */
const AUTOMATIC_CHARACTERS_MAX = 2_000;

function isAutomaticText(text: string): boolean {
  if (text.startsWith('\u200E')) return true;
  const beginning = text.slice(0, AUTOMATIC_CHARACTERS_MAX);
  return AUTOMATIC_TEXTS.some((pattern) => pattern.test(beginning));
}
