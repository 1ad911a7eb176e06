import express from 'express';
import type { Express, NextFunction, Request, Response } from 'express';
import type { LRUCache } from 'lru-cache';
import { pause, systemClock } from '../../src/platform/time.ts';
import { answer, bearerOf, fieldsOf, isLoggedIn, textOf, ticketRow } from './answers.ts';
import type { Connection } from './connection.ts';
import { newMessageId } from './connection.ts';
import type { Faults } from './faults.ts';
import { FORK_RULES, INTERNAL_ERROR, INVALID_CREDENTIALS, NO_TICKET, THROTTLED } from './fork-rules.ts';
import type { Answer, ForkRules } from './fork-rules.ts';
import { renderMustache } from './mustache.ts';
import type { SentMessages } from './sent-messages.ts';
import { ticketRoutes } from './ticket-routes.ts';
import type { Lies } from './ticket-routes.ts';
import type { Ticket, Tickets } from './tickets.ts';
import type { Person } from './webhook-shapes.ts';

/** What the routes work on. */
export interface GatewayState {
  readonly login: { readonly email: string; readonly password: string };
  readonly faults: Faults;
  /** What goes wrong when somebody looks at a ticket. */
  readonly lookFaults: Faults;
  /** What goes wrong with tickets, and with their notes alone. */
  readonly ticketFaults: Faults;
  readonly noteFaults: Faults;
  readonly ticketAsked: () => void;
  /** What the gateway says of a move that is not so. */
  readonly lies: Lies;
  readonly sent: SentMessages;
  readonly tickets: Tickets;
  /** By token. */
  readonly connections: ReadonlyMap<string, Connection>;
  readonly userTokens: LRUCache<string, true>;
  readonly phonesNotOnWhatsApp: ReadonlySet<string>;
  /** Ends what still waits when everything closes. */
  readonly closing: AbortSignal;
  readonly newUserToken: () => string;
  readonly looked: () => void;
  readonly ticketRead: () => void;
  readonly echo: (connection: Connection, person: Person, text: string) => void;
}

/** The forks' limit on JSON is Express's own. */
const JSON_LIMIT = '100kb';

/** The forks' API, as far as a bot uses it. */
export function gatewayRoutes(state: GatewayState): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(express.json({ limit: JSON_LIMIT }));
  app.post('/api/messages/send', (req, res) => sendToNumber(state, req, res));
  app.post('/auth/login', (req, res) => {
    logIn(state, req, res);
  });
  app.post('/messages/:ticketId', (req, res) => sendInTicket(state, req, res));
  app.get('/messages/:ticketId', (req, res) => showMessages(state, req, res));
  app.get('/tickets', (req, res) => {
    showTickets(state, req, res);
  });
  ticketRoutes(app, state);
  app.get('/whatsapp/', (req, res) => {
    showConnections(state, req, res);
  });
  app.post('/api/whatsapp-status', (req, res) => {
    showOwnConnection(state, req, res);
  });
  // eslint-disable-next-line max-params -- Express tells an error handler by its four parameters.
  app.use((error: unknown, _req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) next(error);
    else answer(res, INTERNAL_ERROR);
  });
  return app;
}

async function sendToNumber(state: GatewayState, req: Request, res: Response): Promise<void> {
  const token = bearerOf(req);
  const connection = state.connections.get(token ?? '');
  // A server is one fork: whoever shows no good token is told so in the words of the first connection.
  const fork = FORK_RULES[(connection ?? state.connections.values().next().value)?.profile ?? 'launcherbr'];
  const fault = await meetFault(state, fork, res);
  if (fault === 'dealt-with') return;
  if (connection === undefined) {
    answer(res, token === undefined ? fork.noToken : fork.wrongToken);
    return;
  }

  const { number, body, whatsappId } = fieldsOf(req);
  const refusal = fork.numberError(number) ?? unknownConnection(connection, whatsappId);
  if (refusal !== undefined) {
    answer(res, refusal);
    return;
  }
  const address = textOf(number);
  const person = address.endsWith('@lid') ? { lid: address.slice(0, -'@lid'.length) } : { phone: digitsOf(address) };
  if (person.phone !== undefined && state.phonesNotOnWhatsApp.has(person.phone)) {
    answer(res, fork.notOnWhatsApp);
    return;
  }
  const ticket = state.tickets.open(connection.name, person);
  const text = rendered(textOf(body), ticket, fork.renderings);
  if (text === undefined) {
    answer(res, fork.sendFailed);
    return;
  }
  deliver(state, { connection, ticket, text, isByTicket: false });
  finish(res, fault, fork.accepted);
}

