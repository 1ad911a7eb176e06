import { STATUS_CODES } from 'node:http';
import type { Response } from 'express';
import { z } from 'zod';

/** A request that cannot be done, in words for who made it. */
export class Problem extends Error {
  readonly status: number;

  constructor(status: number, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.status = status;
  }
}

/** What the body parser throws: it carries the status it wants, and says itself whether its words may be shown. */
const HttpError = z.object({ status: z.int().min(400).max(499), message: z.string(), expose: z.literal(true) });

/** Bad input tells what is wrong with it; anything else is our bug, and its words stay here. */
export function problemFrom(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof z.ZodError) return new Problem(400, z.prettifyError(error), { cause: error });
  const http = HttpError.safeParse(error);
  if (http.success) return new Problem(http.data.status, http.data.message, { cause: error });
  console.error('The phone page failed', error);
  return new Problem(500, 'The phone page failed; its log says why', { cause: error });
}

/** RFC 9457. */
export function sendProblem(res: Response, { status, message }: Problem): void {
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: message }));
}
