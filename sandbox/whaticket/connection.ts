import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/platform/time.ts';
import type { GatewayProfile } from '../../src/vocabulary/gateway.ts';
import type { MessageKind } from '../../src/vocabulary/message.ts';
import type { Ticket, Tickets, TicketWord } from './tickets.ts';
import { ticketBody, webhookBody } from './webhook-shapes.ts';
import type { ChatEvent, Person, TicketEvent } from './webhook-shapes.ts';
import { webhookHeaders, webhookUrl } from './webhook-signing.ts';
import type { Webhook } from './webhook-signing.ts';

export interface ConnectionOptions {
  readonly name: string;
  readonly profile: GatewayProfile;
  /** What `POST /api/messages/send` is called with. */
  readonly token: string;
  readonly webhook: Webhook;
  /** Whether what is sent through the API comes back as a webhook. */
  readonly echoes: boolean;
}

/** Who writes: at least a phone or a LID. */
interface Writer {
  readonly phone?: string;
  readonly lid?: string;
  readonly name?: string;
  readonly providerMessageId?: string;
  readonly at?: Date;
}

export interface CustomerWriting extends Writer {
  readonly text?: string;
  readonly kind?: MessageKind;
  readonly quotedText?: string;
}

/** What a customer does to an earlier message. */
export interface CustomerChange extends Writer {
  readonly targetId: string;
  readonly text?: string;
}

/** What the receiver of a webhook answered. */
export interface WebhookAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly providerMessageId: string;
}

/** Posts bytes to an address and gives back what was answered. */
export type PostBytes = (
  url: string,
  body: Buffer | string,
  headers: Readonly<Record<string, string>>,
) => Promise<{ status: number; body: unknown }>;

/** One connection of the gateway to WhatsApp, with the customers on its other end. */
export class Connection {
  readonly name: string;
  readonly profile: GatewayProfile;
  readonly token: string;
  readonly echoes: boolean;
  /** Where webhooks go. May be pointed elsewhere at any time. */
  webhook: Webhook;
  readonly #tickets: Tickets;
  readonly #post: PostBytes;

  constructor(options: ConnectionOptions, needs: { tickets: Tickets; post: PostBytes }) {
    this.name = options.name;
    this.profile = options.profile;
    this.token = options.token;
    this.echoes = options.echoes;
    this.webhook = options.webhook;
    this.#tickets = needs.tickets;
    this.#post = needs.post;
  }

  async customerWrites(writing: CustomerWriting): Promise<WebhookAnswer> {
    const { text, kind = 'text', quotedText } = writing;
    this.#tickets.reopen(this.#ticketOf(writing));
    return await this.#tell({ ...this.#begin(writing), type: 'said', kind, text, quotedText });
  }

  /** @param change `text` is the emoji; none takes the reaction back. */
  async customerReacts(change: CustomerChange): Promise<WebhookAnswer> {
    return await this.#change('reaction', change);
  }

  async customerEdits(change: CustomerChange): Promise<WebhookAnswer> {
    return await this.#change('edit', change);
  }

  async customerDeletes(change: CustomerChange): Promise<WebhookAnswer> {
    return await this.#change('deletion', change);
  }

  async groupMessage(writing: CustomerWriting & { readonly groupId?: string }): Promise<WebhookAnswer> {
    const { text, kind = 'text', groupId = '120363041234567890' } = writing;
    return await this.#tell({ ...this.#begin(writing), type: 'said', kind, text, groupId });
  }

  /** Somebody of the company answers with the phone itself: an echo of what no program has sent. */
  async agentWritesFromPhone(phone: string, text: string): Promise<WebhookAnswer> {
    return await this.#tell({ ...this.#begin({ phone }), type: 'said', kind: 'text', text, isFromUs: true });
  }

  /** Tells of what was sent through the API, as forks do that do not look at `fromMe`. */
  async echo(person: Person, text: string): Promise<WebhookAnswer> {
    const { phone, lid } = person;
    const writer = { ...(phone !== undefined && { phone }), ...(lid !== undefined && { lid }) };
    return await this.#tell({ ...this.#begin(writer), type: 'said', kind: 'text', text, isFromUs: true });
  }

