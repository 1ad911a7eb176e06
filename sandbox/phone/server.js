/** The line to the server: what it tells, and what it is told. */

const REQUEST_TIMEOUT_MS = 20_000;
/** The server says something every 15 s; after three silences the line is dead, even if nobody told the browser. */
const SILENCE_MAX_MS = 45_000;
const RECONNECT_MS = 2_000;

let stream;
let silence;
let reconnecting;

/**
 * Listens to the server's events, for ever.
 *
 * @param listeners a function for each type of event. The first event on every new line is `state`, which is everything.
 * @param onLost called when the line breaks; the next `state` says that it is whole again.
 */
export function listen(listeners, onLost) {
  // A browser gives up after some errors and waits long after others; so every new line is made here.
  const reconnect = () => {
    stream.close();
    clearTimeout(silence);
    clearTimeout(reconnecting);
    onLost();
    reconnecting = setTimeout(() => listen(listeners, onLost), RECONNECT_MS);
  };
  const expectMore = () => {
    clearTimeout(silence);
    silence = setTimeout(reconnect, SILENCE_MAX_MS);
  };

  stream = new EventSource('/phone/api/events');
  for (const [type, listener] of Object.entries(listeners)) {
    stream.addEventListener(type, (event) => listener(JSON.parse(event.data)));
    stream.addEventListener(type, expectMore);
  }
  stream.addEventListener('ping', expectMore);
  stream.addEventListener('error', reconnect);
  expectMore();
}

/** Sends JSON. False when the server did not take it, or was not there. */
export async function post(address, body) {
  try {
    const answer = await fetch(address, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: window.AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    return answer.ok;
  } catch {
    return false;
  }
}
