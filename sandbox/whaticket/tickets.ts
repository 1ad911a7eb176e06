import { LRUCache } from 'lru-cache';
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
}

/** The thread with one contact on one connection. As in the SaaS forks, one row for ever. */
export interface Ticket {
  readonly id: number;
  readonly connectionName: string;
  /** What is known of the contact by now. */
  person: Person;
  /** The newest page. */
  readonly messages: TicketMessage[];
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

  /** The contact's ticket, opened if there is none. What is learnt about the contact is kept. */
  open(connectionName: string, person: Person): Ticket {
    const keys = keysOf(connectionName, person);
    const known = keys.map((key) => this.#byContact.get(key)).find((ticket) => ticket !== undefined);
    const ticket = known ?? { id: (this.#lastId += 1), connectionName, person, messages: [] };
    ticket.person = {
      phone: ticket.person.phone ?? person.phone,
      lid: ticket.person.lid ?? person.lid,
      name: person.name ?? ticket.person.name,
    };
    for (const key of keys) this.#byContact.set(key, ticket);
    this.#byId.set(ticket.id, ticket);
    return ticket;
  }

  record(ticket: Ticket, message: TicketMessage): void {
    ticket.messages.push(message);
    if (ticket.messages.length > MESSAGES_MAX) ticket.messages.shift();
  }
}

function keysOf(connectionName: string, { phone, lid }: Person): readonly string[] {
  const keys: string[] = [];
  if (phone !== undefined) keys.push(`${connectionName} ${canonicalAddress({ kind: 'phone', value: phone })}`);
  if (lid !== undefined) keys.push(`${connectionName} ${lid}@lid`);
  return keys;
}
