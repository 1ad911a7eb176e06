import type { AxiosInstance } from 'axios';
import type { Logger } from '../../platform/logger.ts';
import type {
  GatewayConnection,
  GatewayProfile,
  GatewayTickets,
  NoteOutcome,
  TicketDestination,
  TicketNote,
} from '../../vocabulary/gateway.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { TicketState } from '../../vocabulary/ticket.ts';
import { callGateway } from './gateway-call.ts';
import type { GatewayAnswer } from './gateway-call.ts';
import { failureFromAnswer } from './gateway-failure.ts';
import { errorIn, isPage, PROFILES } from './gateway-profiles.ts';
import { findTicket, listIn, lookAs } from './read-back.ts';
import { contactIn, ticketIn } from './ticket-state.ts';
import { UserSessions } from './user-sessions.ts';
import type { Login } from './user-sessions.ts';
import { withEitherToken } from './whaticket-client.ts';
import { objectIn } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

/** A ticket with its contact, queue and tags; a list of queues or users. */
const ANSWER_BYTES_MAX = 1_048_576;

/**
 * Whether a fork has notes that only people of the company see. The original has none: what is written into its tickets
 * goes to the customer.
 *
 * Source: launcherbr/whaticketsaas and ticketz-oss/ticketz, backend/src/controllers/TicketNoteController.ts.
 */
const HAS_NOTES: Readonly<Record<GatewayProfile, boolean>> = {
  community: false,
  launcherbr: true,
  ticketz: true,
  hosted: true,
};

/**
 * Looks at tickets of any fork of Whaticket and moves them, as a user of the gateway; at the hosted forks with the
 * connection's own token.
 *
 * @param client from `createHttpClient`: it throws on no status, and its timeout bounds each request.
 */
export function createWhaticketTickets(client: AxiosInstance, log: Logger): GatewayTickets {
  const sessions = new UserSessions(client, log);
  const waysOf = (connection: GatewayConnection, signal: AbortSignal): Ways =>
    connection.profile === 'hosted'
      ? hostedWays(client, connection, signal)
      : userWays({ client, sessions, signal }, withLogin(connection));
  return {
    refusal: ({ profile, login }) => (profile === 'hosted' || login !== undefined ? undefined : 'no-login'),
    findTicket: async (connection, recipient, signal) => await waysOf(connection, signal).find(recipient),
    readTicket: async (connection, ticketId, signal) => await waysOf(connection, signal).read(ticketId),
    writeNote: async (connection, note, signal) =>
      HAS_NOTES[connection.profile] ? await waysOf(connection, signal).note(note) : 'not-possible',
    moveTicket: async (connection, { ticketId, to }, signal) => {
      await waysOf(connection, signal).move(ticketId, to);
    },
    closeTicket: async (connection, ticketId, signal) => {
      await waysOf(connection, signal).close(ticketId);
    },
    findMissing: async (connection, to, signal) => await waysOf(connection, signal).missing(to),
  };
}

/** What can be done at one gateway, however it is done there. */
interface Ways {
  readonly find: (recipient: Parameters<GatewayTickets['findTicket']>[1]) => Promise<TicketState | undefined>;
  readonly read: (ticketId: string) => Promise<TicketState | 'not-there' | 'of-another-company'>;
  readonly note: (note: TicketNote) => Promise<NoteOutcome>;
  readonly move: (ticketId: string, to: TicketDestination) => Promise<void>;
  readonly close: (ticketId: string) => Promise<void>;
  readonly missing: (to: TicketDestination) => Promise<'unknown-queue' | 'unknown-user' | undefined>;
}

type ConnectionWithLogin = GatewayConnection & { readonly login: Login };

function withLogin(connection: GatewayConnection): ConnectionWithLogin {
  const { login } = connection;
  if (login === undefined) {
    throw new Failure('GATEWAY_CREDENTIALS_REFUSED', { reason: 'no user of the gateway is known' });
  }
  return { ...connection, login };
}

interface Calling {
  readonly client: AxiosInstance;
  readonly sessions: UserSessions;
  readonly signal: AbortSignal;
}

