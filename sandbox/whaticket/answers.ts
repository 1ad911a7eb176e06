import type { Request, Response } from 'express';
import type { LRUCache } from 'lru-cache';
import { INVALID_TOKEN, SESSION_EXPIRED } from './fork-rules.ts';
import type { Answer } from './fork-rules.ts';
import type { Connection } from './connection.ts';
import type { Ticket } from './tickets.ts';

/** What routes of users ask for a good token. */
export interface UserTokens {
  readonly userTokens: LRUCache<string, true>;
}

export function isLoggedIn(state: UserTokens, req: Request, res: Response): boolean {
  const token = bearerOf(req);
  if (token !== undefined && state.userTokens.has(token)) return true;
  answer(res, token === undefined ? SESSION_EXPIRED : INVALID_TOKEN);
  return false;
}

/** The forks split the header at its space and look at the second part, whatever the first one says. */
export function bearerOf(req: Request): string | undefined {
  return req.headers.authorization?.split(' ')[1];
}

export function fieldsOf(req: Request): Readonly<Record<string, unknown>> {
  const body: unknown = req.body;
  return typeof body === 'object' && body !== null ? { ...body } : {};
}

export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function answer(res: Response, { status, body }: Answer): void {
  if (body === undefined) res.status(status).end();
  else res.status(status).json(body);
}

/** A ticket as the API shows it. */
export function ticketRow(connections: ReadonlyMap<string, Connection>, ticket: Ticket): unknown {
  const { id, status, queueId, userId, contactId, person, messages, connectionName, updatedAt } = ticket;
  return {
    id,
    status,
    queueId,
    userId,
    contactId,
    updatedAt,
    unreadMessages: messages.filter(({ read }) => !read).length,
    whatsappId: [...connections.values()].findIndex(({ name }) => name === connectionName) + 1,
    contact: { id: contactId, name: person.name, number: person.phone ?? person.lid },
  };
}
