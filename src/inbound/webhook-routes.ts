import express from 'express';
import type { Request, Response, Router } from 'express';
import { currentContext, withContext } from '../platform/context.ts';
import { inSpan, saneTraceparent } from '../platform/tracing.ts';
import type { SpanOptions } from '../platform/tracing.ts';
import { webhookRejected } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import { receiveWebhook } from './receive-webhook.ts';
import type { ReceiveWebhookNeeds } from './receive-webhook.ts';

/** A WhatsApp message with a thumbnail and a quoted message takes tens of kilobytes; beyond this it is not a message. */
const BODY_BYTES_MAX = 1_048_576;

/** `POST /webhooks/whaticket/:channelId`, and with the secret as a last part for gateways that can do nothing else. */
export function webhookRoutes(needs: ReceiveWebhookNeeds): Router {
  const router = express.Router();
  // Compressed bodies are refused, not inflated: the signature is over the bytes that were sent.
  const rawBody = express.raw({ type: () => true, limit: BODY_BYTES_MAX, inflate: false });
  router.post('/webhooks/whaticket/:channelId{/:secret}', assertPlainJson, rawBody, async (req, res) => {
    await take(needs, req, res);
  });
  return router;
}

function assertPlainJson(req: Request, _res: Response, next: () => void): void {
  const encoding = req.headers['content-encoding'];
  const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const isJson = type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'));
  if (!isJson || (encoding !== undefined && encoding !== 'identity')) throw new Failure('BODY_NOT_JSON');
  next();
}

const SPAN_NAME = 'POST /webhooks/whaticket/:channelId';

function spanOf(req: Request, requestId: string): SpanOptions {
  return {
    kind: 'server',
    parent: saneTraceparent(req.headers.traceparent),
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/webhooks/whaticket/:channelId',
      'plantao.request_id': requestId,
    },
  };
}

async function take(needs: ReceiveWebhookNeeds, req: Request, res: Response): Promise<void> {
  const { requestId = '' } = currentContext();
  const { channelId, secret } = req.params;
  const body: unknown = req.body;
  try {
    const status = await withContext({ channelId: String(channelId) }, () =>
      inSpan(SPAN_NAME, spanOf(req, requestId), async (span) => {
        const disposition = await receiveWebhook(needs, {
          channelId: String(channelId),
          urlSecret: typeof secret === 'string' ? secret : undefined,
          headers: req.headers,
          // A request without a body leaves no buffer behind; it is an empty one.
          rawBody: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
          remoteAddress: req.ip ?? '',
          requestId,
        });
        span.set({ 'plantao.disposition': disposition });
        return disposition;
      }),
    );
    res.json({ status, requestId });
  } catch (error) {
    if (!(error instanceof Failure)) throw new Failure('NOT_STORED', { retryAfterMs: 1_000 }, { cause: error });
    webhookRejected(needs.log, { reason: error.code });
    throw error;
  }
}
