import { randomUUID } from 'node:crypto';
import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import { withContext } from './context.ts';
import { isDatabaseUnavailable } from './database.ts';
import type { Logger } from './logger.ts';

/** What the codes of a table say about a problem: the status, and the only words about it that a stranger may read. */
export interface ProblemKind {
  readonly status: number;
  readonly publicText: string;
}

/** The codes that this file itself answers with. */
type OwnCode =
  | 'REQUEST_NOT_VALID'
  | 'BODY_NOT_PARSEABLE'
  | 'BODY_TOO_LARGE'
  | 'BODY_NOT_JSON'
  | 'NOT_FOUND'
  | 'DATABASE_UNAVAILABLE'
  | 'UNEXPECTED';

/** Every problem there is, by its code. An error whose `code` is in the table is expected; all others are bugs. */
export type ProblemTable = Readonly<Record<OwnCode, ProblemKind>>;

/** A request that breaks the contract. Unlike other errors it may tell the caller what exactly is wrong. */
export class RequestNotValid extends Error {
  readonly code = 'REQUEST_NOT_VALID' satisfies OwnCode;
  /** One line a problem. Names fields and rules, never values: a value may be a secret in the wrong place. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'RequestNotValid';
    this.problems = problems;
  }
}

/** It is in every log line, so one of digits alone is not taken: it may be a phone number. */
const SANE_REQUEST_ID = /^(?=.*[A-Za-z])[A-Za-z0-9._-]{8,64}$/;
const REQUEST_ID_HEADER = 'X-Request-Id';

/** Gives every request an id, the caller's where it is sane, answers with it and puts it into the context. */
export function requestIds(): RequestHandler {
  return (req, res, next) => {
    const given = req.get(REQUEST_ID_HEADER);
    const requestId = given !== undefined && SANE_REQUEST_ID.test(given) ? given : randomUUID();
    res.set(REQUEST_ID_HEADER, requestId);
    withContext({ requestId }, next);
  };
}

/** The last route of an application: whatever came here has no address. */
export function unknownRoute(table: ProblemTable): RequestHandler {
  return (_req, res) => {
    sendProblem(res, { code: 'NOT_FOUND', ...table.NOT_FOUND });
  };
}

/**
 * The last middleware of an application: every error leaves as an RFC 9457 problem document.
 *
 * What is not in the table is answered with a fixed text; its cause goes to the log and nowhere else.
 */
export function problemResponses(table: ProblemTable, log: Logger): ErrorRequestHandler {
  // eslint-disable-next-line max-params -- Express knows an error handler by its four parameters.
  return (error: unknown, _req, res, next) => {
    const problem = problemOf(table, error);
    logProblem(log, problem, error);
    // An answer that has begun cannot become another one: Express cuts the connection, so that nobody believes half of it.
    if (res.headersSent) {
      next(error);
      return;
    }
    sendProblem(res, problem);
  };
}

interface Problem extends ProblemKind {
  readonly code: string;
  readonly detail?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** When a busy or absent part does not say how long it will be. */
const DEFAULT_RETRY_AFTER_MS = 2_000;

function problemOf(table: ProblemTable, error: unknown): Problem {
  const own = (code: OwnCode, detail?: string): Problem => ({ code, ...table[code], detail });
  if (error instanceof RequestNotValid) return own(error.code, error.message);
  const expected = expectedProblem(table, error);
  if (expected !== undefined) return expected;
  const bodyCode = bodyProblemCode(error);
  if (bodyCode !== undefined) return own(bodyCode);
  if (isDatabaseUnavailable(error)) return own('DATABASE_UNAVAILABLE');
  return own('UNEXPECTED');
}

function expectedProblem(table: ProblemTable, error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const kinds: Readonly<Record<string, ProblemKind>> = table;
  const kind = Object.hasOwn(kinds, error.code) ? kinds[error.code] : undefined;
  if (kind === undefined) return undefined;
  const retryAfterMs =
    'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined;
  return { code: error.code, ...kind, retryAfterMs };
}

/** Source: expressjs/body-parser, README, "Errors". */
const CODE_BY_BODY_ERROR: ReadonlyMap<string, OwnCode> = new Map([
  ['entity.too.large', 'BODY_TOO_LARGE'],
  ['encoding.unsupported', 'BODY_NOT_JSON'],
  ['charset.unsupported', 'BODY_NOT_JSON'],
  ['entity.parse.failed', 'BODY_NOT_PARSEABLE'],
  ['request.size.invalid', 'BODY_NOT_PARSEABLE'],
  ['request.aborted', 'BODY_NOT_PARSEABLE'],
]);

function bodyProblemCode(error: unknown): OwnCode | undefined {
  // Express's router throws this one for an address with a broken percent escape.
  if (error instanceof URIError) return 'REQUEST_NOT_VALID';
  if (!(error instanceof Error) || !('type' in error) || typeof error.type !== 'string') return undefined;
  return CODE_BY_BODY_ERROR.get(error.type);
}

function sendProblem(res: Response, problem: Problem): void {
  const { code, status, publicText, detail = publicText } = problem;
  const requestId = res.get(REQUEST_ID_HEADER);
  if (status === 429 || status === 503) {
    const seconds = Math.max(1, Math.ceil((problem.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) / 1_000));
    res.set('Retry-After', String(seconds));
  }
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: `urn:plantao:problem:${code}`, title: publicText, status, detail, code, requestId }));
}

function logProblem(log: Logger, problem: Problem, error: unknown): void {
  const line = { event: 'request.refused', code: problem.code, status: problem.status };
  if (problem.code === 'UNEXPECTED') log.error({ ...line, err: error }, 'A request met a bug');
  else if (problem.status >= 500) log.warn({ ...line, err: error }, 'A request could not be served');
  else log.info(line, 'A request was refused');
}