/** Source: canove/whaticket-community, backend/src/routes/ticketRoutes.ts and controllers/TicketController.ts. */
function userWays({ client, sessions, signal }: Calling, connection: ConnectionWithLogin): Ways {
  const { baseUrl, profile } = connection;
  const look = lookAs({ client, sessions, signal }, connection);
  const call = (path: string, body?: Body, method?: 'PUT'): Promise<GatewayAnswer> =>
    sessions.call(
      connection,
      (bearer) => {
        const sent = { ...(body && { body }), ...(method && { method }) };
        return callGateway(client, { baseUrl, path, bearer, answerBytesMax: ANSWER_BYTES_MAX, ...sent }, signal);
      },
      signal,
    );
  const show = async (ticketId: string): Promise<JsonObject | 'not-there' | 'of-another-company'> =>
    ticketAnswer(profile, await call(ticketPath(ticketId)));
  const read: Ways['read'] = async (ticketId) => {
    const shown = await show(ticketId);
    return typeof shown === 'string' ? shown : readable(profile, shown);
  };
  return {
    read,
    find: async (recipient) => {
      const id = await findTicket(look, connection, recipient);
      const ticket = id === undefined ? undefined : await read(id);
      return typeof ticket === 'string' ? undefined : ticket;
    },
    note: async (note) => {
      const shown = await show(note.ticketId);
      const contactId = typeof shown === 'string' ? undefined : contactIn(shown);
      if (contactId === undefined) return 'not-possible';
      const query = new URLSearchParams({ contactId: String(contactId), ticketId: note.ticketId });
      const { body } = await look(`/ticket-notes/list?${query.toString()}`);
      const known = listIn({ notes: body }, 'notes');
      if (known.some(({ note: text }) => typeof text === 'string' && text.includes(note.mark))) return 'there-already';
      assertTaken(
        profile,
        await call('/ticket-notes', { note: note.text, contactId, ticketId: numberOrText(note.ticketId) }),
      );
      return 'written';
    },
    move: async (ticketId, to) => {
      assertTaken(profile, await call(ticketPath(ticketId), moveBody(to), 'PUT'));
    },
    close: async (ticketId) => {
      assertTaken(profile, await call(ticketPath(ticketId), CLOSE_BODY[profile], 'PUT'));
    },
    missing: async (to) => await findMissing(look, profile, to),
  };
}

/** Ids of tickets are numbers in every fork that we have read. */
function numberOrText(id: string): number | string {
  return /^\d{1,15}$/.test(id) ? Number(id) : id;
}

type Body = Readonly<Record<string, string | number | boolean | null>>;

/**
 * A fork may send a farewell, or ask for a mark first and leave the ticket open for that once, with a 200. One can be asked
 * not to.
 *
 * Source: launcherbr/whaticketsaas and ticketz-oss/ticketz, backend/src/services/TicketServices/UpdateTicketService.ts.
 */
const CLOSE_BODY: Readonly<Record<GatewayProfile, Body>> = {
  community: { status: 'closed' },
  launcherbr: { status: 'closed' },
  ticketz: { status: 'closed', justClose: true },
  hosted: { status: 'closed' },
};

function ticketPath(ticketId: string): string {
  return `/tickets/${encodeURIComponent(ticketId)}`;
}

/**
 * Numbers as numbers: where a queue's id comes as text, some forks take it for another queue and tell the customer of a
 * transfer. A null clears, what is left out stays.
 *
 * Source: launcherbr/whaticketsaas, backend/src/services/TicketServices/UpdateTicketService.ts.
 */
function moveBody({ queueId, userId }: TicketDestination): Body {
  const queue = queueId === undefined ? {} : { queueId };
  return userId === undefined ? { status: 'pending', ...queue, userId: null } : { status: 'open', ...queue, userId };
}

/** Source: launcherbr/whaticketsaas, backend/src/services/TicketServices/ShowTicketService.ts. */
const OF_ANOTHER_COMPANY = /registros de outra empresa|not belong to the same company/i;

/** What a fork answers to somebody who asks for a ticket. */
function ticketAnswer(profile: GatewayProfile, answer: GatewayAnswer): JsonObject | 'not-there' | 'of-another-company' {
  const error = errorIn(answer.body) ?? '';
  if (OF_ANOTHER_COMPANY.test(error)) return 'of-another-company';
  if (answer.status === 404 || error.startsWith('ERR_NO_TICKET_FOUND')) return 'not-there';
  assertTaken(profile, answer);
  return objectIn(answer.body) ?? {};
}

