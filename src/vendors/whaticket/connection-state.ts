import type { AxiosInstance } from 'axios';
import type { Logger } from '../../platform/logger.ts';
import type { ConnectionState, GatewayConnection, GatewayStates } from '../../vocabulary/gateway.ts';
import { callGateway } from './gateway-call.ts';
import { failureFromAnswer } from './gateway-failure.ts';
import { isPage, PROFILES } from './gateway-profiles.ts';
import { UserSessions } from './user-sessions.ts';
import { withEitherToken } from './whaticket-client.ts';
import { firstText, objectIn } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

/** A list of connections, each of which some forks show with its QR code and its session. */
const ANSWER_BYTES_MAX = 1_048_576;

/**
 * Asks after a connection of any fork of Whaticket.
 *
 * The lists of community, launcherbr and ticketz need a user of the gateway; hosted forks have a call for the connection's
 * own token, known from clients of these services alone (*unverified*), so that an answer of theirs that we do not
 * understand is no answer.
 *
 * Source: canove/whaticket-community, backend/src/routes/whatsappRoutes.ts and backend/src/libs/wbot.ts;
 * launcherbr/whaticketsaas and ticketz-oss/ticketz, the same files.
 *
 * @param client from `createHttpClient`: it throws on no status, and its timeout bounds each request.
 */
export function createWhaticketStates(client: AxiosInstance, log: Logger): GatewayStates {
  const sessions = new UserSessions(client, log);
  return {
    async connectionState(connection, signal) {
      if (connection.profile === 'hosted') return await hostedState(client, connection, signal);
      return await listedState({ client, sessions, signal }, connection);
    },
  };
}

interface Asking {
  readonly client: AxiosInstance;
  readonly sessions: UserSessions;
  readonly signal: AbortSignal;
}

/** Which of the list is ours: the one with the channel's number, the only one, or the one that is used by default. */
async function listedState(
  { client, sessions, signal }: Asking,
  connection: GatewayConnection,
): Promise<ConnectionState | undefined> {
  const { baseUrl, connectionId, login, profile } = connection;
  if (login === undefined) return undefined;
  const answer = await sessions.call(
    { ...connection, login },
    (bearer) => callGateway(client, { baseUrl, path: '/whatsapp/', bearer, answerBytesMax: ANSWER_BYTES_MAX }, signal),
    signal,
  );
  if (answer.status < 200 || answer.status >= 300 || isPage(answer.body)) {
    throw failureFromAnswer(PROFILES[profile], answer);
  }
  const list: unknown = answer.body;
  const all = Array.isArray(list) ? list.map(objectIn).filter((item) => item !== undefined) : [];
  const named = all.filter((item) => connectionId !== undefined && String(item.id) === connectionId);
  const ours = connectionId === undefined && all.length > 1 ? all.filter((item) => item.isDefault === true) : all;
  const found = connectionId === undefined ? ours[0] : named[0];
  if (found === undefined) return connectionId === undefined ? undefined : { isConnected: false, said: 'not there' };
  return stateIn(found);
}

async function hostedState(
  client: AxiosInstance,
  connection: GatewayConnection,
  signal: AbortSignal,
): Promise<ConnectionState | undefined> {
  const call = { baseUrl: connection.baseUrl, path: '/api/whatsapp-status', body: {} };
  const answer = await withEitherToken(connection, (token) =>
    callGateway(client, { ...call, bearer: token.reveal() }, signal),
  );
  const body = objectIn(answer.body);
  if (answer.status === 401 || answer.status === 403) throw failureFromAnswer(PROFILES.hosted, answer);
  return answer.status === 200 && body !== undefined ? stateIn(body) : undefined;
}

function stateIn(shown: JsonObject): ConnectionState | undefined {
  const said = firstText(shown.status);
  return said === undefined ? undefined : { isConnected: said.toUpperCase() === 'CONNECTED', said: printable(said) };
}

/** A word of the gateway's, as short as its own ones are. */
function printable(said: string): string {
  return said.replace(/[^\w -]/g, '').slice(0, 30);
}
