/** The part of autocannon that is used here; the package has no types of its own. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  interface Request {
    method?: string;
    path?: string;
    headers?: Readonly<Record<string, string>>;
    body?: string | Buffer;
  }

  interface Options {
    readonly url: string;
    readonly connections: number;
    /** Requests in all; ends the run. */
    readonly amount: number;
    /** A second, for each connection. */
    readonly connectionRate: number;
    /** Seconds. */
    readonly timeout: number;
    readonly requests: readonly {
      readonly method: 'POST';
      readonly setupRequest: (request: Request, context: Record<string, unknown>) => Request;
      readonly onResponse: (status: number, body: string, context: Record<string, unknown>) => void;
    }[];
  }

  interface Result {
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
  }

  interface Instance extends EventEmitter, PromiseLike<Result> {
    stop(): void;
  }

  export default function autocannon(options: Options): Instance;
}
