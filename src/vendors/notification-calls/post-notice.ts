import type { AxiosInstance, AxiosResponse } from 'axios';
import { isAxiosError } from 'axios';
import { deadlineSignal } from '../../platform/time.ts';
import { Failure } from '../../vocabulary/failures.ts';

/** What is posted, byte for byte: one of the receivers checks a signature over it. */
export interface Post {
  readonly url: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PostAnswer {
  readonly status: number;
  readonly text: string;
  readonly retryAfterMs: number | undefined;
}

/** For a client that was made without a limit. */
const TIMEOUT_MS = 10_000;
/** Nobody may put us off for longer: our own tries are over by then. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/**
 * Posts JSON once. Every answer is returned, however bad it is; whose it is knows what it means.
 *
 * @throws {Failure} NOTIFICATION_NOT_TAKEN when there was no whole answer in time, or the address may not be called.
 * @throws the signal's reason, when it was aborted.
 */
export async function postNotice(client: AxiosInstance, post: Post, signal: AbortSignal): Promise<PostAnswer> {
  signal.throwIfAborted();
  const timeoutMs = client.defaults.timeout;
  const deadline = deadlineSignal(timeoutMs === undefined || timeoutMs === 0 ? TIMEOUT_MS : timeoutMs, signal);
  try {
    const response: AxiosResponse<string> = await client.request({
      url: post.url,
      method: 'POST',
      headers: { 'Content-Type': 'application/json; charset=utf-8', ...post.headers },
      data: Buffer.from(post.body),
      responseType: 'text',
      transformResponse: [(text: unknown) => (typeof text === 'string' ? text : '')],
      signal: deadline,
    });
    return { status: response.status, text: response.data, retryAfterMs: retryAfterMs(response) };
  } catch (error) {
    signal.throwIfAborted();
    const code = codeOf(error);
    if (code === undefined && !isAxiosError(error)) throw error;
    const detail = { error: deadline.aborted ? 'ETIMEDOUT' : code };
    throw new Failure('NOTIFICATION_NOT_TAKEN', detail, { cause: bare(error) });
  }
}

/** What the answers mean that all receivers share. */
export function failureFromStatus(answer: PostAnswer, said?: string): Failure {
  const detail = { status: answer.status, ...(said === undefined ? {} : { said }) };
  if (answer.status === 429) {
    const { retryAfterMs: wait } = answer;
    return new Failure('NOTIFICATION_THROTTLED', { ...detail, ...(wait === undefined ? {} : { retryAfterMs: wait }) });
  }
  if (answer.status === 401 || answer.status === 403) return new Failure('NOTIFICATION_CREDENTIALS_REFUSED', detail);
  const isClearNo = answer.status >= 400 && answer.status < 500 && answer.status !== 408;
  return new Failure(isClearNo ? 'NOTIFICATION_REFUSED' : 'NOTIFICATION_NOT_TAKEN', detail);
}

/** The wait that a `Retry-After` header asks for, in seconds or as a date. */
function retryAfterMs(response: AxiosResponse<string>): number | undefined {
  const value: unknown = response.headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const date: unknown = response.headers.date;
  // A date is measured from the answer's own clock: ours may differ.
  const answeredAt = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  const askedMs = /^\d{1,6}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - answeredAt;
  return Number.isFinite(askedMs) && askedMs > 0 ? Math.min(askedMs, RETRY_AFTER_MS_MAX) : undefined;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The error without what axios hangs on it: the whole request, with the address and the key in it. */
function bare(error: unknown): Error {
  return new Error(isAxiosError(error) ? (error.code ?? 'The call failed') : 'The call failed');
}
