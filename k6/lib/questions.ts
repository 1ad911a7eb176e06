/**
 * What customers write under load. Each message carries a mark, and the stand-in for the model repeats the marks that it was
 * asked about: so every reply says which messages it answers, whose they were and when they were posted.
 */
export interface Mark {
  /** Four letters or digits. Keeps the runs apart that one sink has seen. */
  readonly run: string;
  /** From 0, in the order in which the messages were posted. */
  readonly number: number;
  /** Milliseconds since 1970, by the clock of the sender. */
  readonly postedAtMs: number;
}

const NUMBER_DIGITS = 7;

export function wordOf({ run, number, postedAtMs }: Mark): string {
  return `q-${run}-${String(number).padStart(NUMBER_DIGITS, '0')}-${Math.round(postedAtMs).toString(36)}`;
}

export function marksIn(text: string): readonly Mark[] {
  const marks: Mark[] = [];
  const pattern = /q-([a-z0-9]{4})-(\d{7})-([a-z0-9]+)/g;
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    const [, run = '', number = '', postedAt = ''] = found;
    marks.push({ run, number: Number(number), postedAtMs: parseInt(postedAt, 36) });
  }
  return marks;
}

/** Of an area code that does not exist. Everybody writes in turn. */
export function phoneOf(number: number, customers: number): string {
  return `55049${String(number % customers).padStart(8, '0')}`;
}

const QUESTIONS = [
  'a que horas vocês abrem?',
  'vocês entregam no meu bairro?',
  'quanto custa o bolo de cenoura?',
  'posso pagar com pix?',
  'tem opção sem glúten?',
] as const;

export function textOf(mark: Mark): string {
  return `${wordOf(mark)} ${QUESTIONS[mark.number % QUESTIONS.length] ?? QUESTIONS[0]}`;
}

/** What the stand-in for the model says to a text: about these messages, in this order. */
export function replyTo(text: string): string {
  return `Sobre ${marksIn(text).map(wordOf).join(', ')}: abrimos às 7h e fechamos às 20h.`;
}

/** The bare Baileys message, as the fork `launcherbr/whaticketsaas` posts it. */
export function webhookBody(mark: Mark, phone: string): string {
  return JSON.stringify({
    key: { remoteJid: `${phone}@s.whatsapp.net`, fromMe: false, id: `3EB0${wordOf(mark).toUpperCase()}` },
    messageTimestamp: Math.floor(mark.postedAtMs / 1_000),
    pushName: 'Ana',
    broadcast: false,
    message: { conversation: textOf(mark) },
  });
}
