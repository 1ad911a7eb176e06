import type { MessageKind } from '../../vocabulary/message.ts';
import { firstText, objectIn } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

/** What the content of a Baileys message turns out to be. */
export type Content =
  | {
      readonly type: 'said';
      readonly kind: MessageKind;
      readonly text: string | undefined;
      readonly quotedText: string | undefined;
    }
  | { readonly type: 'edit'; readonly targetMessageId: string; readonly text: string | undefined }
  | { readonly type: 'deletion'; readonly targetMessageId: string }
  | { readonly type: 'reaction' | 'system' }
  | { readonly type: 'unreadable'; readonly reason: string };

/** WhatsApp nests two or three envelopes at most; Baileys itself stops at five. */
const WRAPPERS_MAX = 5;

/** Source: WhiskeySockets/Baileys, src/Utils/messages.ts, normalizeMessageContent. */
const WRAPPERS = [
  'ephemeralMessage',
  'viewOnceMessage',
  'viewOnceMessageV2',
  'viewOnceMessageV2Extension',
  'documentWithCaptionMessage',
  'associatedChildMessage',
  'groupMentionedMessage',
  'botInvokeMessage',
  'lottieStickerMessage',
  'deviceSentMessage',
  'editedMessage',
];

/**
 * Reads the content of a Baileys message.
 *
 * @param messageId the id of the message that carries it: what an edit without a target of its own is about.
 */
export function readContent(message: JsonObject, messageId: string | undefined): Content {
  const opened = unwrap(message);
  if (opened === undefined) return { type: 'unreadable', reason: `wrapped more than ${WRAPPERS_MAX} times` };
  const protocol = objectIn(opened.content.protocolMessage);
  if (protocol !== undefined) return readProtocol(protocol);
  if (objectIn(opened.content.reactionMessage) ?? objectIn(opened.content.encReactionMessage)) {
    return { type: 'reaction' };
  }
  const said = readSaid(opened.content);
  if (said === undefined) return { type: 'system' };
  if (opened.isEdit && messageId !== undefined) {
    return { type: 'edit', targetMessageId: messageId, text: said.text };
  }
  return { type: 'said', ...said };
}

function unwrap(message: JsonObject): { content: JsonObject; isEdit: boolean } | undefined {
  let content = message;
  let isEdit = false;
  for (let opened = 0; opened <= WRAPPERS_MAX; opened += 1) {
    const wrapper = WRAPPERS.find((name) => objectIn(objectIn(content[name])?.message) !== undefined);
    const inside = wrapper === undefined ? undefined : objectIn(objectIn(content[wrapper])?.message);
    if (inside === undefined) return { content, isEdit };
    isEdit ||= wrapper === 'editedMessage';
    content = inside;
  }
  return undefined;
}

/** Enums are names when the object was a protobuf instance and numbers when it was built by hand. */
const REVOKE: readonly unknown[] = [0, '0', 'REVOKE'];
const MESSAGE_EDIT: readonly unknown[] = [14, '14', 'MESSAGE_EDIT'];

function readProtocol(protocol: JsonObject): Content {
  const target = firstText(objectIn(protocol.key)?.id);
  if (REVOKE.includes(protocol.type) && target !== undefined) return { type: 'deletion', targetMessageId: target };
  if (MESSAGE_EDIT.includes(protocol.type) && target !== undefined) {
    const edited = unwrap(objectIn(protocol.editedMessage) ?? {});
    return {
      type: 'edit',
      targetMessageId: target,
      text: edited === undefined ? undefined : readSaid(edited.content)?.text,
    };
  }
  return { type: 'system' };
}

interface Form {
  readonly kind: MessageKind;
  /** The words of it, best first; the first text that is not empty counts. */
  readonly words: (part: JsonObject) => readonly unknown[];
}

const TITLED: Form['words'] = (part) => [part.name, part.title, part.text, objectIn(part.body)?.text, part.caption];

/**
 * The forms of content, by their key, and where each keeps its words.
 *
 * Source: WhiskeySockets/Baileys, WAProto/WAProto.proto; what the forks read of it: launcherbr/whaticketsaas,
 * backend/src/services/WbotServices/wbotMessageListener.ts, getBodyMessage.
 */
