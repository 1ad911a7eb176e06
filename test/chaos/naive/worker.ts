import { createServer } from 'node:http';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { z } from 'zod';
import { Job, POOL_OPTIONS, QUEUE, settings } from './settings.ts';

/* One job is one message: ask the model, send the answer, done. What fails is tried three times. */
const db = new Pool(POOL_OPTIONS);
db.on('error', () => undefined);
const connection = new Redis(settings.REDIS_URL, { maxRetriesPerRequest: null });
connection.on('error', () => undefined);
const CALL_WITHIN_MS = 10_000;

const Answer = z.object({
  candidates: z.array(z.object({ content: z.object({ parts: z.array(z.object({ text: z.string() })) }) })),
});

const worker = new Worker(
  QUEUE,
  async (job) => {
    await answer(Job.parse(job.data));
  },
  { connection, concurrency: 50 },
);
worker.on('error', () => undefined);
createServer((_req, res) => res.end('ok')).listen(settings.PORT, '127.0.0.1');
process.on('disconnect', () => process.exit(0));

async function answer({ id, channel, phone, text }: Job): Promise<void> {
  const { rows } = await db.query('select 1 from contact where channel = $1 and phone = $2 and human_at is not null', [
    channel,
    phone,
  ]);
  if (rows.length > 0) {
    await settle(id, 'human');
    return;
  }
  if (text.includes('atendente')) {
    await db.query('update contact set human_at = clock_timestamp() where channel = $1 and phone = $2', [
      channel,
      phone,
    ]);
    await send({ channel, phone, text: `Vou chamar uma pessoa (${text.slice(0, 8)}).` });
    await settle(id, 'human');
    return;
  }
  await send({ channel, phone, text: await ask(text) });
  await settle(id, 'reply');
}

async function settle(id: string, kind: 'reply' | 'human'): Promise<void> {
  await db.query('update message set settled = $2, settled_at = clock_timestamp() where id = $1', [id, kind]);
}

async function ask(text: string): Promise<string> {
  const response = await fetch(`${settings.MODEL_URL}/v1beta/models/gemini-3.5-flash-lite:generateContent`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-goog-api-key': settings.MODEL_KEY },
    body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text }] }] }),
    signal: AbortSignal.timeout(CALL_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`The model answered ${response.status}`);
  const { candidates } = Answer.parse(await response.json());
  return candidates[0]?.content.parts[0]?.text ?? '';
}

async function send({ channel, phone, text }: { channel: string; phone: string; text: string }): Promise<void> {
  const { gateway = '', token = '' } = settings.CHANNELS[channel] ?? {};
  const response = await fetch(`${gateway}/api/messages/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ number: phone, body: text }),
    signal: AbortSignal.timeout(CALL_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`The gateway answered ${response.status}`);
}
