import { once } from 'node:events';
import http from 'node:http';
import type { RequestListener } from 'node:http';
import { pause } from './time.ts';

export interface HttpServer {
  readonly port: number;
  /**
   * Goes on answering for this long and asks every caller to open another line for its next request, so that whoever
   * routes to us has the time to notice that we leave.
   */
  drain(ms: number): Promise<void>;
  /** Takes no new connection, ends the idle ones, and waits for the answers under way. */
  close(): Promise<void>;
}

/** A whole request, body included, has this long to arrive. */
const REQUEST_TIMEOUT_MS = 15_000;
/** Node looks this often for requests that take too long; with its default of 30 s they would end at 30 or later. */
const TIMEOUT_CHECK_MS = 1_000;
/** Longer than the idle time of the usual proxies, so that it is never us who close a line that one is about to use. */
const KEEP_ALIVE_MS = 75_000;

/** Starts listening. Port 0 takes a free one. */
export async function listen(app: RequestListener, where: { host: string; port: number }): Promise<HttpServer> {
  const server = http.createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    app,
  );
  server.listen(where.port, where.host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return {
    port: address.port,
    drain: async (ms) => {
      server.prependListener('request', (_req, res) => {
        res.setHeader('Connection', 'close');
      });
      await pause(ms);
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}
