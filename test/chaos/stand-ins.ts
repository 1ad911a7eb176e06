import { z } from 'zod';
import { answerCommands } from '../../bench/commands.ts';
import { GeminiStandIn } from '../../sandbox/gemini/gemini-stand-in.ts';
import type { Connection } from '../../sandbox/whaticket/connection.ts';
import { newMessageId } from '../../sandbox/whaticket/connection.ts';
import { webhookBody } from '../../sandbox/whaticket/webhook-shapes.ts';
import { WhaticketStandIn } from '../../sandbox/whaticket/whaticket-stand-in.ts';
import { pause, systemClock } from '../../src/platform/time.ts';
import type { OpenGateway } from './pipeline.ts';
import { ModelLine } from './model-line.ts';
import { answerByNumber } from './numbered-brain.ts';
import type { Received } from './history.ts';

/**
 * The world around a run, in a process that no fault touches: a gateway for each tenant, and a model that takes its time.
 *
 * The gateways keep what they were given, in the order in which they got it. That is what the customers have read.
 */
const gemini = await GeminiStandIn.start({ think: answerByNumber });
const line = await ModelLine.start(gemini.url);
const gateways = new Map<string, WhaticketStandIn>();
const channels = new Map<string, { readonly connection: Connection; readonly hasEcho: boolean }>();
const received: Received[] = [];
/** The next sends of each tenant whose answer is dropped, and who got them. */
const dropsLeft = new Map<string, number>();
const dropped: { channel: string; phone: string }[] = [];

/** What a model takes to answer when all is well: long enough to be killed in. */
const THINK_MS = 250;
gemini.faults.set({ mode: 'slow', delayMs: THINK_MS });

const NewGateway = z.object({ tenant: z.string() });
const NewChannel = z.object({
  tenant: z.string(),
  channel: z.string(),
  token: z.string(),
  url: z.url(),
  secret: z.string(),
  shape: z.enum(['W1', 'W4']),
  hasEcho: z.boolean(),
});
const GatewayFault = z.object({ times: z.int().min(0) });
const Wait = z.object({ worker: z.string(), withinMs: z.number() });
const WaitForAnswer = z.object({ questionId: z.string(), withinMs: z.number() });
const ModelFault = z.object({ mode: z.enum(['none', '429', '503', 'hang']) });

async function openGateway({ tenant }: z.infer<typeof NewGateway>): Promise<z.infer<typeof OpenGateway>> {
  const gateway = await WhaticketStandIn.start();
  gateways.set(tenant, gateway);
  gateway.onSent(({ token, phone, text, at }) => {
    const channel = channels.get(token);
    if (channel === undefined) return;
    const { name } = channel.connection;
    received.push({ channel: name, phone, text, at: at.getTime() });
    const drops = dropsLeft.get(tenant) ?? 0;
    dropsLeft.set(tenant, Math.max(0, drops - 1));
    if (drops > 0) dropped.push({ channel: name, phone });
    if (channel.hasEcho) void echo(channel.connection, { phone, text });
  });
  return { url: gateway.url, ...gateway.login };
}

function connect({ tenant, channel, hasEcho, shape, ...rest }: z.infer<typeof NewChannel>): void {
  const webhook = { url: rest.url, shape, auth: { kind: 'hmac', secret: rest.secret } } as const;
  const options = { name: channel, token: rest.token, profile: 'launcherbr', webhook, echoes: false } as const;
  const connection = gateways.get(tenant)?.addConnection(options);
  if (connection !== undefined) channels.set(rest.token, { connection, hasEcho });
}

const ECHO_ATTEMPTS_MAX = 240;
const ECHO_RETRY_MS = 500;

/** Repeats what was sent until somebody takes it, the same event each time, as a good sender does. */
async function echo(connection: Connection, { phone, text }: { phone: string; text: string }): Promise<void> {
  const event = { type: 'said', kind: 'text', id: newMessageId(), at: systemClock.now(), ticketId: 1, text } as const;
  const body = JSON.stringify(webhookBody(connection.webhook.shape, { ...event, person: { phone }, isFromUs: true }));
  for (let attempt = 1; attempt <= ECHO_ATTEMPTS_MAX; attempt += 1) {
    const status = await connection.post(body).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status >= 200 && status < 300) return;
    await pause(ECHO_RETRY_MS);
  }
}

answerCommands({
  model: () => ({ url: line.url }),
  gateway: (body) => openGateway(NewGateway.parse(body)),
  connect: (body) => {
    connect(NewChannel.parse(body));
  },
  breakGateways: (body) => {
    const { times } = GatewayFault.parse(body);
    for (const [tenant, gateway] of gateways) {
      dropsLeft.set(tenant, times);
      gateway.faults.set(times === 0 ? { mode: 'none' } : { mode: 'drop-after-accepting', times });
    }
    return dropped.splice(0);
  },
  breakModel: (body) => {
    const { mode } = ModelFault.parse(body);
    gemini.faults.set(mode === 'none' ? { mode: 'slow', delayMs: THINK_MS } : { mode, retryDelay: '2s' });
  },
  untilAsked: (body) => line.untilAskedBy(Wait.parse(body)),
  untilAnswering: (body) => line.untilAnswering(WaitForAnswer.parse(body)),
  untilReplaced: (body) => line.untilReplaced(Wait.parse(body)),
  drafts: () => line.drafts,
  received: () => received,
});
