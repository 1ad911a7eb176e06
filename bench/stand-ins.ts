import { z } from 'zod';
import { GeminiStandIn } from '../sandbox/gemini/gemini-stand-in.ts';
import type { Connection } from '../sandbox/whaticket/connection.ts';
import { WhaticketStandIn } from '../sandbox/whaticket/whaticket-stand-in.ts';
import { monotonicMs, pause } from '../src/platform/time.ts';
import { answerCommands } from './commands.ts';
import { phoneOf, questionOf } from './customers.ts';
import { Ledger } from './ledger.ts';

/**
 * The world around the product: a gateway with its customers, and a model that always says the same at once.
 *
 * Both run in this one process, apart from the product, and their own time is part of every figure that is taken here.
 */
const gateway = await WhaticketStandIn.start();
const gemini = await GeminiStandIn.start();
gemini.answers('Abrimos às 8h e fechamos às 20h, de segunda a sábado.', 0.9);

const connections = new Map<string, Connection>();
const ledger = new Ledger();
gateway.onSent(({ phone }) => {
  ledger.replied(phone, monotonicMs());
});

const NewConnection = z.object({
  name: z.string(),
  token: z.string(),
  url: z.url(),
  secret: z.string(),
  echoes: z.boolean(),
});
const Area = z.enum(['path', 'prompt', 'killed']);
const Traffic = z.object({
  connection: z.string(),
  area: Area,
  customers: z.int().positive(),
  perSecond: z.number().positive(),
  seconds: z.number().positive(),
});
const Drain = z.object({ timeoutMs: z.number() });
/** In a talk each message waits for the answer to the one before it; without one there is nothing more to measure. */
const ANSWER_WITHIN_MS = 15_000;

const Talk = z.object({ connection: z.string(), messages: z.int().positive() });

function connectionOf(name: string): Connection {
  const connection = connections.get(name);
  if (connection === undefined) throw new Error(`There is no connection ${name}`);
  return connection;
}

function connect(options: z.infer<typeof NewConnection>): void {
  const { name, token, url, secret, echoes } = options;
  const webhook = { url, shape: 'W1', auth: { kind: 'hmac', secret } } as const;
  connections.set(name, gateway.addConnection({ name, token, profile: 'launcherbr', webhook, echoes }));
}

/** Open traffic: messages come at their times, whether or not the earlier ones have been answered. */
async function traffic({
  connection: name,
  area,
  customers,
  perSecond,
  seconds,
}: z.infer<typeof Traffic>): Promise<void> {
  const connection = connectionOf(name);
  const count = Math.round(perSecond * seconds);
  const startedAt = monotonicMs();
  const posts: Promise<void>[] = [];
  while (posts.length < count) {
    const due = Math.min(count, Math.ceil(((monotonicMs() - startedAt) * perSecond) / 1_000));
    for (let index = posts.length; index < due; index += 1) {
      const dueAt = startedAt + (index / perSecond) * 1_000;
      posts.push(post(connection, { phone: phoneOf(area, index % customers), text: questionOf(index), dueAt }));
    }
    await pause(1);
  }
  await Promise.all(posts);
}

/** The clock of a message starts when it was due: a generator that comes late must not make the product look early. */
async function post(
  connection: Connection,
  { phone, text, dueAt }: { phone: string; text: string; dueAt: number },
): Promise<void> {
  const entry = ledger.posted(phone, dueAt, monotonicMs());
  try {
    const { status } = await connection.customerWrites({ phone, name: 'Ana', text });
    ledger.answered(entry, monotonicMs(), status);
  } catch {
    ledger.answered(entry, monotonicMs(), 0);
  }
}

/** One customer who writes again as soon as there is an answer. Returns the size of the prompt of each message. */
async function talk({ connection: name, messages }: z.infer<typeof Talk>): Promise<{ promptBytes: number[] }> {
  const connection = connectionOf(name);
  const phone = phoneOf('prompt', 1);
  const promptBytes: number[] = [];
  for (let index = 0; index < messages; index += 1) {
    const now = monotonicMs();
    await post(connection, { phone, text: questionOf(index), dueAt: now });
    if (!(await ledger.untilQuiet(ANSWER_WITHIN_MS))) throw new Error(`Message ${index + 1} was not answered`);
    promptBytes.push(gemini.requests.at(-1)?.bytes ?? 0);
  }
  return { promptBytes };
}

answerCommands({
  addresses: () => ({ gateway: gateway.url, gemini: gemini.url, ...gateway.login }),
  connect: (body) => {
    connect(NewConnection.parse(body));
  },
  traffic: (body) => traffic(Traffic.parse(body)),
  /** Waits for the replies that are still to come, and tells what has happened since it was last asked. */
  account: async (body) => {
    await ledger.untilQuiet(Drain.parse(body).timeoutMs);
    return ledger.takeAccount();
  },
  talk: (body) => talk(Talk.parse(body)),
  thinkFor: (body) => {
    const { ms } = z.object({ ms: z.int().min(0) }).parse(body);
    gemini.faults.set(ms === 0 ? { mode: 'none' } : { mode: 'slow', delayMs: ms });
  },
});