const FORMS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ['extendedTextMessage', { kind: 'text', words: (part) => [part.text] }],
  ['imageMessage', { kind: 'image', words: (part) => [part.caption] }],
  ['videoMessage', { kind: 'video', words: (part) => [part.caption] }],
  ['ptvMessage', { kind: 'video', words: (part) => [part.caption] }],
  ['audioMessage', { kind: 'audio', words: () => [] }],
  ['documentMessage', { kind: 'document', words: (part) => [part.caption] }],
  ['stickerMessage', { kind: 'sticker', words: () => [] }],
  ['locationMessage', { kind: 'location', words: locationWords }],
  ['liveLocationMessage', { kind: 'location', words: locationWords }],
  ['contactMessage', { kind: 'contact', words: (part) => [part.displayName] }],
  ['contactsArrayMessage', { kind: 'contact', words: contactWords }],
  ['buttonsResponseMessage', { kind: 'text', words: (part) => [part.selectedDisplayText, part.selectedButtonId] }],
  ['templateButtonReplyMessage', { kind: 'text', words: (part) => [part.selectedDisplayText, part.selectedId] }],
  [
    'listResponseMessage',
    {
      kind: 'text',
      words: (part) => [part.title, part.description, objectIn(part.singleSelectReply)?.selectedRowId],
    },
  ],
  ['interactiveResponseMessage', { kind: 'text', words: interactiveWords }],
  ['buttonsMessage', { kind: 'text', words: (part) => [part.contentText, part.text] }],
  ['listMessage', { kind: 'text', words: (part) => [part.description, part.title] }],
  ['interactiveMessage', { kind: 'text', words: (part) => [objectIn(part.body)?.text] }],
  [
    'templateMessage',
    { kind: 'text', words: (part) => [objectIn(part.hydratedTemplate)?.hydratedContentText, part.contentText] },
  ],
  ['pollCreationMessage', { kind: 'poll', words: TITLED }],
  ['pollCreationMessageV2', { kind: 'poll', words: TITLED }],
  ['pollCreationMessageV3', { kind: 'poll', words: TITLED }],
]);

/** What apps tell each other. Album parts arrive as messages of their own. */
const SILENT_KEYS: ReadonlySet<string> = new Set([
  'senderKeyDistributionMessage',
  'fastRatchetKeySenderKeyDistributionMessage',
  'messageContextInfo',
  'pollUpdateMessage',
  'keepInChatMessage',
  'pinInChatMessage',
  'albumMessage',
  'placeholderMessage',
  'encEventResponseMessage',
]);

interface SaidContent {
  readonly kind: MessageKind;
  readonly text: string | undefined;
  readonly quotedText: string | undefined;
}

/** Undefined when nothing in it was meant for a person. */
function readSaid(content: JsonObject): SaidContent | undefined {
  const found = findForm(content);
  return found && { kind: found.kind, text: found.text, quotedText: quotedText(found.part) };
}

interface FoundForm {
  readonly kind: MessageKind;
  readonly text: string | undefined;
  readonly part: JsonObject;
}

function findForm(content: JsonObject): FoundForm | undefined {
  if (typeof content.conversation === 'string') {
    return { kind: 'text', text: firstText(content.conversation), part: {} };
  }
  for (const [key, form] of FORMS) {
    const part = objectIn(content[key]);
    if (part !== undefined) return { kind: form.kind, text: firstText(...form.words(part)), part };
  }
  // A form nobody has seen yet was still sent by a person, who waits for an answer.
  const unfamiliar = Object.keys(content).find((key) => !SILENT_KEYS.has(key) && objectIn(content[key]) !== undefined);
  if (unfamiliar === undefined) return undefined;
  const part = objectIn(content[unfamiliar]) ?? {};
  return { kind: 'other', text: firstText(...TITLED(part)), part };
}

/** What was quoted, but not what that quoted in turn: quotations nest without end. */
function quotedText(part: JsonObject): string | undefined {
  const quoted = objectIn(objectIn(part.contextInfo)?.quotedMessage);
  const opened = quoted && unwrap(quoted);
  return opened && findForm(opened.content)?.text;
}

function locationWords(part: JsonObject): readonly unknown[] {
  const { degreesLatitude: latitude, degreesLongitude: longitude } = part;
  if (typeof latitude !== 'number' || typeof longitude !== 'number') return [part.name, part.address];
  const place = firstText(part.name, part.address, part.caption);
  return [`Localização: ${latitude}, ${longitude}${place === undefined ? '' : ` (${place})`}`];
}

/** As many people as anybody shares at once. */
const CONTACTS_MAX = 50;

function contactWords(part: JsonObject): readonly unknown[] {
  const contacts: readonly unknown[] = Array.isArray(part.contacts) ? part.contacts.slice(0, CONTACTS_MAX) : [];
  const names = contacts.flatMap((contact) => firstText(objectIn(contact)?.displayName) ?? []);
  return [names.join(', '), part.displayName];
}

const PARAMETERS_CHARACTERS_MAX = 20_000;

function interactiveWords(part: JsonObject): readonly unknown[] {
  const parameters = parametersIn(objectIn(part.nativeFlowResponseMessage)?.paramsJson);
  return [
    objectIn(part.body)?.text,
    parameters?.display_text,
    parameters?.title,
    parameters?.description,
    parameters?.id,
  ];
}

function parametersIn(json: unknown): JsonObject | undefined {
  if (typeof json !== 'string' || json.length > PARAMETERS_CHARACTERS_MAX) return undefined;
  try {
    return objectIn(JSON.parse(json));
  } catch {
    // Not JSON after all; the button's text is then simply not known.
    return undefined;
  }
}
