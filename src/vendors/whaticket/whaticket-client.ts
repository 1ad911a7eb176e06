import type { AxiosInstance } from 'axios';
import type { Logger } from '../../platform/logger.ts';
import type { Secret } from '../../platform/secret.ts';
import type { Gateway, GatewayConnection, OutgoingText, Recipient, SentText } from '../../vocabulary/gateway.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { callGateway } from './gateway-call.ts';
import type { GatewayAnswer } from './gateway-call.ts';
import { failureFromAnswer } from './gateway-failure.ts';
import { isPage, PROFILES } from './gateway-profiles.ts';
import type { Profile } from './gateway-profiles.ts';
import { createReadBack, ticketOf } from './read-back.ts';
import { UserSessions } from './user-sessions.ts';

/** No fork tells the id under which WhatsApp knows a message that was sent through its API. */
const SENT: SentText = { providerMessageId: undefined };

/**
 * Sends through any fork of Whaticket, and reads back what was sent where that can be.
 *
 * Sending is not safe to run twice: no fork knows idempotency keys. One attempt is one request, and what it throws tells whether
 * another attempt can say anything twice.
 *
 * @param client from `createHttpClient`: it throws on no status, and its timeout bounds each request.
 */
export function createWhaticketGateway(client: AxiosInstance, log: Logger): Gateway {
  const sessions = new UserSessions(client, log);
  const readBack = createReadBack(client, sessions);
  return {
    async sendText(connection, message, signal) {
      const profile = PROFILES[connection.profile];
      const text = withoutTemplates(message.text);
      const number = numberFor(profile, message);
      if (number === undefined) return await sendInTicket(sessions, client, { connection, message, text, signal });

      const answer = await withEitherToken(connection, (token) =>
        callGateway(
          client,
          {
            baseUrl: connection.baseUrl,
            path: '/api/messages/send',
            body: profile.requestBody({ number, text, connectionId: connection.connectionId }),
            bearer: token.reveal(),
          },
          signal,
        ),
      );
      if (isOk(answer) && profile.isSuccess(answer.body)) return SENT;
      throw failureFromAnswer(profile, answer);
    },
    readBack(connection, recipient, signal) {
      const isInTicket = numberFor(PROFILES[connection.profile], recipient) === undefined;
      return readBack({ connection, recipient, isInTicket, signal });
    },
  };
}

/**
 * Calls with the channel's token, and with the one before it when that is refused: while a rotation is under way nobody
 * knows which of the two the gateway has. A refused token is refused before the gateway does anything, so nothing is said
 * twice.
 */
export async function withEitherToken(
  { profile, token, previousToken }: GatewayConnection,
  call: (token: Secret) => Promise<GatewayAnswer>,
): Promise<GatewayAnswer> {
  const answer = await call(token);
  if (previousToken === undefined || isOk(answer)) return answer;
  const isRefused = failureFromAnswer(PROFILES[profile], answer).code === 'GATEWAY_CREDENTIALS_REFUSED';
  return isRefused ? await call(previousToken) : answer;
}

interface TicketSending {
  readonly connection: GatewayConnection;
  readonly message: OutgoingText;
  readonly text: string;
  readonly signal: AbortSignal;
}

/**
 * Sends inside the customer's ticket, where no number is needed. Every fork answers 200 with nothing in it.
 *
 * Source: canove/whaticket-community, backend/src/controllers/MessageController.ts, store.
 */
async function sendInTicket(sessions: UserSessions, client: AxiosInstance, sending: TicketSending): Promise<SentText> {
  const { connection, message, text, signal } = sending;
  const ticketId = ticketOf(message);
  if (ticketId === undefined) throw unreachable('no phone number and no ticket is known');
  const { login } = connection;
  if (login === undefined) {
    throw unreachable(
      'only a ticket is known, and sending in a ticket needs a user of the gateway (email and password)',
    );
  }
  const path = `/messages/${encodeURIComponent(ticketId)}`;
  const answer = await sessions.call(
    { ...connection, login },
    (bearer) => callGateway(client, { baseUrl: connection.baseUrl, path, body: { body: text }, bearer }, signal),
    signal,
  );
  if (isOk(answer) && !isPage(answer.body)) return SENT;
  throw failureFromAnswer(PROFILES[connection.profile], answer);
}

function unreachable(reason: string): Failure {
  return new Failure('CUSTOMER_UNREACHABLE', { reason });
}

function isOk(answer: GatewayAnswer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

/** The phone where it is known. A LID is not a number: only a fork that takes WhatsApp ids can use one. */
function numberFor(profile: Profile, recipient: Recipient): string | undefined {
  const phone = recipient.addresses.find((address) => address.kind === 'phone')?.value.replace(/\D/g, '');
  if (phone !== undefined && phone !== '') return phone;
  const lid = recipient.addresses.find((address) => address.kind === 'lid')?.value;
  return lid !== undefined && profile.takesWhatsAppIds ? `${lid}@lid` : undefined;
}

/**
 * Keeps the forks' template engine out of what the customer reads.
 *
 * Nearly every fork renders outgoing text with Mustache, some twice: an opening `{{` without its end makes the send fail,
 * and one with its end puts the fork's own data there. A zero-width space between the braces is no tag in any of the
 * passes, and is not seen on the phone. Text outside of tags is not escaped.
 *
 * Source: canove/whaticket-community, backend/src/helpers/Mustache.ts; launcherbr/whaticketsaas, the same file.
 */
export function withoutTemplates(text: string): string {
  return text.replace(/\{(?=\{)/g, '{\u200B');
}
