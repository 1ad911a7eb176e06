import { z } from 'zod';
import type { MessageId } from '../vocabulary/ids.ts';
import { foldedText } from '../vocabulary/folded-text.ts';
import type { Author, MessageKind } from '../vocabulary/message.ts';
import { PACKET_SECTIONS, packetWordsFor } from './packet-words.ts';
import type { PacketSection, PacketWords } from './packet-words.ts';

const Sentence = z.object({
  text: z.string(),
  messageIds: z.array(z.uuid()).min(1).describe('The messages that this sentence rests on.'),
});
export type PacketSentence = z.infer<typeof Sentence>;

/** What a person who is called is told. Every sentence names the messages that it rests on, so that nobody has to believe it. */
export const Packet = z.object({
  sections: z.array(z.object({ name: z.enum(PACKET_SECTIONS), sentences: z.array(Sentence) })),
  writtenBy: z.enum(['model', 'rule']),
});
export type Packet = z.infer<typeof Packet>;

export interface PacketMessage {
  readonly id: MessageId;
  readonly author: Author;
  readonly kind: MessageKind;
  readonly text: string | undefined;
}

export type Mood = 'threatening' | 'angry' | 'calm';

/** Everything a packet is made of, as the tables have it. */
export interface PacketFacts {
  readonly locale: string;
  readonly timeZone: string;
  readonly reason: string;
  /** Of the episode, oldest first, bounded. */
  readonly messages: readonly PacketMessage[];
  readonly sources: readonly { readonly documentId: string; readonly title: string; readonly messageIds: string[] }[];
  readonly moodOf: (text: string) => Mood;
  readonly dueAt: Date | undefined;
  readonly now: Date;
}

const WANTS_MAX = 3;
const TRIED_MAX = 3;
const PROMISES_MAX = 3;
const LAST_MESSAGES = 6;
const QUOTE_CHARACTERS_MAX = 220;
/** What is read of one message. Who writes more than this has said what it is about. */
const READ_CHARACTERS_MAX = 4_000;

/** Says what is to come: an action, a time, a guarantee. Folded. */
const PROMISE =
  /\b(vou|vamos|iremos|sera|serao|entrar(a|emos|ei)|retorn\w+|garant\w+|prometo|prometemos|ate (amanha|hoje|segunda|terca|quarta|quinta|sexta|o dia)|em ate \d+|dentro de \d+|em \d+ (minutos|horas?|dias?)|dias uteis|i will|we will|we'll|i'll|guarantee\w*|promise\w*|within \d+|by (tomorrow|monday|tuesday|wednesday|thursday|friday))\b/;

/** Nothing to act on: a greeting, thanks, a wish for a person, an impatient sign. Folded. */
const NO_MATTER =
  /^(oi+|ola|opa|ei|bom dia|boa tarde|boa noite|tudo bem|obrigad[oa]|valeu|ok|sim|nao|alo|atendente|humano|pessoa|human|person|hello|hi|thanks?|thank you|yes|no)?[\s?!.,]*$/;

/** A packet by rule, out of the customer's and the bot's own words. The same facts make the same packet. Pure. */
export function writePacket(known: PacketFacts): Packet {
  const facts = { ...known, messages: known.messages.map(cut) };
  const words = packetWordsFor(facts.locale);
  const anchor = anchorOf(facts.messages);
  const sentences: Readonly<Record<PacketSection, readonly PacketSentence[]>> =
    anchor === undefined
      ? NOTHING
      : {
          wants: wants(facts, words),
          tried: [...tried(facts, words), { text: words.called(facts.reason), messageIds: [anchor] }],
          sources: facts.sources.map(({ documentId, title, messageIds }) => ({
            text: words.source(oneLine(title), documentId),
            messageIds,
          })),
          identity: [{ text: words.notVerified, messageIds: [anchor] }],
          promised: promised(facts, words, anchor),
          mood: [mood(facts, words, anchor)],
          'time-left': [{ text: timeLeft(facts), messageIds: [anchor] }],
          'last-messages': facts.messages.slice(-LAST_MESSAGES).map((message) => ({
            text: `${words.said[message.author]}: ${contentOf(message, words)}`,
            messageIds: [message.id],
          })),
        };
  return {
    sections: PACKET_SECTIONS.map((name) => ({ name, sentences: [...sentences[name]] })),
    writtenBy: 'rule',
  };
}

/** Whether every sentence rests on messages, and on none but these. */
export function isTraceable(packet: Packet, known: ReadonlySet<string>): boolean {
  return packet.sections.every(({ sentences }) =>
    sentences.every(({ messageIds }) => messageIds.length > 0 && messageIds.every((id) => known.has(id))),
  );
}

/** The packet with what is left of the time now: it is read long after it was written. */
export function withTimeLeft(
  packet: Packet,
  clock: Pick<PacketFacts, 'dueAt' | 'now' | 'locale' | 'timeZone'>,
): Packet {
  const sections = packet.sections.map((section) =>
    section.name === 'time-left'
      ? { ...section, sentences: section.sentences.map((sentence) => ({ ...sentence, text: timeLeft(clock) })) }
      : section,
  );
  return { ...packet, sections };
}

