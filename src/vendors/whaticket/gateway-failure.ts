import type { FailureCode } from '../../vocabulary/failures.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { GatewayAnswer } from './gateway-call.ts';
import type { Profile } from './gateway-profiles.ts';
import { errorIn, isPage } from './gateway-profiles.ts';
import { firstText, objectIn } from './wire-values.ts';

/** A fork that throttles says no time; its window is 60 s long. */
const THROTTLE_WINDOW_MS = 60_000;

/** What a server may make us wait at most. */
const RETRY_AFTER_MS_MAX = 600_000;

/**
 * Errors that mean the same in every fork, by how their text begins.
 *
 * Source: canove/whaticket-community, backend/src/libs/wbot.ts, backend/src/services/WbotServices/CheckIsValidContact.ts,
 * backend/src/services/WbotServices/SendWhatsAppMessage.ts; launcherbr/whaticketsaas,
 * backend/src/services/WbotServices/CheckNumber.ts; ticketz-oss/ticketz, backend/src/middleware/isCompliant.ts.
 */
const FAILURE_BY_BEGINNING: readonly (readonly [string, FailureCode])[] = [
  ['ERR_WAPP_NOT_INITIALIZED', 'GATEWAY_SESSION_DOWN'],
  ['ERR_NO_DEF_WAPP_FOUND', 'GATEWAY_SESSION_DOWN'],
  ['ERR_SENDING_WAPP_MSG', 'GATEWAY_SESSION_DOWN'],
  ['ERR_WAPP_CHECK_CONTACT', 'GATEWAY_SESSION_DOWN'],
  ['ERR_WAPP_INVALID_CONTACT', 'CUSTOMER_UNREACHABLE'],
  ['ERR_CHECK_NUMBER', 'CUSTOMER_UNREACHABLE'],
  ['ERR_NO_TICKET_FOUND', 'CUSTOMER_UNREACHABLE'],
  ['Invalid number format', 'CUSTOMER_UNREACHABLE'],
  ['ERR_PLAN_', 'GATEWAY_PLAN_REFUSED'],
  ['ERR_COMPANY_', 'GATEWAY_PLAN_REFUSED'],
  ['ERR_SUBSCRIPTION_EXPIRED', 'GATEWAY_PLAN_REFUSED'],
  ['ERR_RATE_LIMIT_EXCEEDED', 'GATEWAY_THROTTLED'],
];

/**
 * Translates an answer that is not a yes.
 *
 * A 5xx that no rule knows leaves the outcome open: most forks send first and answer afterwards, so the text may be on
 * the customer's phone already. The same holds for a 2xx that does not say what it should.
 */
export function failureFromAnswer(profile: Profile, answer: GatewayAnswer): Failure {
  const errorText = errorIn(answer.body) ?? '';
  const known =
    profile.failureFrom(answer.status, errorText) ??
    FAILURE_BY_BEGINNING.find(([beginning]) => errorText.startsWith(beginning))?.[1];
  const code = answer.status === 429 ? 'GATEWAY_THROTTLED' : (known ?? codeFromStatus(answer.status));
  return new Failure(code, {
    profile: profile.name,
    status: answer.status,
    error: printableError(answer.body),
    ...(code === 'GATEWAY_THROTTLED' ? { retryAfterMs: retryAfterMs(answer) } : {}),
  });
}

function codeFromStatus(status: number): FailureCode {
  if (status >= 500 || (status >= 200 && status < 300)) return 'GATEWAY_OUTCOME_UNKNOWN';
  if (status === 401 || status === 403) return 'GATEWAY_CREDENTIALS_REFUSED';
  if (status === 402) return 'GATEWAY_PLAN_REFUSED';
  // A proxy gave up before it had the whole request, so nobody behind it acted on it.
  if (status === 408) return 'GATEWAY_UNREACHABLE';
  return 'GATEWAY_REFUSED';
}

/**
 * The wait that a `Retry-After` header asks for, in seconds or as a date.
 *
 * A date is measured from the answer's own clock: ours may differ.
 */
function retryAfterMs({ retryAfter: value, answeredAt }: GatewayAnswer): number {
  if (value === undefined) return THROTTLE_WINDOW_MS;
  const askedMs = /^\d{1,6}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Number(answeredAt);
  return Number.isFinite(askedMs) && askedMs > 0 ? Math.min(askedMs, RETRY_AFTER_MS_MAX) : THROTTLE_WINDOW_MS;
}

const ERROR_CHARACTERS_MAX = 120;

/** The fork's error text, fit for a log: short, and without anything as long as a phone number. */
export function printableError(body: unknown): string | undefined {
  if (isPage(body)) return 'a web page';
  const text = errorIn(body) ?? firstText(objectIn(body)?.message);
  return text
    ?.slice(0, 1_000)
    .replace(/\d(?:[\s().-]{0,2}\d){7,}/g, '********')
    .slice(0, ERROR_CHARACTERS_MAX);
}
