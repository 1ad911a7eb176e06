import type { Response } from 'express';
import { Problem } from './problem.ts';

/** An event for the browser; its type is the name under which the page listens. */
type StreamEvent = object & { readonly type: string };

/** More than any number of tabs a person keeps open; a page that leaks connections meets it early. */
const STREAMS_MAX = 50;

/** A browser that reads this little is gone or frozen; it gets the whole state again when it comes back. */
const UNREAD_BYTES_MAX = 16 * 1_024 * 1_024;

/** The page takes the line for dead after three of these without a word. */
const PING_INTERVAL_MS = 15_000;

/** Server-sent events, one stream for each open page. Source: WHATWG HTML, "Server-sent events". */
export class EventStreams {
  readonly #open = new Set<Response>();

  /**
   * Turns a response into a stream that lasts until the browser leaves.
   *
   * @param subscribe gets the way to tell the browser something, and returns the end of the subscription.
   * @throws {Problem} 503 when too many are open.
   */
  open(res: Response, subscribe: (tell: (event: StreamEvent) => void) => () => void): void {
    if (this.#open.size >= STREAMS_MAX) throw new Problem(503, `More than ${STREAMS_MAX} pages are open`);
    this.#open.add(res);
    res.set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' });
    res.flushHeaders();
    res.write('retry: 1000\n\n');

    const tell = (event: StreamEvent): void => {
      if (res.writableLength > UNREAD_BYTES_MAX) res.destroy();
      else res.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    };
    const unsubscribe = subscribe(tell);
    const pings = setInterval(tell, PING_INTERVAL_MS, { type: 'ping' });
    res.on('close', () => {
      clearInterval(pings);
      unsubscribe();
      this.#open.delete(res);
    });
  }
}
