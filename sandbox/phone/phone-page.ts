import { randomUUID } from 'node:crypto';
import express from 'express';
import type { NextFunction, Request, Response, Router } from 'express';
import { z } from 'zod';
import { EventStreams } from './event-streams.ts';
import { ATTACHMENT_KINDS, TEXT_LENGTH_MAX } from './phone-message.ts';
import type { Activity, CustomerMessage, PhoneMessage, Ticks } from './phone-message.ts';
import { Problem, problemFrom, sendProblem } from './problem.ts';

/** What can be made to go wrong, one at a time. */
export const FAULTS = ['none', 'gateway-down', 'gateway-drops', 'model-slow', 'model-429', 'model-offline'] as const;
export type Fault = (typeof FAULTS)[number];

export interface PhoneCustomer {
  readonly id: string;
  readonly name: string;
  /** Digits with country and area code. */
  readonly phone: string;
  /** CSS colour on which white letters can be read. */
  readonly colour: string;
  /** Questions to try. */
  readonly examples: readonly string[];
}

/** What a person did on a phone. The id is the page's: the same id sent again is the same message. */
export type NewPhoneMessage = Pick<CustomerMessage, 'id' | 'kind' | 'text'>;

export interface SendOutcome {
  readonly accepted: boolean;
  /** From the send to the webhook's answer. */
  readonly milliseconds: number;
}

export type PhoneEvent =
  | { readonly type: 'message'; readonly customerId: string; readonly message: PhoneMessage }
  | {
      readonly type: 'ticks';
      readonly customerId: string;
      readonly messageId: string;
      readonly ticks: Ticks;
      readonly acceptedMs?: number | undefined;
      readonly answeredMs?: number | undefined;
    }
  | { readonly type: 'typing'; readonly customerId: string; readonly activity: Activity }
  | { readonly type: 'faults'; readonly fault: Fault };

/** The people, their chats and the faults behind the page. */
export interface PhoneTown {
  /** Whom the customers write to, as the chat's title. */
  readonly company: string;
  readonly apiDocsUrl: string;
  readonly customers: readonly PhoneCustomer[];
  /** Oldest first. */
  history(customerId: string): readonly PhoneMessage[];
  activity(customerId: string): Activity;
  /** Resolves when the webhook has answered, or did not in time: a refusal is an outcome, not an exception. */
  send(customerId: string, message: NewPhoneMessage): Promise<SendOutcome>;
  fault(): Fault;
  setFault(fault: Fault): void;
  /** Returns the end of the subscription. */
  onEvent(listener: (event: PhoneEvent) => void): () => void;
}

/** The longest text, each of its characters escaped (`\u0000`), and the JSON around it. */
const BODY_SIZE_MAX = '32kb';

const FILES = new Map([
  ['/phone', 'index.html'],
  ...['phone.css', 'phone.js', 'chat.js', 'composer.js', 'panels.js', 'server.js', 'icon.svg'].map(
    (file) => [`/phone/${file}`, file] as const,
  ),
]);

/**
 * The phone in the browser, under `/phone`, and the small API it lives on, under `/phone/api`.
 *
 * For one's own machine: whoever reaches the page can write as any of the customers. Its event streams stay open until
 * the browser leaves, so a server that closes must close all its connections.
 */
export function phonePage(town: PhoneTown): Router {
  const router = express.Router();
  router.use('/phone', protectPage);
  for (const [address, file] of FILES) {
    router.get(address, (_req, res) => {
      res.sendFile(file, { root: import.meta.dirname, cacheControl: false });
    });
  }

  router.use('/phone/api', requireJson, express.json({ limit: BODY_SIZE_MAX }));
  router.get('/phone/api/state', (_req, res) => {
    res.json(phoneState(town));
  });
  const streams = new EventStreams();
  router.get('/phone/api/events', (_req, res) => {
    // The whole state comes first, on the same line: nothing can happen between it and the events.
    streams.open(res, (tell) => {
      tell({ type: 'state', ...phoneState(town) });
      return town.onEvent(tell);
    });
  });
  router.post('/phone/api/customers/:id/messages', async (req, res) => {
    const customer = getCustomer(town, req.params.id);
    const message: NewPhoneMessage = MessageBody.parse(req.body);
    res.status(201).json({ id: message.id, ...(await town.send(customer.id, message)) });
  });
  router.post('/phone/api/faults', (req, res) => {
    town.setFault(FaultBody.parse(req.body).fault);
    res.json({ fault: town.fault() });
  });
  router.use('/phone/api', (req) => {
    throw new Problem(404, `The phone has no ${req.method} ${req.originalUrl.slice(0, 200)}`);
  });
  router.use('/phone', answerProblem);
  return router;
}

/** Everything the page shows, at once. */
function phoneState(town: PhoneTown): object {
  return {
    company: town.company,
    apiDocsUrl: town.apiDocsUrl,
    fault: town.fault(),
    customers: town.customers.map((customer) => ({
      ...customer,
      activity: town.activity(customer.id),
      messages: town.history(customer.id),
    })),
  };
}

/** No inline code, nothing from elsewhere, no frame around it: what a message says can never run. */
function protectPage(_req: Request, res: Response, next: NextFunction): void {
  res.set({
    'Content-Security-Policy':
      "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
  });
  next();
}

/** A page of another site can post plain text to loopback unasked, but JSON only after a preflight, which we never grant. */
function requireJson(req: Request, _res: Response, next: NextFunction): void {
  if (req.method === 'POST' && req.is('application/json') === false) {
    throw new Problem(415, 'Send the body as application/json');
  }
  next();
}

const MessageId = z.string().regex(/^[\w-]{8,64}$/, 'must be 8 to 64 letters, digits, _ or -');
const MessageBody = z
  .strictObject({
    id: MessageId.default(() => randomUUID()),
    kind: z.enum(['text', ...ATTACHMENT_KINDS]).default('text'),
    text: z.string().max(TEXT_LENGTH_MAX).default(''),
  })
  .refine(({ kind, text }) => (kind === 'text') === (text.trim() !== ''), {
    path: ['text'],
    error: 'a text message needs words, an attachment has none',
  });
const FaultBody = z.strictObject({ fault: z.enum(FAULTS) });

function getCustomer(town: PhoneTown, id: string): PhoneCustomer {
  const customer = town.customers.find((each) => each.id === id);
  if (customer === undefined) throw new Problem(404, 'There is no such customer');
  return customer;
}

// eslint-disable-next-line max-params -- Express knows an error handler by its four parameters.
function answerProblem(error: unknown, _req: Request, res: Response, next: NextFunction): void {
  if (res.headersSent) {
    next(error);
    return;
  }
  sendProblem(res, problemFrom(error));
}
