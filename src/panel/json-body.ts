import express from 'express';
import type { RequestHandler } from 'express';
import { Failure } from '../vocabulary/failures.ts';

/** A knowledge document is the largest thing that people send; a megabyte is some three hundred pages of text. */
const BODY_BYTES_MAX = 1_048_576;

const assertPlainJson: RequestHandler = (req, _res, next) => {
  const encoding = req.get('content-encoding') ?? 'identity';
  const hasBody = req.get('transfer-encoding') !== undefined || Number(req.get('content-length') ?? 0) > 0;
  const isJson = req.is(['application/json', 'application/*+json']) !== false;
  if (hasBody && (encoding.toLowerCase() !== 'identity' || !isJson)) throw new Failure('BODY_NOT_JSON');
  next();
};

const emptyWhenAbsent: RequestHandler = (req, _res, next) => {
  const body: unknown = req.body;
  if (body === undefined) req.body = {};
  next();
};

/**
 * Reads a JSON body. None at all counts as an empty object, so that a call without options needs no body.
 *
 * Compressed bodies are refused, not inflated: a small one may become a very large one.
 */
export const jsonBody: readonly RequestHandler[] = [
  assertPlainJson,
  express.json({ limit: BODY_BYTES_MAX, inflate: false, strict: false, type: () => true }),
  emptyWhenAbsent,
];
