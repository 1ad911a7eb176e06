import { DateTime } from 'luxon';

/** What the bot says beside its answers: who it is, when people are back, that it heard a wish. */
export interface CourtesyPhrases {
  readonly introduction: (company: string) => string;
  /** The same where the words that follow say already how to reach a person. */
  readonly shortIntroduction: (company: string) => string;
  readonly optedOut: string;
  readonly optedIn: string;
  /** Added to the sentence that says that a person is called. */
  readonly peopleBack: (back: string | undefined) => string;
  /** Instead of an answer. */
  readonly away: (back: string) => string;
  /** Beside an answer. */
  readonly awayBesides: (back: string) => string;
  /** When nobody knows when people are back. */
  readonly soon: string;
  readonly csatThanks: string;
  readonly back: (at: Date, now: Date, timeZone: string) => string;
  /** The word that calls a person, as our own sentences show it. */
  readonly wayToPerson: string;
}

const PORTUGUESE: CourtesyPhrases = {
  introduction: (company) => `Sou o assistente virtual de ${company}. Para falar com uma pessoa, escreva *atendente*.`,
  shortIntroduction: (company) => `Aqui é o assistente virtual de ${company}.`,
  optedOut: 'Pronto, não vou mais escrever para você; se mudar de ideia, é só mandar *VOLTAR*.',
  optedIn: 'Que bom ter você de volta! Como posso ajudar?',
  peopleBack: (back) =>
    back === undefined
      ? 'Agora estamos fora do horário de atendimento; respondemos assim que voltarmos.'
      : `Agora estamos fora do horário de atendimento; voltamos ${back}.`,
  away: (back) =>
    `Agora estamos fora do horário de atendimento e voltamos ${back}. Sua mensagem já está com a equipe, que responde por aqui.`,
  awayBesides: (back) => `Agora a equipe está fora do horário de atendimento e volta ${back}.`,
  soon: 'em breve',
  csatThanks: 'Obrigado pela avaliação!',
  back: (at, now, timeZone) => {
    const { day, then } = dayOf({ at, now, timeZone }, 'pt-BR');
    const time = then.minute === 0 ? then.toFormat("H'h'") : then.toFormat("H'h'mm");
    const hour = then.hour === 1 || then.hour === 0 ? `à ${time}` : `às ${time}`;
    if (day === 'today') return `hoje ${hour}`;
    if (day === 'tomorrow') return `amanhã ${hour}`;
    return day === 'this-week' ? `${then.toFormat('cccc')} ${hour}` : `em ${then.toFormat('dd/MM')} ${hour}`;
  },
  wayToPerson: '*atendente*',
};

const ENGLISH: CourtesyPhrases = {
  introduction: (company) => `I'm the virtual assistant of ${company}. To talk to a person, write *human*.`,
  shortIntroduction: (company) => `This is the virtual assistant of ${company}.`,
  optedOut: "Done, I won't write to you any more; if you change your mind, just send *START*.",
  optedIn: 'Good to have you back! How can I help?',
  peopleBack: (back) =>
    back === undefined
      ? "We're closed right now and will answer as soon as we're back."
      : `We're closed right now and will be back ${back}.`,
  away: (back) => `We're closed right now and will be back ${back}. The team has your message and will answer here.`,
  awayBesides: (back) => `The team is away right now and will be back ${back}.`,
  soon: 'soon',
  csatThanks: 'Thank you for your rating!',
  back: (at, now, timeZone) => {
    const { day, then } = dayOf({ at, now, timeZone }, 'en');
    const time = then.minute === 0 ? then.toFormat('h a').toLowerCase() : then.toFormat('h:mm a').toLowerCase();
    if (day === 'today') return `today at ${time}`;
    if (day === 'tomorrow') return `tomorrow at ${time}`;
    return day === 'this-week' ? `on ${then.toFormat('cccc')} at ${time}` : `on ${then.toFormat('MMMM d')} at ${time}`;
  },
  wayToPerson: '*human*',
};

interface Moment {
  readonly at: Date;
  readonly now: Date;
  readonly timeZone: string;
}

/** By the wall's clock of the company: what is tomorrow for the customer is tomorrow for us. */
function dayOf({ at, now, timeZone }: Moment, locale: string) {
  const then = DateTime.fromJSDate(at, { zone: timeZone }).setLocale(locale);
  const today = DateTime.fromJSDate(now, { zone: timeZone }).startOf('day');
  const days = Math.round(then.startOf('day').diff(today, 'days').days);
  const day = days <= 0 ? 'today' : days === 1 ? 'tomorrow' : days < 7 ? 'this-week' : 'later';
  return { day, then } as const;
}

/** The phrases for a tenant's locale; anything that is not English is said in Portuguese. */
export function courtesyPhrasesFor(locale: string): CourtesyPhrases {
  return locale.toLowerCase().startsWith('en') ? ENGLISH : PORTUGUESE;
}
