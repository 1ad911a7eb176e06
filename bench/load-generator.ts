import { z } from 'zod';
import { newMessageId } from '../sandbox/whaticket/connection.ts';
import { webhookBody } from '../sandbox/whaticket/webhook-shapes.ts';
import { webhookHeaders } from '../sandbox/whaticket/webhook-signing.ts';
import { monotonicMs, systemClock } from '../src/platform/time.ts';
import { answerCommands } from './commands.ts';
import { KeepAliveLine, postBytes } from './keep-alive-line.ts';
import { phoneOf, questionOf } from './customers.ts';
import { percentile } from './report.ts';

const CUSTOMERS = 2_000;

const Preparation = z.object({
  targets: z.array(z.object({ url: z.url(), secret: z.string() })).min(1),
  count: z.int().positive(),
});
const Run = z.object({ url: z.url(), connections: z.int().positive(), seconds: z.number().positive() });

let prepared: Buffer[] = [];

/** Signs as many different messages as asked, so that none of that happens while the time runs. */
function prepare({ targets, count }: z.infer<typeof Preparation>): void {
  const places = targets.map(({ url, secret }) => ({ url: new URL(url), auth: { kind: 'hmac', secret } as const }));
  prepared = Array.from({ length: count }, (_, index) => {
    const place = places[index % places.length];
    if (place === undefined) throw new Error('There is nowhere to send to');
    const person = { phone: phoneOf('load', index % CUSTOMERS), name: 'Ana' };
    const event = { type: 'said', kind: 'text', id: newMessageId(), at: systemClock.now(), person } as const;
    const said = webhookBody('W1', { ...event, ticketId: 1, isFromUs: false, text: questionOf(index) });
    const body = Buffer.from(JSON.stringify(said));
    return postBytes(place.url, body, webhookHeaders(place.auth, body));
  });
}

/** Sends as fast as answers come, a fixed number of connections at once, each prepared message once. */
async function run({ url, connections, seconds }: z.infer<typeof Run>): Promise<object> {
  const lines = Array.from({ length: connections }, () => new KeepAliveLine(new URL(url)));
  const latencies: number[] = [];
  let refused = 0;
  const startedAt = monotonicMs();
  const endsAt = startedAt + seconds * 1_000;
  const drive = async (line: KeepAliveLine): Promise<void> => {
    while (monotonicMs() < endsAt) {
      const request = prepared.pop();
      if (request === undefined) return;
      const sentAt = monotonicMs();
      const status = await line.send(request);
      latencies.push(monotonicMs() - sentAt);
      if (status < 200 || status > 299) refused += 1;
    }
  };
  try {
    await Promise.all(lines.map(drive));
  } finally {
    for (const line of lines) line.close();
  }
  return {
    requests: latencies.length,
    refused,
    perSecond: (latencies.length / (monotonicMs() - startedAt)) * 1_000,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  };
}

answerCommands({
  prepare: (body) => {
    prepare(Preparation.parse(body));
  },
  run: (body) => run(Run.parse(body)),
});