const TEXT_CHARACTERS_MAX = 1_500;
const SENTENCE_CHARACTERS_MAX = 180;

/** A packet as plain text for a note in a ticket: at most 1,500 characters, whole sentences, what is least needed left out. */
export function packetText(packet: Packet, locale: string): string {
  const { headings } = packetWordsFor(locale);
  const filled = packet.sections.filter(({ sentences }) => sentences.length > 0);
  const kept = filled.map(({ sentences }) =>
    sentences.map(({ text }) => shortened(oneLine(text), SENTENCE_CHARACTERS_MAX)),
  );
  const written = (): string =>
    filled
      .map(({ name }, index) => [headings[name], ...(kept[index] ?? []).map((text) => `- ${text}`)].join('\n'))
      .join('\n\n');
  while (written().length > TEXT_CHARACTERS_MAX) {
    const longest = kept.toSorted((left, right) => right.length - left.length)[0];
    // Of the last messages the oldest goes first; of the other sections the oldest is the least pressing too.
    if (longest === undefined || longest.length <= 1) break;
    longest.shift();
  }
  return shortened(written(), TEXT_CHARACTERS_MAX);
}

const NOTHING: Readonly<Record<PacketSection, readonly PacketSentence[]>> = {
  wants: [],
  tried: [],
  sources: [],
  identity: [],
  promised: [],
  mood: [],
  'time-left': [],
  'last-messages': [],
};

function cut(message: PacketMessage): PacketMessage {
  return { ...message, text: message.text?.slice(0, READ_CHARACTERS_MAX).toWellFormed() };
}

/** What a sentence about the whole rests on: the customer's last words, or else the last words there are. */
function anchorOf(messages: readonly PacketMessage[]): MessageId | undefined {
  return (messages.findLast(({ author }) => author === 'customer') ?? messages.at(-1))?.id;
}

function wants({ messages }: PacketFacts, words: PacketWords): readonly PacketSentence[] {
  const own = messages.filter(({ author }) => author === 'customer');
  const matters = own.filter(({ text }) => text === undefined || !NO_MATTER.test(foldedText(text)));
  return (matters.length === 0 ? own : matters).slice(-WANTS_MAX).map((message) => ({
    text: message.text === undefined ? words.sent(message.kind) : words.wrote(quoted(message.text)),
    messageIds: [message.id],
  }));
}

function tried({ messages }: PacketFacts, words: PacketWords): readonly PacketSentence[] {
  const answers = messages.filter(({ author, text }) => author === 'bot' && text !== undefined);
  return answers
    .slice(-TRIED_MAX)
    .map(({ id, text = '' }) => ({ text: words.answered(quoted(text)), messageIds: [id] }));
}

function promised({ messages }: PacketFacts, words: PacketWords, anchor: MessageId): readonly PacketSentence[] {
  const own = messages.filter(({ author }) => author === 'bot');
  const promises = own.flatMap(({ id, text = '' }) =>
    text
      .split(/(?<=[.!?])\s+|\n+/)
      .filter((sentence) => PROMISE.test(foldedText(sentence)))
      .map((sentence) => ({ text: words.promised(quoted(sentence)), messageIds: [id] })),
  );
  if (promises.length > 0) return promises.slice(-PROMISES_MAX);
  return [{ text: words.nothingPromised, messageIds: own.length === 0 ? [anchor] : own.map(({ id }) => id) }];
}

function mood({ messages, moodOf }: PacketFacts, words: PacketWords, anchor: MessageId): PacketSentence {
  const heard = messages.flatMap(({ id, author, text }) =>
    author === 'customer' && text !== undefined ? [{ id, mood: moodOf(text) }] : [],
  );
  const worst = (['threatening', 'angry'] as const).find((it) => heard.some((one) => one.mood === it)) ?? 'calm';
  const ids = worst === 'calm' ? [anchor] : heard.flatMap((one) => (one.mood === worst ? [one.id] : []));
  return { text: words.moods[worst], messageIds: ids };
}

function timeLeft({
  dueAt,
  now,
  locale,
  timeZone,
}: Pick<PacketFacts, 'dueAt' | 'now' | 'locale' | 'timeZone'>): string {
  const words = packetWordsFor(locale);
  if (dueAt === undefined) return words.noDue;
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeStyle: 'short', timeZone });
  return dueAt <= now ? words.overdue(format.format(dueAt)) : words.due(format.format(dueAt));
}

function contentOf({ text, kind }: PacketMessage, words: PacketWords): string {
  return text === undefined ? words.sent(kind) : quoted(text);
}

function quoted(text: string): string {
  return shortened(oneLine(text), QUOTE_CHARACTERS_MAX);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function shortened(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1).toWellFormed()}…`;
}
