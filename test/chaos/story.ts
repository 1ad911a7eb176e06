import type { History, HistoryChannel, Question, Received, StoredBubble, StoredMessage } from './history.ts';

/** A bubble, and its copies on the customer's phone: places in the order of everything that the gateway received. */
export interface Told {
  readonly bubble: StoredBubble;
  readonly copies: number[];
}

export const SENT_STATES = ['sent', 'delivered', 'read'];
/** What a bubble may end in without having been said: each is recorded, and a person can see it. */
export const GIVEN_UP_STATES = ['failed', 'dropped'];

/** A history with its parts joined. */
export class Story {
  readonly history: History;
  readonly channelOf: (conversationId: string) => HistoryChannel | undefined;
  readonly questions: ReadonlyMap<string, Question>;
  readonly messages: ReadonlyMap<string, readonly StoredMessage[]>;
  readonly told: readonly Told[];
  readonly toldOfTurn: ReadonlyMap<string, readonly Told[]>;
  /** What reached a phone and is no bubble of that customer's. */
  readonly strange: readonly Received[];

  constructor(history: History) {
    this.history = history;
    const channels = new Map(history.channels.map((channel) => [channel.name, channel]));
    const conversations = new Map(history.conversations.map((it) => [it.id, channels.get(it.channel)]));
    this.channelOf = (id) => conversations.get(id);
    this.questions = new Map(history.questions.map((question) => [question.id, question]));
    this.messages = Map.groupBy(history.messages, (message) => message.questionId);
    this.told = history.bubbles
      .toSorted((left, right) => left.place - right.place)
      .map((bubble) => ({ bubble, copies: [] }));
    this.toldOfTurn = Map.groupBy(this.told, ({ bubble }) => bubble.turnId);
    this.strange = this.#match();
  }

  /**
   * Finds the bubble of each message that was received. The model's replies say what they answer, so their words are
   * unique; of the bot's own phrases the first copy belongs to the first bubble with these words, and so on.
   */
  #match(): readonly Received[] {
    const waiting = Map.groupBy(this.told, ({ bubble }) => `${bubble.conversationId} ${bubble.text}`);
    const conversations = this.#conversationsOfPeople();
    return this.history.received.filter((message, index) => {
      const ids = conversations.get(`${message.channel} ${message.phone}`) ?? new Set();
      const same = [...ids].flatMap((id) => waiting.get(`${id} ${message.text}`) ?? []);
      const told = same.find(({ copies }) => copies.length === 0) ?? same.at(-1);
      told?.copies.push(index);
      return told === undefined;
    });
  }

  #conversationsOfPeople(): ReadonlyMap<string, ReadonlySet<string>> {
    const found = new Map<string, Set<string>>();
    for (const message of this.history.messages) {
      const question = this.questions.get(message.questionId);
      if (question === undefined) continue;
      const key = `${question.channel} ${question.phone}`;
      found.set(key, (found.get(key) ?? new Set()).add(message.conversationId));
    }
    return found;
  }
}

export function nameOf(question: Question, message: StoredMessage | undefined): string {
  const stored = message === undefined ? '' : `, message ${message.id}, conversation ${message.conversationId}`;
  return `${question.id} (${question.channel} ${question.phone}${stored})`;
}

export function nameOfBubble({ id, conversationId, turnId, state, failure }: StoredBubble): string {
  const why = failure === undefined ? '' : ` (${failure})`;
  return `bubble ${id} [${state}${why}, turn ${turnId}, conversation ${conversationId}]`;
}
