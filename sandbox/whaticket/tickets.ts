import { LRUCache } from 'lru-cache';
import { systemClock } from '../../src/platform/time.ts';
import { canonicalAddress } from '../../src/vocabulary/message.ts';
import type { Person } from './webhook-shapes.ts';

/** What `GET /messages/:ticketId` shows of a message. */
export interface TicketMessage {
  readonly id: string;
  readonly body: string;
  readonly fromMe: boolean;
  readonly ack: number;
  readonly mediaType: string;
  readonly createdAt: string;
  /** False only for what a customer wrote and nobody has looked at. */
  read: boolean;
}

/** Every ticket is in a queue, as where a company has any: a list that does not ask for the queue by its id is empty. */
export const QUEUE = { id: 3, name: 'Suporte' };

/** The company's queues: the bot's own, where every ticket begins, and those where people work. */
export const QUEUES = [QUEUE, { id: 5, name: 'Atendimento' }, { id: 6, name: 'Financeiro' }];

/** The company's people; the bot's own user is the first. */
export const USERS = [
  { id: 1, name: 'Bot', email: 'bot@whaticket.test' },
  { id: 12, name: 'Bruno', email: 'bruno@whaticket.test' },
  { id: 13, name: 'Clara', email: 'clara@whaticket.test' },
];

/** A word that a fork may write, ours or not. */
export type TicketWord = 'pending' | 'open' | 'closed' | (string & {});

/** What only the company's people see. */
export interface Note {
  readonly id: number;
  readonly note: string;
  readonly ticketId: number;
}

/** The thread with one contact on one connection. As in the SaaS forks, one row for ever. */
export interface Ticket {
  readonly id: number;
  readonly connectionName: string;
  readonly contactId: number;
  status: TicketWord;
  queueId: number | null;
  userId: number | null;
  readonly notes: Note[];
  /** Of another company of the same installation: nobody here may see it. */
  isForeign: boolean;
  /** What is known of the contact by now. */
  person: Person;
  /** The newest page. */
  readonly messages: TicketMessage[];
  updatedAt: string;
}

/** More contacts than a load test has. The ones heard from longest ago get another ticket. */
const TICKETS_MAX = 100_000;

/** The forks show pages of 20. */
const MESSAGES_MAX = 20;

export class Tickets {
  readonly #byContact = new LRUCache<string, Ticket>({ max: TICKETS_MAX });
  readonly #byId = new LRUCache<number, Ticket>({ max: TICKETS_MAX });
  #lastId = 4_710;

  find(id: number): Ticket | undefined {
    return this.#byId.get(id);
  }

  findOf(connectionName: string, person: Person): Ticket | undefined {
    const keys = keysOf(connectionName, person);
    return keys.map((key) => this.#byContact.get(key)).find((ticket) => ticket !== undefined);
  }

  /** Those that a search for a part of the contact's number finds, the one that changed last first. */
  search(part: string): readonly Ticket[] {
    const found = [...this.#byId.values()].filter(({ person }) => person.phone?.includes(part) === true);
    return found.toSorted((left, right) => right.updatedAt.localeCompare(left.updatedAt));
  }

  /** The contact's ticket, opened if there is none. What is learnt about the contact is kept. */
  open(connectionName: string, person: Person): Ticket {
    const keys = keysOf(connectionName, person);
    const ticket = this.findOf(connectionName, person) ?? {
      id: (this.#lastId += 1),
      connectionName,
      contactId: this.#lastId + 1_000,
      status: 'pending',
      queueId: QUEUE.id,
      userId: null,
      notes: [],
      isForeign: false,
      person,
      messages: [],
      updatedAt: systemClock.now().toISOString(),
    };
    ticket.person = {
      phone: ticket.person.phone ?? person.phone,
      lid: ticket.person.lid ?? person.lid,
      name: person.name ?? ticket.person.name,
    };
    for (const key of keys) this.#byContact.set(key, ticket);
    this.#byId.set(ticket.id, ticket);
    return ticket;
  }

  /** A closed ticket that a customer writes into begins anew, with the bot. */
  reopen(ticket: Ticket): void {
    if (ticket.status === 'closed') this.change(ticket, { status: 'pending', queueId: QUEUE.id, userId: null });
  }

  change(ticket: Ticket, to: Partial<Pick<Ticket, 'status' | 'queueId' | 'userId'>>): void {
    Object.assign(ticket, to);
    ticket.updatedAt = systemClock.now().toISOString();
  }

  /** As if the row had been deleted: the contact's next message opens another one. */
  forget(ticket: Ticket): void {
    this.#byId.delete(ticket.id);
    for (const key of keysOf(ticket.connectionName, ticket.person)) this.#byContact.delete(key);
  }

  record(ticket: Ticket, message: TicketMessage): void {
    ticket.messages.push(message);
    ticket.updatedAt = systemClock.now().toISOString();
    if (ticket.messages.length > MESSAGES_MAX) ticket.messages.shift();
  }

  /** The customer sees blue ticks, and the agents' badge is gone. */
  markAsRead(ticket: Ticket): void {
    for (const message of ticket.messages) message.read = true;
  }
}

function keysOf(connectionName: string, { phone, lid }: Person): readonly string[] {
  const keys: string[] = [];
  if (phone !== undefined) keys.push(`${connectionName} ${canonicalAddress({ kind: 'phone', value: phone })}`);
  if (lid !== undefined) keys.push(`${connectionName} ${lid}@lid`);
  return keys;
}
