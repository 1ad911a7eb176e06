/** What a packet tells, in the order in which a person needs it. */
export const PACKET_SECTIONS = [
  'wants',
  'tried',
  'sources',
  'identity',
  'promised',
  'mood',
  'time-left',
  'last-messages',
] as const;
export type PacketSection = (typeof PACKET_SECTIONS)[number];

/** The words of a packet that no customer and no model wrote. */
export interface PacketWords {
  readonly headings: Readonly<Record<PacketSection, string>>;
  readonly wrote: (text: string) => string;
  readonly sent: (kind: string) => string;
  readonly answered: (text: string) => string;
  readonly called: (reason: string) => string;
  readonly source: (title: string, documentId: string) => string;
  readonly notVerified: string;
  readonly promised: (text: string) => string;
  readonly nothingPromised: string;
  readonly moods: Readonly<Record<'threatening' | 'angry' | 'calm', string>>;
  readonly due: (at: string) => string;
  readonly overdue: (at: string) => string;
  readonly noDue: string;
  readonly said: Readonly<Record<'customer' | 'bot' | 'human', string>>;
}

const PORTUGUESE: PacketWords = {
  headings: {
    wants: 'O que o cliente quer',
    tried: 'O que já foi tentado',
    sources: 'Fontes usadas',
    identity: 'Identidade',
    promised: 'O que foi prometido',
    mood: 'Humor',
    'time-left': 'Prazo',
    'last-messages': 'Últimas mensagens',
  },
  wrote: (text) => `Escreveu: “${text}”`,
  sent: (kind) => `Mandou algo que o assistente não lê (${kind}).`,
  answered: (text) => `O assistente disse: “${text}”`,
  called: (reason) => `Uma pessoa foi chamada (${reason}).`,
  source: (title, documentId) => `${title} (documento ${documentId})`,
  notVerified: 'Não verificada: o telefone é o do WhatsApp, e nada mais foi comprovado.',
  promised: (text) => `O assistente disse: “${text}”`,
  nothingPromised: 'O assistente não prometeu nada.',
  moods: {
    threatening: 'Ameaça levar o caso à justiça, a um órgão de defesa ou a público.',
    angry: 'Parece irritado.',
    calm: 'Parece calmo.',
  },
  due: (at) => `Responder até ${at}.`,
  overdue: (at) => `O prazo era ${at} e já passou.`,
  noDue: 'Nenhum prazo corre para este atendimento.',
  said: { customer: 'Cliente', bot: 'Assistente', human: 'Equipe' },
};

const ENGLISH: PacketWords = {
  headings: {
    wants: 'What the customer wants',
    tried: 'What was tried',
    sources: 'Sources used',
    identity: 'Identity',
    promised: 'What was promised',
    mood: 'Mood',
    'time-left': 'Time left',
    'last-messages': 'Last messages',
  },
  wrote: (text) => `Wrote: “${text}”`,
  sent: (kind) => `Sent something that the assistant cannot read (${kind}).`,
  answered: (text) => `The assistant said: “${text}”`,
  called: (reason) => `A person was called (${reason}).`,
  source: (title, documentId) => `${title} (document ${documentId})`,
  notVerified: 'Not verified: the phone is the one of WhatsApp, and nothing else was proven.',
  promised: (text) => `The assistant said: “${text}”`,
  nothingPromised: 'The assistant promised nothing.',
  moods: {
    threatening: 'Threatens with court, an authority or the public.',
    angry: 'Sounds angry.',
    calm: 'Sounds calm.',
  },
  due: (at) => `Answer by ${at}.`,
  overdue: (at) => `Was due at ${at}, which is over.`,
  noDue: 'No clock runs for this handoff.',
  said: { customer: 'Customer', bot: 'Assistant', human: 'Team' },
};

/** As with what customers read: what is not English is Portuguese. */
export function packetWordsFor(locale: string): PacketWords {
  return locale.toLowerCase().startsWith('en') ? ENGLISH : PORTUGUESE;
}