/** Sending in a ticket renders once in every fork and answers with nothing. */
async function sendInTicket(state: GatewayState, req: Request, res: Response): Promise<void> {
  const ticket = state.tickets.find(Number(req.params.ticketId));
  const connection = [...state.connections.values()].find((it) => it.name === ticket?.connectionName);
  const fork = FORK_RULES[connection?.profile ?? 'launcherbr'];
  const fault = await meetFault(state, fork, res);
  if (fault === 'dealt-with' || !isLoggedIn(state, req, res)) return;
  if (ticket === undefined || connection === undefined) {
    answer(res, NO_TICKET);
    return;
  }
  const text = rendered(textOf(fieldsOf(req).body), ticket, 1);
  if (text === undefined) {
    answer(res, { status: 400, body: { error: 'ERR_SENDING_WAPP_MSG' } });
    return;
  }
  deliver(state, { connection, ticket, text, isByTicket: true });
  finish(res, fault, { status: 200 });
}

/** What is left to do about a fault once the message has been accepted. */
type FaultAfterwards = 'none' | 'drop' | 'garbage' | 'dealt-with';

async function meetFault(
  { faults, closing }: Pick<GatewayState, 'faults' | 'closing'>,
  fork: ForkRules,
  res: Response,
): Promise<FaultAfterwards> {
  const fault = faults.take();
  switch (fault.mode) {
    case 'none':
      return 'none';
    case 'slow':
      try {
        await pause(fault.delayMs ?? 5_000, closing);
      } catch {
        return 'dealt-with';
      }
      return 'none';
    case 'drop-after-accepting':
      return 'drop';
    case 'garbage':
      return 'garbage';
    case 'off':
    case 'down':
    case 'drop-before-accepting':
      res.socket?.destroy();
      return 'dealt-with';
    case 'redirect':
      res.redirect(307, '/api/messages/send');
      return 'dealt-with';
    case 'session-down':
      answer(res, fork.sessionDown);
      return 'dealt-with';
    case 'credentials-refused':
      answer(res, fork.wrongToken);
      return 'dealt-with';
    case 'throttled':
      answer(res, THROTTLED);
      return 'dealt-with';
    case 'server-error':
      answer(res, INTERNAL_ERROR);
      return 'dealt-with';
  }
}

const GARBAGE = 'x'.repeat(64 * 1024);

function finish(res: Response, fault: 'none' | 'drop' | 'garbage', accepted: Answer): void {
  if (fault === 'drop') res.socket?.destroy();
  else if (fault === 'garbage') res.status(200).type('text/plain').send(GARBAGE);
  else answer(res, accepted);
}

interface Delivery {
  readonly connection: Connection;
  readonly ticket: Ticket;
  readonly text: string;
  readonly isByTicket: boolean;
}

/** The customer gets the message. */
function deliver(state: GatewayState, { connection, ticket, text, isByTicket }: Delivery): void {
  const at = systemClock.now();
  const { person } = ticket;
  state.sent.add({
    at,
    token: connection.token,
    phone: person.phone ?? person.lid ?? '',
    text,
    ...(isByTicket && { ticketId: ticket.id }),
  });
  const isKept = isByTicket || FORK_RULES[connection.profile].keepsSendsInTicket;
  if (isKept) state.tickets.markAsRead(ticket);
  if (connection.echoes) {
    state.echo(connection, person, text);
    return;
  }
  if (!isKept) return;
  const createdAt = at.toISOString();
  const record = { id: newMessageId(), body: text, fromMe: true, ack: 2, mediaType: 'text', createdAt, read: true };
  state.tickets.record(ticket, record);
}

