/*
 * How a product that runs in processes of its own is called from outside, for benches, chaos runs and drills.
 */

const API_WITHIN_MS = 15_000;
const READY_WITHIN_MS = 1_000;

/** Settings of a tenant whose few hundred customers write like many thousand, and whose model only answers customers. */
export const NO_LIMITS = {
  contactPerMinute: 0,
  contactPerDay: 0,
  contactMoneyPerDay: 0,
  loopBreaker: 0,
  loopRepeats: 0,
  loopCadence: 0,
  loopOwnWords: 0,
  packetWriter: 'rule',
} as const;

export type PlatformApi = (method: string, path: string, body?: unknown) => Promise<unknown>;

/** The API with the platform's key. A call that is answered with a problem rejects and says which. */
export function platformApi(url: string, key: string, withinMs = API_WITHIN_MS): PlatformApi {
  return async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(withinMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  };
}

/** Whether a process says that it is ready, and says it within a second. */
export async function isReady(url: string): Promise<boolean> {
  return await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READY_WITHIN_MS) }).then(
    (response) => response.ok,
    () => false,
  );
}
