import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { z } from 'zod';
import { answerCommands } from '../bench/commands.ts';
import { replyTo } from '../k6/lib/questions.ts';
import type { Heard } from '../k6/lib/verification.ts';
import { GeminiStandIn } from '../sandbox/gemini/gemini-stand-in.ts';
import { WhaticketStandIn } from '../sandbox/whaticket/whaticket-stand-in.ts';

/**
 * Where replies end: a gateway that keeps what it was given, and a model that says what it was asked about. Whoever sent the
 * load reads here what came of it.
 */
const REPLIES_MAX = 2_000_000;
const PAGE = 5_000;

const gateway = await WhaticketStandIn.start();
const gemini = await GeminiStandIn.start({
  think: (_system, text) => ({ reply: replyTo(text), confidence: 0.95, wantsHuman: false }),
});
const heard: Heard[] = [];
const refused: { run: string; number: number }[] = [];
/** So that it can be seen that a lost or doubled reply is noticed. */
const sabotage = { at: -1, how: 'none' };
gateway.onSent(({ phone, text, at }) => {
  if (heard.length >= REPLIES_MAX) throw new Error('So many replies are more than this sink can keep');
  const reply = { phone, text, atMs: at.getTime() };
  const isStruck = heard.length === sabotage.at;
  if (isStruck) sabotage.at = -1;
  if (!isStruck || sabotage.how === 'double') heard.push(reply);
  if (isStruck && sabotage.how === 'double') heard.push(reply);
});

const Page = z.object({ after: z.coerce.number().int().min(0).default(0) });
const Refused = z.object({ run: z.string(), number: z.int() });
const Delay = z.object({ ms: z.int().min(0) });
const Connection = z.object({ name: z.string(), token: z.string(), url: z.url(), secret: z.string() });
const Sabotage = z.object({ at: z.int().min(0), how: z.enum(['lose', 'double']) });

function thinkFor(body: unknown): void {
  const { ms } = Delay.parse(body);
  gemini.faults.set(ms === 0 ? { mode: 'none' } : { mode: 'slow', delayMs: ms });
}

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.get('/replies', (req, res) => {
  const { after } = Page.parse(req.query);
  const replies = heard.slice(after, after + PAGE);
  res.json({ replies, next: after + replies.length, refused });
});
app.post('/refused', (req, res) => {
  if (refused.length < REPLIES_MAX) refused.push(Refused.parse(req.body));
  res.json({});
});
app.post('/model', (req, res) => {
  thinkFor(req.body);
  res.json({});
});
const server = createServer(app);
const { promise: listening, resolve } = Promise.withResolvers<undefined>();
server.listen(Number(process.env.SINK_PORT ?? 0), '127.0.0.1', () => {
  resolve(undefined);
});
await listening;
const addresses = {
  gateway: gateway.url,
  gemini: gemini.url,
  sink: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
};

// Started by hand: it knows one channel, and tells where it is.
const { SINK_TOKEN } = process.env;
if (SINK_TOKEN !== undefined) {
  const webhook = { url: addresses.sink, shape: 'W1', auth: { kind: 'hmac', secret: 'unused' } } as const;
  gateway.addConnection({ name: 'load', token: SINK_TOKEN, profile: 'launcherbr', webhook, echoes: false });
  console.log(JSON.stringify(addresses, undefined, 2));
}

answerCommands({
  addresses: () => ({ ...addresses, ...gateway.login }),
  connect: (body) => {
    const { url, secret, ...rest } = Connection.parse(body);
    const webhook = { url, shape: 'W1', auth: { kind: 'hmac', secret } } as const;
    gateway.addConnection({ ...rest, profile: 'launcherbr', webhook, echoes: false });
  },
  thinkFor,
  sabotage: (body) => {
    Object.assign(sabotage, Sabotage.parse(body));
  },
});
