import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';
import { z } from 'zod';
import { listen } from '../src/platform/http-server.ts';
import { answerCommands } from './commands.ts';

/**
 * The least that a signed webhook can cost in Express 5: the raw body, its HMAC, an answer. Nothing is parsed and nothing
 * is kept. What the product takes longer than this is what it does.
 */
const app = express();
app.disable('x-powered-by');
app.set('etag', false);
let secret = '';
app.post('/webhooks', express.raw({ type: () => true, inflate: false }), (req, res) => {
  const body: unknown = req.body;
  const expected = createHmac('sha256', secret)
    .update(Buffer.isBuffer(body) ? body : '')
    .digest();
  const given = Buffer.from(req.get('x-webhook-signature') ?? '', 'hex');
  const isAuthentic = given.length === expected.length && timingSafeEqual(given, expected);
  res.status(isAuthentic ? 200 : 401).json({ status: isAuthentic ? 'accepted' : 'refused' });
});

answerCommands({
  start: async (body) => {
    ({ secret } = z.object({ secret: z.string() }).parse(body));
    const server = await listen(app, { host: '127.0.0.1', port: 0 });
    return { url: `http://127.0.0.1:${server.port}/webhooks` };
  },
});
