import { createHmac, timingSafeEqual } from 'node:crypto';
import { Queue } from 'bullmq';
import express from 'express';
import type { Request, Response } from 'express';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { recogniseWebhook } from '../../../src/vendors/whaticket/webhook-payload.ts';
import { POOL_OPTIONS, QUEUE, REDIS_OPTIONS, settings } from './settings.ts';
import type { Job } from './settings.ts';

/*
 * What a tutorial builds: check the signature, keep the message's id so that it is taken once, put the message into a
 * queue, say 200. It is kinder than most: when the queue takes nothing it forgets the id again and says 503.
 */
const db = new Pool(POOL_OPTIONS);
db.on('error', () => undefined);
const redis = new Redis(settings.REDIS_URL, REDIS_OPTIONS);
redis.on('error', () => undefined);
const queue = new Queue<Job>(QUEUE, {
  connection: redis,
  defaultJobOptions: { attempts: 3, backoff: { type: 'exponential', delay: 1_000 }, removeOnComplete: true },
});
queue.on('error', () => undefined);

const app = express();
app.post('/webhooks/:channel', express.raw({ type: () => true, limit: '1mb' }), async (req, res) => {
  await receive(req, res).catch(() => {
    res.status(503).set('retry-after', '1').end();
  });
});
app.post('/takeover/:id', async (req, res) => {
  const { rows } = await db.query(
    `update contact set human_at = coalesce(human_at, clock_timestamp())
      where (channel, phone) = (select channel, phone from message where id = $1) returning 1`,
    [req.params.id],
  );
  res.status(rows.length === 0 ? 404 : 200).end();
});
app.get('/readyz', (_req, res) => {
  res.end('ok');
});
app.listen(settings.PORT, '127.0.0.1');
process.on('disconnect', () => process.exit(0));

async function receive(req: Request, res: Response): Promise<void> {
  const name = String(req.params.channel);
  const channel = settings.CHANNELS[name];
  const body: unknown = req.body;
  if (channel === undefined || !Buffer.isBuffer(body) || !isSigned(body, channel.secret, req)) {
    res.status(401).end();
    return;
  }
  const event = recogniseWebhook(JSON.parse(body.toString()));
  if (event.type === 'message' && event.providerMessageId !== undefined) {
    const phone = event.addresses[0].value;
    await enqueueOnce({ id: event.providerMessageId, channel: name, phone, text: event.text ?? '' });
  }
  res.status(200).end();
}

async function enqueueOnce(job: Job): Promise<void> {
  const { id, channel, phone, text } = job;
  await db.query('insert into contact (channel, phone) values ($1, $2) on conflict do nothing', [channel, phone]);
  const { rowCount } = await db.query(
    'insert into message (id, channel, phone, text) values ($1, $2, $3, $4) on conflict do nothing',
    [id, channel, phone, text],
  );
  if (rowCount === 0) return;
  try {
    await queue.add('answer', job);
  } catch (error) {
    await db.query('delete from message where id = $1', [id]);
    throw error;
  }
}

function isSigned(body: Buffer, secret: string, req: Request): boolean {
  const expected = createHmac('sha256', secret).update(body).digest();
  const given = Buffer.from(req.get('x-webhook-signature') ?? '', 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
