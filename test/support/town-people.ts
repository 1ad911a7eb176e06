import { z } from 'zod';
import type { Connection, WebhookAnswer } from '../../sandbox/whaticket/connection.ts';
import type { SentMessage } from '../../sandbox/whaticket/sent-messages.ts';
import { Conversation, Message } from '../../src/panel/contract/conversations.ts';
import { DeadLetter } from '../../src/panel/contract/dead-letters.ts';
import { page } from '../../src/panel/contract/fields.ts';
import type { MessageKind } from '../../src/vocabulary/message.ts';
import { until } from './until.ts';

export type ApiMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** What the people of a town need of it. */
export interface TownStreets {
  api(method: ApiMethod, path: string, options?: { body?: unknown; key?: string }): Promise<ApiAnswer>;
  /** Everything that has reached anybody's phone. */
  sent(): readonly SentMessage[];
}

export interface TownTenantParts {
  readonly id: string;
  readonly channelId: string;
  /** Of the channel's webhooks. */
  readonly secret: string;
  readonly connection: Connection;
}

const DocumentAnswer = z.object({ id: z.string(), state: z.string() });
const Turn = z.object({ id: z.string(), outcome: z.string(), trace: z.record(z.string(), z.unknown()) });
export type TownTurn = z.infer<typeof Turn>;

/** A client company: a bakery, a clinic. Looks at itself through the API, as its people do. */
export class TownTenant implements TownTenantParts {
  readonly id: string;
  readonly channelId: string;
  readonly secret: string;
  readonly connection: Connection;
  readonly #town: TownStreets;

  constructor(town: TownStreets, parts: TownTenantParts) {
    this.#town = town;
    this.id = parts.id;
    this.channelId = parts.channelId;
    this.secret = parts.secret;
    this.connection = parts.connection;
  }

  customer(name: string, phone: string): Customer {
    return new Customer(this.#town, this, { name, phone });
  }

  /** A call of the API about this tenant. */
  async api(method: ApiMethod, path: string, options?: { body?: unknown; key?: string }): Promise<ApiAnswer> {
    return await this.#town.api(method, `/api/v1/tenants/${this.id}${path}`, options);
  }

  /** Adds an article and waits until it can be found. */
  async learn(article: { title: string; text: string }): Promise<string> {
    const { id } = DocumentAnswer.parse((await this.api('POST', '/knowledge/documents', { body: article })).body);
    await until(async () => {
      const { body } = await this.api('GET', `/knowledge/documents/${id}`);
      return DocumentAnswer.parse(body).state === 'ready';
    });
    return id;
  }

  async conversations(): Promise<readonly Conversation[]> {
    return page(Conversation).parse((await this.api('GET', '/conversations')).body).items;
  }

  async messages(conversationId: string): Promise<readonly Message[]> {
    const { body } = await this.api('GET', `/conversations/${conversationId}/messages?limit=100`);
    return page(Message).parse(body).items;
  }

  /** How the bot decided, newest first. */
  async turns(conversationId: string): Promise<readonly TownTurn[]> {
    return page(Turn).parse((await this.api('GET', `/conversations/${conversationId}/turns`)).body).items;
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    return page(DeadLetter).parse((await this.api('GET', '/dead-letters')).body).items;
  }
}

export interface Writing {
  readonly providerMessageId?: string;
  readonly at?: Date;
  readonly quotedText?: string;
}

/** Somebody with a phone, who writes to one tenant. */
export class Customer {
  readonly name: string;
  readonly phone: string;
  readonly tenant: TownTenant;
  readonly #town: TownStreets;

  constructor(town: TownStreets, tenant: TownTenant, person: { name: string; phone: string }) {
    this.#town = town;
    this.tenant = tenant;
    this.name = person.name;
    this.phone = person.phone;
  }

  /** Writes, and returns what the webhook was answered. */
  async writes(text: string, more: Writing = {}): Promise<WebhookAnswer> {
    return await this.tenant.connection.customerWrites({ phone: this.phone, name: this.name, text, ...more });
  }

  /** Sends something that is not text. */
  async sends(kind: MessageKind, more: Writing & { text?: string } = {}): Promise<WebhookAnswer> {
    return await this.tenant.connection.customerWrites({ phone: this.phone, name: this.name, kind, ...more });
  }

  /** What has reached this customer's phone, in order. */
  received(): readonly string[] {
    return this.#town
      .sent()
      .filter((message) => message.phone === this.phone && message.token === this.tenant.connection.token)
      .map((message) => message.text);
  }

  /** Waits until this many messages have reached the phone. */
  async hears(count: number, timeoutMs = 15_000): Promise<readonly string[]> {
    await until(() => this.received().length >= count, timeoutMs);
    return this.received();
  }

  async findConversation(): Promise<Conversation | undefined> {
    const all = await this.tenant.conversations();
    return all.find((conversation) => conversation.contactName === this.name);
  }

  async conversation(): Promise<Conversation> {
    const found = await this.findConversation();
    if (found === undefined) throw new Error(`${this.name} has no conversation yet`);
    return found;
  }

  async messages(): Promise<readonly Message[]> {
    return await this.tenant.messages((await this.conversation()).id);
  }

  async turns(): Promise<readonly TownTurn[]> {
    return await this.tenant.turns((await this.conversation()).id);
  }

  /** How each of this customer's messages ended, in order; null while it has not. */
  async settled(): Promise<readonly (string | null)[]> {
    const own = (await this.messages()).filter((message) => message.author === 'customer');
    return own.map((message) => message.settled?.kind ?? null);
  }

  /** Waits until every message of this customer has ended somehow. */
  async isSettled(timeoutMs = 15_000): Promise<void> {
    await until(async () => {
      if ((await this.findConversation()) === undefined) return false;
      const settled = await this.settled();
      return settled.length > 0 && settled.every((kind) => kind !== null);
    }, timeoutMs);
  }

  /** Waits until nothing that the bot said to this customer is on its way any more. */
  async isQuiet(timeoutMs = 15_000): Promise<void> {
    await this.isSettled(timeoutMs);
    await until(async () => {
      const said = (await this.messages()).filter((message) => message.author === 'bot');
      return said.every(({ delivery }) => !['pending', 'sending', 'unknown'].includes(delivery ?? ''));
    }, timeoutMs);
  }
}
