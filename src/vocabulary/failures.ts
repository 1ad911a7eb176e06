/** What to do about a failure. Decided where it is understood, obeyed everywhere else. */
export type Verdict = 'retry-later' | 'give-up' | 'caller-must-fix';

/**
 * Every failure the service expects. `publicText` is the only part a stranger may read; docs/errors.md is checked
 * against this table.
 */
export const FAILURES = {
  BODY_NOT_PARSEABLE: { status: 400, verdict: 'caller-must-fix', publicText: 'The body is not valid JSON.' },
  REQUEST_NOT_VALID: { status: 400, verdict: 'caller-must-fix', publicText: 'The request is not valid.' },
  CURSOR_NOT_VALID: { status: 400, verdict: 'caller-must-fix', publicText: 'The cursor is not valid.' },
  WEBHOOK_NOT_AUTHENTIC: {
    status: 401,
    verdict: 'caller-must-fix',
    publicText: 'The webhook authentication is missing or not valid.',
  },
  NOT_SIGNED_IN: { status: 401, verdict: 'caller-must-fix', publicText: 'A valid API key is required.' },
  NOT_ALLOWED: { status: 403, verdict: 'caller-must-fix', publicText: 'This key may not do that.' },
  NOT_FOUND: { status: 404, verdict: 'caller-must-fix', publicText: 'There is no such thing here.' },
  METHOD_NOT_ALLOWED: {
    status: 405,
    verdict: 'caller-must-fix',
    publicText: 'This address does not take that method.',
  },
  BODY_TOO_SLOW: { status: 408, verdict: 'caller-must-fix', publicText: 'The body took too long to arrive.' },
  ALREADY_EXISTS: { status: 409, verdict: 'caller-must-fix', publicText: 'Something with this name exists already.' },
  EPOCH_MOVED: {
    status: 409,
    verdict: 'caller-must-fix',
    publicText: 'Somebody else changed the owner of this conversation first.',
  },
  NO_PERSON_OWNS: {
    status: 409,
    verdict: 'caller-must-fix',
    publicText: 'No person has this conversation: the bot answers it itself.',
  },
  NOTHING_TO_ANSWER: {
    status: 409,
    verdict: 'caller-must-fix',
    publicText: 'The customer has said nothing since the last answer.',
  },
  ALREADY_SETTLED: { status: 409, verdict: 'caller-must-fix', publicText: 'This has been settled already.' },
  BODY_TOO_LARGE: { status: 413, verdict: 'caller-must-fix', publicText: 'The body is too large.' },
  BODY_NOT_JSON: { status: 415, verdict: 'caller-must-fix', publicText: 'The body must be uncompressed JSON.' },
  TOO_MANY_REQUESTS: { status: 429, verdict: 'retry-later', publicText: 'Too many requests.' },
  UNEXPECTED: { status: 500, verdict: 'retry-later', publicText: 'Something went wrong here. Quote the request id.' },
  NOT_STORED: { status: 503, verdict: 'retry-later', publicText: 'The message could not be stored. Send it again.' },
  DATABASE_UNAVAILABLE: {
    status: 503,
    verdict: 'retry-later',
    publicText: 'The service is not available for a moment.',
  },

  MODEL_NOT_CONFIGURED: { status: 503, verdict: 'give-up', publicText: 'No model is configured.' },
  MODEL_UNAVAILABLE: { status: 503, verdict: 'retry-later', publicText: 'The model does not answer.' },
  MODEL_THROTTLED: { status: 503, verdict: 'retry-later', publicText: 'The model asks us to wait.' },
  MODEL_CIRCUIT_OPEN: { status: 503, verdict: 'retry-later', publicText: 'The model is left alone for a moment.' },
  MODEL_REFUSED: { status: 502, verdict: 'give-up', publicText: 'The model would not answer this.' },
  MODEL_ANSWER_UNUSABLE: { status: 502, verdict: 'retry-later', publicText: 'The model gave no usable answer.' },
  MODEL_MISCONFIGURED: {
    status: 502,
    verdict: 'give-up',
    publicText: 'The model does not accept our key, name or request.',
  },

  GATEWAY_UNREACHABLE: { status: 502, verdict: 'retry-later', publicText: 'The gateway cannot be reached.' },
  GATEWAY_SESSION_DOWN: {
    status: 502,
    verdict: 'retry-later',
    publicText: 'The gateway is not connected to WhatsApp.',
  },
  GATEWAY_THROTTLED: { status: 502, verdict: 'retry-later', publicText: 'The gateway asks us to send more slowly.' },
  GATEWAY_OUTCOME_UNKNOWN: {
    status: 502,
    verdict: 'retry-later',
    publicText: 'It is not known whether the gateway sent this.',
  },
  GATEWAY_CREDENTIALS_REFUSED: {
    status: 502,
    verdict: 'give-up',
    publicText: 'The gateway does not accept our credentials.',
  },
  GATEWAY_PLAN_REFUSED: { status: 502, verdict: 'give-up', publicText: 'The plan at the gateway does not allow this.' },
  CUSTOMER_UNREACHABLE: { status: 502, verdict: 'give-up', publicText: 'This customer cannot be reached on WhatsApp.' },
  GATEWAY_REFUSED: { status: 502, verdict: 'give-up', publicText: 'The gateway refused the message.' },

  NOTIFICATION_NOT_TAKEN: {
    status: 502,
    verdict: 'retry-later',
    publicText: 'The target did not take the notification.',
  },
  NOTIFICATION_THROTTLED: { status: 502, verdict: 'retry-later', publicText: 'The target asks us to wait.' },
  NOTIFICATION_CREDENTIALS_REFUSED: {
    status: 502,
    verdict: 'give-up',
    publicText: 'The target does not accept our credentials.',
  },
  NOTIFICATION_REFUSED: { status: 502, verdict: 'give-up', publicText: 'The target refused the notification.' },
  MAIL_NOT_CONFIGURED: { status: 503, verdict: 'give-up', publicText: 'No mail server is configured.' },
} as const satisfies Record<string, { status: number; verdict: Verdict; publicText: string }>;

export type FailureCode = keyof typeof FAILURES;

/** An expected failure. Anything else that is thrown is a bug. */
export class Failure extends Error {
  readonly code: FailureCode;
  /** What a log line about this should show. Never personal data, never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(code: FailureCode, detail: Readonly<Record<string, unknown>> = {}, options: { cause?: unknown } = {}) {
    super(`${code}: ${FAILURES[code].publicText}`, options);
    this.name = 'Failure';
    this.code = code;
    this.detail = detail;
  }

  get verdict(): Verdict {
    return FAILURES[this.code].verdict;
  }

  /** How long the other side asked us to wait, when it did. */
  get retryAfterMs(): number | undefined {
    const ms = this.detail.retryAfterMs;
    return typeof ms === 'number' ? ms : undefined;
  }
}