function rendered(body: string, { id, person }: Ticket, renderings: 0 | 1 | 2): string | undefined {
  const name = person.name ?? person.phone ?? '';
  const view = {
    name,
    firstName: name.split(' ')[0] ?? '',
    gretting: 'Olá',
    ms: 'Olá',
    protocol: String(id),
    hora: '12:00',
  };
  try {
    let text = body;
    for (let pass = 0; pass < renderings; pass += 1) text = renderMustache(text, view);
    return text;
  } catch {
    return undefined;
  }
}

function unknownConnection(connection: Connection, whatsappId: unknown): Answer | undefined {
  if (connection.profile !== 'community' || whatsappId === undefined || whatsappId === 1) return undefined;
  return { status: 400, body: { error: `whatsapp #${textOf(whatsappId)} not found` } };
}

function logIn(state: GatewayState, req: Request, res: Response): void {
  const { email, password } = fieldsOf(req);
  if (email !== state.login.email || password !== state.login.password) {
    answer(res, INVALID_CREDENTIALS);
    return;
  }
  const token = state.newUserToken();
  state.userTokens.set(token, true);
  answer(res, { status: 200, body: { token, user: { id: 1, name: 'Bot', email, profile: 'admin', queues: [] } } });
}

/** The newest page, oldest first. Who looks has read it, whether they meant to or not. */
async function showMessages(state: GatewayState, req: Request, res: Response): Promise<void> {
  state.looked();
  const ticket = state.tickets.find(Number(req.params.ticketId));
  const connection = [...state.connections.values()].find((it) => it.name === ticket?.connectionName);
  const fork = FORK_RULES[connection?.profile ?? 'launcherbr'];
  const fault = await meetFault({ faults: state.lookFaults, closing: state.closing }, fork, res);
  if (fault === 'dealt-with' || !isLoggedIn(state, req, res)) return;
  if (ticket === undefined) {
    answer(res, NO_TICKET);
    return;
  }
  const shown = ticket.messages.map((message) => ({ ...message, ticketId: ticket.id, isDeleted: false }));
  if (fork.marksReadByLooking || req.query.markAsRead === 'true') state.tickets.markAsRead(ticket);
  finish(res, fault, {
    status: 200,
    body: { count: shown.length, messages: shown, ticket: ticketRow(state.connections, ticket), hasMore: false },
  });
}

/** Without the ids of queues it shows only what is in none. */
function showTickets(state: GatewayState, req: Request, res: Response): void {
  if (!isLoggedIn(state, req, res)) return;
  const { queueIds: given, searchParam } = req.query;
  const queueIds: unknown = typeof given === 'string' ? JSON.parse(given) : [];
  const found = state.tickets
    .search(textOf(searchParam))
    .filter(({ queueId }) => queueId === null || (Array.isArray(queueIds) && queueIds.includes(queueId)));
  const tickets = found.map((ticket) => ticketRow(state.connections, ticket));
  answer(res, { status: 200, body: { tickets, count: tickets.length, hasMore: false } });
}

function showConnections(state: GatewayState, req: Request, res: Response): void {
  if (!isLoggedIn(state, req, res)) return;
  const status = sessionOf(state);
  const list = [...state.connections.values()].map(({ name }, index) => ({
    id: index + 1,
    name,
    status,
    isDefault: index === 0,
  }));
  answer(res, { status: 200, body: list });
}

/** Hosted services alone have this, known from their clients. */
function showOwnConnection(state: GatewayState, req: Request, res: Response): void {
  const connection = state.connections.get(bearerOf(req) ?? '');
  if (connection === undefined) answer(res, FORK_RULES.hosted.wrongToken);
  else if (connection.profile === 'hosted') answer(res, { status: 200, body: { status: sessionOf(state) } });
  else answer(res, { status: 404 });
}

function sessionOf({ faults }: GatewayState): string {
  return faults.mode === 'session-down' ? 'DISCONNECTED' : 'CONNECTED';
}

function digitsOf(address: string): string {
  return (address.split('@')[0] ?? '').replace(/\D/g, '');
}
