import http from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import https from 'node:https';
import { TLSSocket } from 'node:tls';
import type { AxiosInstance, AxiosResponse } from 'axios';
import { isAxiosError } from 'axios';
import { deadlineSignal } from '../../platform/time.ts';
import { Failure } from '../../vocabulary/failures.ts';

export interface GatewayCall {
  readonly baseUrl: string;
  readonly path: string;
  /** What is sent. Without it the call is a GET. */
  readonly body?: Readonly<Record<string, string | number | boolean | null>>;
  /** How it is sent; POST unless told. */
  readonly method?: 'PUT';
  readonly bearer?: string;
  /** For an answer that may be larger than the client's own limit. */
  readonly answerBytesMax?: number;
}

export interface GatewayAnswer {
  readonly status: number;
  readonly body: unknown;
  /** The header of that name. */
  readonly retryAfter: string | undefined;
  /** The time by the gateway's own clock, where it tells; whole seconds. */
  readonly answeredAt: Date | undefined;
}

/** For a client that was made without a limit. */
const TIMEOUT_MS = 15_000;

/**
 * Makes one call of a gateway.
 *
 * The client's timeout bounds the whole call, however slowly an answer trickles in.
 *
 * @throws {Failure} GATEWAY_UNREACHABLE when no byte can have left: refused, not found, not allowed, no connection in time.
 * @throws {Failure} GATEWAY_OUTCOME_UNKNOWN when a connection stood and no whole answer came.
 * @throws the signal's reason, when it was aborted before a connection stood.
 */
export async function callGateway(
  client: AxiosInstance,
  call: GatewayCall,
  signal: AbortSignal,
): Promise<GatewayAnswer> {
  signal.throwIfAborted();
  const line = new WatchedLine();
  const timeoutMs = client.defaults.timeout;
  const deadline = deadlineSignal(timeoutMs === undefined || timeoutMs === 0 ? TIMEOUT_MS : timeoutMs, signal);
  try {
    const response: AxiosResponse<unknown> = await client.request({
      url: `${call.baseUrl.replace(/\/$/, '')}${call.path}`,
      method: call.body === undefined ? 'GET' : (call.method ?? 'POST'),
      headers: call.bearer === undefined ? {} : { Authorization: `Bearer ${call.bearer}` },
      signal: deadline,
      transport: line,
      ...(call.body === undefined ? {} : { data: call.body }),
      ...(call.answerBytesMax === undefined ? {} : { maxContentLength: call.answerBytesMax }),
    });
    return {
      status: response.status,
      body: response.data,
      retryAfter: headerText(response, 'retry-after'),
      answeredAt: dateIn(headerText(response, 'date')),
    };
  } catch (error) {
    const detail = { error: deadline.aborted ? 'ETIMEDOUT' : codeOf(error) };
    if (line.wasOpen) throw new Failure('GATEWAY_OUTCOME_UNKNOWN', detail, { cause: bare(error) });
    signal.throwIfAborted();
    if (codeOf(error) === undefined && !isAxiosError(error)) throw error;
    throw new Failure('GATEWAY_UNREACHABLE', detail, { cause: bare(error) });
  }
}

/**
 * Makes the request as Node does, and remembers whether a connection ever stood for it.
 *
 * Until one stands no byte has left this machine, whatever went wrong; from then on the gateway may have read everything.
 * Error codes cannot tell the two apart: a reset and a timeout happen on both sides of that line.
 */
class WatchedLine {
  wasOpen = false;

  request(options: RequestOptions, onAnswer: (answer: IncomingMessage) => void): ClientRequest {
    const request = (options.protocol === 'https:' ? https : http).request(options, onAnswer);
    request.once('socket', (socket) => {
      const open = (): void => {
        this.wasOpen = true;
      };
      if (socket.connecting) socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', open);
      else open();
    });
    return request;
  }
}

function headerText(response: AxiosResponse<unknown>, name: string): string | undefined {
  const value: unknown = response.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function dateIn(header: string | undefined): Date | undefined {
  const ms = Date.parse(header ?? '');
  return Number.isNaN(ms) ? undefined : new Date(ms);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The error without what axios hangs on it: the whole request, with the token and the customer's number in it. */
function bare(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : 'The call failed');
}