/** An answer in which there is no ticket proves nothing about it. */
function readable(profile: GatewayProfile, shown: JsonObject): TicketState {
  const ticket = ticketIn(shown);
  if (ticket === undefined)
    throw new Failure('GATEWAY_OUTCOME_UNKNOWN', { profile, reason: 'no ticket in the answer' });
  return ticket;
}

function assertTaken(profile: GatewayProfile, answer: GatewayAnswer): void {
  const isYes =
    answer.status >= 200 && answer.status < 300 && !isPage(answer.body) && errorIn(answer.body) === undefined;
  if (!isYes) throw failureFromAnswer(PROFILES[profile], answer);
}

/** No company has as many people; with more of them nobody can tell who is missing. */
const USER_PAGES_MAX = 5;

async function findMissing(
  look: ReturnType<typeof lookAs>,
  profile: GatewayProfile,
  { queueId, userId }: TicketDestination,
): Promise<'unknown-queue' | 'unknown-user' | undefined> {
  if (queueId !== undefined) {
    const queues = listIn(await look('/queue').then(({ body }) => ({ queues: body })), 'queues');
    if (queues.length > 0 && !queues.some(({ id }) => Number(id) === queueId)) return 'unknown-queue';
  }
  if (userId === undefined) return undefined;
  const users = profile === 'community' ? await usersByPage(look) : await usersAtOnce(look);
  const isMissing = users !== undefined && users.length > 0 && !users.some(({ id }) => Number(id) === userId);
  return isMissing ? 'unknown-user' : undefined;
}

async function usersAtOnce(look: ReturnType<typeof lookAs>): Promise<readonly JsonObject[]> {
  const { body } = await look('/users/list');
  return listIn({ users: body }, 'users');
}

/** Everybody, or undefined when there are more than we read. */
async function usersByPage(look: ReturnType<typeof lookAs>): Promise<readonly JsonObject[] | undefined> {
  const users: JsonObject[] = [];
  for (let page = 1; page <= USER_PAGES_MAX; page += 1) {
    const { body } = await look(`/users?pageNumber=${page}`);
    users.push(...listIn(body, 'users'));
    if (objectIn(body)?.hasMore !== true) return users;
  }
  return undefined;
}

/**
 * The hosted forks' calls for the token of a connection. Ids are texts there, and a call that names a ticket alone shows it.
 * *Unverified*: known from the pages of two services and from their clients; an answer without a ticket is no answer.
 *
 * Source: connectchannels.tomticket.com/kb/documentacao-da-api-connect/api-de-para-acoes-em-tickets.
 */
function hostedWays(client: AxiosInstance, connection: GatewayConnection, signal: AbortSignal): Ways {
  const { baseUrl } = connection;
  const call = (path: string, body: Body): Promise<GatewayAnswer> =>
    withEitherToken(connection, (token) =>
      callGateway(client, { baseUrl, path, body, bearer: token.reveal(), answerBytesMax: ANSWER_BYTES_MAX }, signal),
    );
  const update = (ticketId: string, more: Body = {}): Promise<GatewayAnswer> =>
    call('/api/tickets/updateAPI', { ticketId, ...more });
  return {
    find: () => Promise.resolve(undefined),
    read: async (ticketId) => {
      const shown = ticketAnswer('hosted', await update(ticketId));
      return typeof shown === 'string' ? shown : readable('hosted', ticketWithin(shown));
    },
    // There is no way to read whispers: what may have been written is not written again.
    note: async ({ ticketId, text, wasTried }) => {
      if (wasTried) return 'there-already';
      assertTaken('hosted', await call('/api/messages/internal', { ticketId, body: text }));
      return 'written';
    },
    move: async (ticketId, { queueId, userId }) => {
      const queue = queueId === undefined ? {} : { queueId: String(queueId) };
      const move =
        userId === undefined
          ? { status: 'pending', ...queue, userId: null }
          : { status: 'open', ...queue, userId: String(userId) };
      assertTaken('hosted', await update(ticketId, move));
    },
    close: async (ticketId) => {
      assertTaken('hosted', await update(ticketId, CLOSE_BODY.hosted));
    },
    missing: () => Promise.resolve(undefined),
  };
}

/** The answer's own `status` says how the call went, so a ticket is looked for inside first. */
function ticketWithin(shown: JsonObject): JsonObject {
  const inner = [shown.ticket, shown.ticketData, shown.data].map(objectIn).find((it) => it !== undefined);
  return inner ?? shown;
}