  /** The ticket as the gateway's people see it. */
  ticket(phone: string): Ticket {
    return this.#ticketOf({ phone });
  }

  /** Somebody accepts the ticket in the panel. Forks that tell of tickets tell of this. */
  async agentAccepts(phone: string, userId: number): Promise<WebhookAnswer | undefined> {
    return await this.#changeTicket(phone, 'updated', { status: 'open', userId });
  }

  async agentCloses(phone: string): Promise<WebhookAnswer | undefined> {
    return await this.#changeTicket(phone, 'closed', { status: 'closed' });
  }

  /** Somebody puts it back into a queue. */
  async agentMoves(phone: string, queueId: number): Promise<WebhookAnswer | undefined> {
    return await this.#changeTicket(phone, 'updated', { status: 'pending', userId: null, queueId });
  }

  /** The fork does something that nobody has heard of. */
  async ticketBecomes(phone: string, status: TicketWord): Promise<WebhookAnswer | undefined> {
    return await this.#changeTicket(phone, 'updated', { status });
  }

  /** The row is deleted. What the customer writes next opens another ticket. */
  deleteTicket(phone: string): void {
    this.#tickets.forget(this.#ticketOf({ phone }));
  }

  /** Posts these bytes with this connection's proof. A header that is given wins over ours. */
  async post(
    rawBody: Buffer | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; body: unknown }> {
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const all = { ...webhookHeaders(this.webhook.auth, rawBody), ...given };
    return await this.#post(webhookUrl(this.webhook), rawBody, all);
  }

  async #change(type: 'reaction' | 'edit' | 'deletion', change: CustomerChange): Promise<WebhookAnswer> {
    const { text, targetId } = change;
    return await this.#tell({ ...this.#begin(change), type, kind: 'text', text, targetId });
  }

  #ticketOf({ phone, lid, name }: Writer): Ticket {
    return this.#tickets.open(this.name, { phone, lid, name });
  }

  async #changeTicket(
    phone: string,
    action: TicketEvent['action'],
    to: Parameters<Tickets['change']>[1],
  ): Promise<WebhookAnswer | undefined> {
    const ticket = this.#ticketOf({ phone });
    this.#tickets.change(ticket, to);
    const { id: ticketId, person, status, queueId, userId } = ticket;
    const event = { action, at: systemClock.now(), person, ticketId, ticket: { status, queueId, userId } };
    const body = ticketBody(this.webhook.shape, event);
    return body === undefined ? undefined : { ...(await this.post(JSON.stringify(body))), providerMessageId: '' };
  }

  #begin(writer: Writer): Omit<ChatEvent, 'type' | 'kind'> {
    const { phone, lid, name } = writer;
    if (phone === undefined && lid === undefined) throw new Error('A customer has a phone or a LID');
    const ticket = this.#ticketOf(writer);
    return {
      id: writer.providerMessageId ?? newMessageId(),
      at: writer.at ?? systemClock.now(),
      person: { phone, lid, name: name ?? ticket.person.name },
      ticketId: ticket.id,
      ticket: { status: ticket.status, queueId: ticket.queueId, userId: ticket.userId },
      isFromUs: false,
    };
  }

  async #tell(event: ChatEvent): Promise<WebhookAnswer> {
    const body = JSON.stringify(webhookBody(this.webhook.shape, event));
    const ticket = this.#tickets.find(event.ticketId);
    if (ticket !== undefined && event.type === 'said') this.#keep(ticket, event);
    return { ...(await this.post(body)), providerMessageId: event.id };
  }

  #keep(ticket: Ticket, event: ChatEvent): void {
    this.#tickets.record(ticket, {
      id: event.id,
      body: event.text ?? '',
      fromMe: event.isFromUs,
      ack: event.isFromUs ? 2 : 0,
      mediaType: event.kind,
      createdAt: event.at.toISOString(),
      read: event.isFromUs,
    });
  }
}

/** The ids of one process: random in front, counted behind. Drawing each of them anew costs a load test too much. */
const ID_PREFIX = `3EB0${randomBytes(4).toString('hex').toUpperCase()}`;
let idsMade = 0;

export function newMessageId(): string {
  idsMade += 1;
  return `${ID_PREFIX}${idsMade.toString(16).toUpperCase().padStart(8, '0')}`;
}
