import type { Express, NextFunction, Request, Response } from 'express';
import { answer, bearerOf, fieldsOf, isLoggedIn, textOf, ticketRow } from './answers.ts';
import type { UserTokens } from './answers.ts';
import type { Connection } from './connection.ts';
import type { Faults } from './faults.ts';
import { FORK_RULES, INTERNAL_ERROR, NO_TICKET } from './fork-rules.ts';
import { QUEUES, USERS } from './tickets.ts';
import type { Note, Ticket, Tickets } from './tickets.ts';

/** Says one thing of a move and does another, as some forks do. */
export type Lie = 'error-after-doing' | 'yes-without-doing' | 'error-without-doing';

/** The lies that are told about moves, and how often anybody has tried one. */
export class Lies {
  /** How often somebody has asked for a move, whatever became of it. */
  moves = 0;
  #lie: Lie | undefined;
  #timesLeft = 0;

  /** @param times how many moves it is about; every one if not given. */
  tell(lie: Lie, times = Infinity): void {
    this.#lie = lie;
    this.#timesLeft = times;
  }

  stop(): void {
    this.#timesLeft = 0;
  }

  /** What is to be said about this move, which thereby counts. */
  take(): Lie | undefined {
    this.moves += 1;
    if (this.#timesLeft <= 0) return undefined;
    this.#timesLeft -= 1;
    return this.#lie;
  }
}

interface TicketRoutesState extends UserTokens {
  readonly lies: Lies;
  readonly ticketFaults: Faults;
  readonly noteFaults: Faults;
  readonly ticketAsked: () => void;
  readonly ticketRead: () => void;
  readonly tickets: Tickets;
  readonly connections: ReadonlyMap<string, Connection>;
}

const OF_ANOTHER_COMPANY = {
  status: 400,
  body: { error: 'Não é possível consultar registros de outra empresa' },
};

const NOTE_PATHS = ['/ticket-notes', '/api/messages/internal'];

/** Tickets know three faults: a 500, a line that is cut, and no answer at all. */
function meetFault(faults: Faults, res: Response, next: NextFunction): void {
  const { mode } = faults.take();
  if (mode === 'none') next();
  else if (mode === 'server-error') answer(res, INTERNAL_ERROR);
  else if (mode !== 'slow') res.socket?.destroy();
}

/** What the forks' people and programs do with tickets. */
export function ticketRoutes(app: Express, state: TicketRoutesState): void {
  app.use(
    ['/tickets', '/ticket-notes', '/queue', '/users', '/api/tickets', '/api/messages/internal'],
    (_req, res, next) => {
      state.ticketAsked();
      meetFault(state.ticketFaults, res, next);
    },
  );
  app.post(NOTE_PATHS, (_req, res, next) => {
    meetFault(state.noteFaults, res, next);
  });
  app.get('/queue', (req, res) => {
    if (isLoggedIn(state, req, res)) answer(res, { status: 200, body: QUEUES });
  });
  app.get('/users/list', (req, res) => {
    if (isLoggedIn(state, req, res)) answer(res, { status: 200, body: USERS });
  });
  app.get('/users', (req, res) => {
    if (!isLoggedIn(state, req, res)) return;
    answer(res, { status: 200, body: { users: USERS, count: USERS.length, hasMore: false } });
  });
  app.get('/tickets/:ticketId', (req, res) => {
    showTicket(state, req, res);
  });
  app.put('/tickets/:ticketId', (req, res) => {
    moveTicket(state, req, res);
  });
  app.get('/ticket-notes/list', (req, res) => {
    const ticket = notedTicket(state, req, res, req.query.ticketId);
    if (ticket !== undefined) answer(res, { status: 200, body: ticket.notes });
  });
  app.post('/ticket-notes', (req, res) => {
    const { note, ticketId } = fieldsOf(req);
    const ticket = notedTicket(state, req, res, ticketId);
    if (ticket !== undefined) answer(res, { status: 200, body: addNote(ticket, textOf(note)) });
  });
  app.post('/api/tickets/updateAPI', (req, res) => {
    updateByToken(state, req, res);
  });
  app.post('/api/messages/internal', (req, res) => {
    const { ticketId, body } = fieldsOf(req);
    const ticket = ticketByToken(state, req, res, ticketId);
    if (ticket === undefined) return;
    addNote(ticket, textOf(body));
    answer(res, { status: 200, body: { mensagem: 'Mensagem interna salva' } });
  });
}

function showTicket(state: TicketRoutesState, req: Request, res: Response): void {
  if (!isLoggedIn(state, req, res)) return;
  state.ticketRead();
  const ticket = state.tickets.find(Number(req.params.ticketId));
  if (ticket === undefined) answer(res, NO_TICKET);
  else if (ticket.isForeign) answer(res, OF_ANOTHER_COMPANY);
  else answer(res, { status: 200, body: ticketRow(state.connections, ticket) });
}

/**
 * What is left out stays, null clears. Where a row that is named does not exist the database refuses all of it, and nearly
 * every fork says no more of it than that something went wrong.
 *
 * Source: launcherbr/whaticketsaas, backend/src/services/TicketServices/UpdateTicketService.ts.
 */
function moveTicket(state: TicketRoutesState, req: Request, res: Response): void {
  if (!isLoggedIn(state, req, res)) return;
  const ticket = state.tickets.find(Number(req.params.ticketId));
  move(state, res, { ticket, fields: fieldsOf(req), yes: () => ticket && ticketRow(state.connections, ticket) });
}

interface Move {
  readonly ticket: Ticket | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  /** What is answered when it went well. */
  readonly yes: () => unknown;
}

function move(state: TicketRoutesState, res: Response, { ticket, fields, yes }: Move): void {
  const lie = state.lies.take();
  if (lie === 'error-without-doing' || ticket === undefined || ticket.isForeign || !isKnown(fields)) {
    answer(res, INTERNAL_ERROR);
    return;
  }
  if (lie !== 'yes-without-doing') {
    state.tickets.change(ticket, {
      ...(typeof fields.status === 'string' && { status: fields.status }),
      ...(fields.queueId !== undefined && { queueId: numberOrNull(fields.queueId) }),
      ...(fields.userId !== undefined && { userId: numberOrNull(fields.userId) }),
    });
    state.tickets.markAsRead(ticket);
  }
  answer(res, lie === 'error-after-doing' ? INTERNAL_ERROR : { status: 200, body: yes() });
}

function isKnown({ queueId, userId }: Readonly<Record<string, unknown>>): boolean {
  const isQueue = queueId === undefined || queueId === null || QUEUES.some(({ id }) => id === Number(queueId));
  return isQueue && (userId === undefined || userId === null || USERS.some(({ id }) => id === Number(userId)));
}

function numberOrNull(value: unknown): number | null {
  return value === null ? null : Number(value);
}

/** Only the forks of the SaaS line have notes. */
// eslint-disable-next-line max-params -- A route's own three, and which ticket.
function notedTicket(state: TicketRoutesState, req: Request, res: Response, ticketId: unknown): Ticket | undefined {
  if (!isLoggedIn(state, req, res)) return undefined;
  const ticket = state.tickets.find(Number(ticketId));
  const profile = [...state.connections.values()].find(({ name }) => name === ticket?.connectionName)?.profile;
  if (ticket !== undefined && profile !== 'community' && profile !== 'hosted') return ticket;
  answer(res, { status: 404, body: 'Cannot find it' });
  return undefined;
}

function addNote(ticket: Ticket, note: string): Note {
  const added = { id: ticket.notes.length + 1, note, ticketId: ticket.id };
  ticket.notes.push(added);
  return added;
}

/** The hosted forks' call for a connection's token: with nothing but the ticket's id it shows the ticket. */
function updateByToken(state: TicketRoutesState, req: Request, res: Response): void {
  const { ticketId, ...fields } = fieldsOf(req);
  const ticket = ticketByToken(state, req, res, ticketId);
  if (ticket === undefined) return;
  const shown = (): unknown => ({ status: 'success', ticket: ticketRow(state.connections, ticket) });
  if (Object.keys(fields).length === 0) answer(res, { status: 200, body: shown() });
  else move(state, res, { ticket, fields, yes: shown });
}

// eslint-disable-next-line max-params -- A route's own three, and which ticket.
function ticketByToken(state: TicketRoutesState, req: Request, res: Response, ticketId: unknown): Ticket | undefined {
  const connection = state.connections.get(bearerOf(req) ?? '');
  const ticket = state.tickets.find(Number(ticketId));
  if (connection?.profile !== 'hosted') answer(res, FORK_RULES.hosted.wrongToken);
  else if (ticket?.connectionName !== connection.name) answer(res, NO_TICKET);
  else if (ticket.isForeign) answer(res, OF_ANOTHER_COMPANY);
  else return ticket;
  return undefined;
}
