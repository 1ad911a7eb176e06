import { Agent, setGlobalDispatcher } from 'undici';

/** An answer is a few kilobytes. This is what any `fetch` of this process may receive. */
const RESPONSE_BYTES_MAX = 4 * 1_024 * 1_024;
const CONNECT_TIMEOUT_MS = 5_000;
/** A call's own deadline is shorter; this is for a server that stops in the middle of its words. */
const SILENCE_MAX_MS = 60_000;

let bounded = false;

/**
 * Gives Node's `fetch` a size limit, once per process.
 *
 * The Gemini SDK calls the global `fetch`, takes no other, and reads whatever comes to its end. Node's fetch takes its
 * connections from the process's dispatcher, which is the one place where a limit can be set. The limit counts
 * bytes on the wire, so the client also asks for an answer that is not compressed.
 */
export function boundFetch(): void {
  if (bounded) return;
  bounded = true;
  setGlobalDispatcher(
    new Agent({
      maxResponseSize: RESPONSE_BYTES_MAX,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: SILENCE_MAX_MS,
      bodyTimeout: SILENCE_MAX_MS,
    }),
  );
}
