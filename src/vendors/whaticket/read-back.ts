import type { AxiosInstance } from 'axios';
import pLimit from 'p-limit';
import { systemClock } from '../../platform/time.ts';
import type { GatewayConnection, Recipient, SaidByUs } from '../../vocabulary/gateway.ts';
import { canonicalAddress } from '../../vocabulary/message.ts';
import { callGateway } from './gateway-call.ts';
import type { GatewayAnswer } from './gateway-call.ts';
import { failureFromAnswer } from './gateway-failure.ts';
import { isPage, PROFILES } from './gateway-profiles.ts';
import { firstText, objectIn, timeIn } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';
import type { Login, UserSessions } from './user-sessions.ts';

/** A page holds 20 to 100 messages, each of which some forks show with WhatsApp's own record and its thumbnail. */
const ANSWER_BYTES_MAX = 1_048_576;
/** Answers of that size in memory at once. Who has to wait longer than their signal allows goes without. */
const AT_ONCE_MAX = 8;
/** A number is searched by its end, because its ninth digit may be there or not. */
const SEARCHED_DIGITS = 8;

export interface ReadingBack {
  readonly connection: GatewayConnection;
  readonly recipient: Recipient;
  /** Whether the message went into the ticket itself and not to a number. */
  readonly isInTicket: boolean;
  readonly signal: AbortSignal;
}

export type ReadBack = (reading: ReadingBack) => Promise<readonly SaidByUs[] | undefined>;

/**
 * Reads what our side has said in a customer's ticket, as a user of the gateway.
 *
 * It has a price: in most forks looking at a ticket marks it as read, so that an agent's unread badge goes and the customer
 * sees blue ticks. A send to a number or in a ticket does the same there, so what is lost is only what the customer wrote
 * since. ticketz marks only when asked to.
 *
 * Source: canove/whaticket-community and launcherbr/whaticketsaas, backend/src/controllers/MessageController.ts, index;
 * backend/src/services/MessageServices/ListMessagesService.ts; ticketz-oss/ticketz, the same files.
 */
export function createReadBack(client: AxiosInstance, sessions: UserSessions): ReadBack {
  const limit = pLimit(AT_ONCE_MAX);
  return async ({ connection, recipient, isInTicket, signal }) => {
    const { readsBack } = PROFILES[connection.profile];
    const { login } = connection;
    if (login === undefined || readsBack === 'none' || (readsBack === 'in-ticket' && !isInTicket)) return undefined;
    return await limit(async () => {
      const look = lookAs({ client, sessions, signal }, { ...connection, login });
      const ticketId = ticketOf(recipient) ?? (await findTicket(look, connection, recipient));
      if (ticketId === undefined) return undefined;
      const { body, answeredAt = systemClock.now() } = await look(`/messages/${encodeURIComponent(ticketId)}`);
      return listIn(body, 'messages').flatMap((message) => saidByUs(message, answeredAt));
    });
  };
}

export function ticketOf(recipient: Recipient): string | undefined {
  return recipient.addresses.find((address) => address.kind === 'ticket')?.value ?? recipient.ticketId;
}

/** Reads one page of a gateway's API as its user. It throws a `Failure` for every answer that is not a yes. */
export type Look = (path: string) => Promise<GatewayAnswer>;

export function lookAs(
  { client, sessions, signal }: { client: AxiosInstance; sessions: UserSessions; signal: AbortSignal },
  connection: GatewayConnection & { readonly login: Login },
): Look {
  const { baseUrl } = connection;
  return async (path) => {
    const answer = await sessions.call(
      connection,
      (bearer) => callGateway(client, { baseUrl, path, bearer, answerBytesMax: ANSWER_BYTES_MAX }, signal),
      signal,
    );
    if (answer.status >= 200 && answer.status < 300 && !isPage(answer.body)) return answer;
    throw failureFromAnswer(PROFILES[connection.profile], answer);
  };
}

/**
 * The customer's ticket, where no webhook has ever named it: the one that changed last among those with the number.
 *
 * The list leaves out every ticket of a queue that is not asked for by its id. Where the number has tickets on several
 * connections and it is not known which one is ours, nobody can tell, and none is taken.
 *
 * Source: canove/whaticket-community and launcherbr/whaticketsaas, backend/src/services/TicketServices/ListTicketsService.ts.
 */
export async function findTicket(
  look: Look,
  { connectionId }: GatewayConnection,
  { addresses }: Recipient,
): Promise<string | undefined> {
  const phone = addresses.find((address) => address.kind === 'phone');
  if (phone === undefined) return undefined;
  const key = canonicalAddress(phone);
  const queueIds = listIn(await look('/queue').then(({ body }) => ({ queues: body })), 'queues').map(({ id }) => id);
  const query = new URLSearchParams({
    searchParam: key.slice(-SEARCHED_DIGITS),
    showAll: 'true',
    queueIds: JSON.stringify(queueIds),
  });
  const { body } = await look(`/tickets?${query.toString()}`);
  const tickets = listIn(body, 'tickets').filter((ticket) => {
    const number = firstText(objectIn(ticket.contact)?.number) ?? '';
    const isOurs = connectionId === undefined || String(ticket.whatsappId) === connectionId;
    return isOurs && canonicalAddress({ kind: 'phone', value: number }) === key;
  });
  if (new Set(tickets.map((ticket) => ticket.whatsappId)).size > 1) return undefined;
  const id = tickets[0]?.id;
  return typeof id === 'number' || typeof id === 'string' ? String(id) : undefined;
}

function saidByUs(message: JsonObject, answeredAt: Date): readonly SaidByUs[] {
  const [id, text, saidAt] = [firstText(message.id), firstText(message.body), timeIn(message.createdAt)];
  if (message.fromMe !== true || id === undefined || text === undefined || saidAt === undefined) return [];
  return [{ providerMessageId: id, text, saidMsAgo: answeredAt.getTime() - saidAt.getTime() }];
}

export function listIn(body: unknown, name: string): readonly JsonObject[] {
  const list: unknown = objectIn(body)?.[name];
  return Array.isArray(list) ? list.map(objectIn).filter((item) => item !== undefined) : [];
}
