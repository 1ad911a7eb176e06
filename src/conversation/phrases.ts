import type { HandoffReason } from '../vocabulary/events.ts';

/** What the bot says in its own words, when no model writes them. */
export interface Phrases {
  readonly unsure: (topics: readonly string[]) => string;
  readonly quoting: (title: string, passage: string) => string;
  readonly cannotRead: string;
  readonly cannotReadEither: string;
  readonly greeting: (company: string, topics: readonly string[]) => string;
  readonly handOver: (reason: HandoffReason) => string;
}

const bullets = (topics: readonly string[]): string => topics.map((topic) => `• ${topic}`).join('\n');

const PORTUGUESE: Phrases = {
  unsure: (topics) =>
    topics.length === 0
      ? 'Não tenho certeza da resposta e não quero te informar errado. Pode me contar com outras palavras? Se preferir falar com uma pessoa, escreva *atendente*.'
      : `Não tenho certeza da resposta e não quero te informar errado. É sobre um destes assuntos?\n${bullets(topics)}\n\nSe preferir falar com uma pessoa, escreva *atendente*.`,
  quoting: (title, passage) =>
    `Encontrei isto em “${title}”:\n\n${passage}\n\nSe não era isso, conte com outras palavras ou escreva *atendente* para falar com uma pessoa.`,
  cannotRead:
    'Recebi o que você mandou, mas ainda não consigo ouvir áudios nem abrir imagens ou arquivos. Pode escrever em texto? Se preferir falar com uma pessoa, escreva *atendente*.',
  cannotReadEither:
    'Só uma coisa: ainda não consigo ouvir áudios nem abrir imagens ou arquivos. Se o que você mandou for importante, escreva *atendente* que eu chamo uma pessoa.',
  greeting: (company, topics) =>
    `Olá! Aqui é o assistente virtual de ${company}. Como posso ajudar?${topics.length === 0 ? '' : `\n${bullets(topics)}`}\n\nPara falar com uma pessoa, escreva *atendente*.`,
  handOver: (reason) => {
    switch (reason) {
      case 'customer-asked':
        return 'Claro! Vou chamar uma pessoa da equipe para continuar com você por aqui.';
      case 'threat':
        return 'Sinto muito por isso. Já estou chamando uma pessoa da equipe para cuidar do seu caso por aqui.';
      case 'nothing-found':
        return 'Não encontrei essa informação por aqui. Vou chamar uma pessoa da equipe, que continua com você.';
      case 'unreadable-twice':
        return 'Ainda não consigo ouvir áudios nem abrir imagens ou arquivos. Vou chamar uma pessoa da equipe, que consegue e continua com você por aqui.';
      case 'too-old':
        return 'Desculpe a demora: sua mensagem ficou sem resposta. Estou chamando uma pessoa da equipe para continuar com você por aqui.';
      case 'model-unavailable':
      case 'turn-failed':
      case 'delivery-failed':
      case 'send-unconfirmed':
        return 'Não estou conseguindo responder direito agora. Já chamei uma pessoa da equipe para continuar com você por aqui.';
      case 'outside-hours':
      case 'unsure-twice':
      case 'tenant-rule':
      case 'vip':
      case 'firewall':
      case 'loop':
      case 'contact-limit':
      case 'taken-over':
      case 'answered-elsewhere':
      case 'ticket-assigned':
        return 'Vou chamar uma pessoa da equipe, que consegue ajudar melhor. Ela continua com você por aqui.';
    }
  },
};

const ENGLISH: Phrases = {
  unsure: (topics) =>
    topics.length === 0
      ? "I'm not sure, and I don't want to tell you something wrong. Could you put it in other words? To talk to a person, write *human*."
      : `I'm not sure, and I don't want to tell you something wrong. Is it about one of these?\n${bullets(topics)}\n\nTo talk to a person, write *human*.`,
  quoting: (title, passage) =>
    `I found this in “${title}”:\n\n${passage}\n\nIf that's not it, put it in other words or write *human* to talk to a person.`,
  cannotRead:
    "I got what you sent, but I can't listen to voice notes or open pictures and files yet. Could you write it? To talk to a person, write *human*.",
  cannotReadEither:
    "One more thing: I can't listen to voice notes or open pictures and files yet. If what you sent matters, write *human* and I'll call a person.",
  greeting: (company, topics) =>
    `Hello! This is the virtual assistant of ${company}. How can I help?${topics.length === 0 ? '' : `\n${bullets(topics)}`}\n\nTo talk to a person, write *human*.`,
  handOver: (reason) => {
    switch (reason) {
      case 'customer-asked':
        return "Of course! I'll call someone from the team, who will continue with you here.";
      case 'threat':
        return "I'm sorry about this. I'm calling someone from the team to look after your case here.";
      case 'nothing-found':
        return "I couldn't find that here. I'll call someone from the team, who will continue with you.";
      case 'unreadable-twice':
        return "I can't listen to voice notes or open pictures and files yet. I'll call someone from the team who can, and who will continue with you here.";
      case 'too-old':
        return "Sorry for the delay: your message was left unanswered. I'm calling someone from the team to continue with you here.";
      case 'model-unavailable':
      case 'turn-failed':
      case 'delivery-failed':
      case 'send-unconfirmed':
        return "I can't answer properly right now. I have called someone from the team to continue with you here.";
      case 'outside-hours':
      case 'unsure-twice':
      case 'tenant-rule':
      case 'vip':
      case 'firewall':
      case 'loop':
      case 'contact-limit':
      case 'taken-over':
      case 'answered-elsewhere':
      case 'ticket-assigned':
        return "I'll call someone from the team, who can help better. They will continue with you here.";
    }
  },
};

/** The phrases for a tenant's locale, e.g. `pt-BR`; anything that is not English is answered in Portuguese. */
export function phrasesFor(locale: string): Phrases {
  return locale.toLowerCase().startsWith('en') ? ENGLISH : PORTUGUESE;
}
