import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { PROFILE_NAMES, messagesOf, planProfile, secondsOf } from '../../k6/lib/profiles.ts';
import { marksIn, phoneOf, replyTo, textOf, webhookBody } from '../../k6/lib/questions.ts';
import { optionsOf } from '../../k6/lib/scenario.ts';
import { THRESHOLDS, percentileOf } from '../../k6/lib/thresholds.ts';
import { certainCount, marksOfRun, problemsOf, verify } from '../../k6/lib/verification.ts';
import type { Asked, Heard } from '../../k6/lib/verification.ts';
import { BEGIN, withResults } from '../../load/report.ts';
import { readRecords } from '../../load/records.ts';
import { isAuthentic } from '../../src/inbound/webhook-authentication.ts';
import { Secret } from '../../src/platform/secret.ts';
import { recogniseWebhook } from '../../src/vendors/whaticket/webhook-payload.ts';
import { projectFiles, read } from '../drift/project.ts';
import { readRules } from '../support/alert-rules.ts';
import { runProgram } from '../support/run-program.ts';

const SECRET = 'a-secret-of-the-load';
const CUSTOMERS = 3;

/** The numbers that the expressions of an alert compare with, in the order in which they stand. */
function boundsOf(alert: string): readonly number[] {
  return readRules()
    .filter((rule) => rule.alert === alert)
    .flatMap(({ expr }) => [...expr.matchAll(/ > (?:[\d.]+ \* )?([\d.]+)(?![\d.]* \*)/g)])
    .map(([, number]) => Number(number));
}

function expressionOf(record: string): string {
  return readRules().find((rule) => rule.record === record)?.expr ?? '';
}

describe('the thresholds of the load', () => {
  it.each([
    ['IntakeBudgetBurn', THRESHOLDS.intakeBadShare],
    ['ReplyBudgetBurn', THRESHOLDS.replyLateShare],
    ['HttpLatencyHigh', THRESHOLDS.requestP95Seconds],
    ['HttpErrorRateHigh', THRESHOLDS.failedShare],
    ['WebhooksRejected', THRESHOLDS.rejectedMax],
    ['ModelSlow', THRESHOLDS.modelP95Seconds],
    ['QueueBacklog', THRESHOLDS.inboxOldestSeconds],
    ['EventLoopLag', THRESHOLDS.eventLoopLagSeconds],
  ])('are those of the alert %s', (alert, threshold) => {
    expect(boundsOf(alert)[0]).toBe(threshold);
  });

  it('are those of both objectives, and of the outbox', () => {
    const ofBucket = (record: string): unknown => /le=~"(\d+)\|/.exec(expressionOf(record))?.[1];

    expect(ofBucket('plantao:intake_bad:rate5m')).toBe(String(THRESHOLDS.intakeWithinSeconds));
    expect(ofBucket('plantao:reply_bad:rate5m')).toBe(String(THRESHOLDS.replyWithinSeconds));
    expect(boundsOf('QueueBacklog')[1]).toBe(THRESHOLDS.outboxOldestSeconds);
    expect(boundsOf('WebhooksRejected')[1]).toBe(THRESHOLDS.notAuthenticMax);
  });

  it('reach k6 in every profile, and only a ramp ends at them', () => {
    for (const name of PROFILE_NAMES) {
      const { thresholds } = optionsOf(planProfile(name));

      expect(thresholds).toMatchObject({
        'http_req_duration{kind:webhook}': [{ threshold: 'p(95)<=1000' }, { threshold: 'p(99.9)<=1000' }],
        webhooks_bad: [{ threshold: 'rate<=0.001', abortOnFail: name === 'ramp' }],
        reply_ms: [{ threshold: 'p(99)<=15000' }],
        verified: [{ threshold: 'count==1' }],
        webhooks_rejected: [{ threshold: 'count<=30' }],
        webhooks_not_authentic: [{ threshold: 'count<=5' }],
        replies_lost: [{ threshold: 'count==0' }],
        replies_doubled: [{ threshold: 'count==0' }],
      });
    }
    expect(percentileOf(0.001)).toBe('p(99.9)');
  });
});

describe('a profile', () => {
  it('says how many messages it posts, and lasts as long as it is told', () => {
    expect(PROFILE_NAMES.map((name) => Math.round(secondsOf(planProfile(name, 2).stages) / 60))).toEqual([
      2, 2, 2, 2, 2,
    ]);
    expect(messagesOf(planProfile('steady', 1).stages)).toBe(2_400);
  });

  it('lets the slow model be slower than all others and faster than what lights an alert', () => {
    const { modelMs, stages } = planProfile('slow-model');

    expect(modelMs).toBeLessThan(THRESHOLDS.modelP95Seconds * 1_000);
    // Turns that wait for it at any time, of the fifty that a worker takes.
    expect((modelMs / 1_000) * (stages[0]?.perSecond ?? 0)).toBe(40);
  });

  it('gives a customer the time to be answered before they write again', () => {
    for (const name of PROFILE_NAMES) {
      const { customers, stages, modelMs } = planProfile(name);
      const highest = Math.max(...stages.map(({ perSecond }) => perSecond));

      expect(customers / highest).toBeGreaterThan(modelMs / 1_000);
    }
  });
});

describe('a message of the load', () => {
  const mark = { run: 'ab12', number: 41, postedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5) };

  it('is one that the product understands, and carries who, which and when', () => {
    const phone = phoneOf(mark.number, CUSTOMERS);
    const event = recogniseWebhook(JSON.parse(webhookBody(mark, phone)));

    expect(event).toMatchObject({ type: 'message' });
    expect(JSON.stringify(event)).toContain(phone);
    expect(marksIn(textOf(mark))).toEqual([mark]);
  });

  it('is named by the reply to it, together with those it is answered with', () => {
    const other = { ...mark, number: 42 };

    expect(marksIn(replyTo(`${textOf(mark)}\n${textOf(other)}`))).toEqual([mark, other]);
  });
});

describe('the verification', () => {
  const asked: Asked = { run: 'ab12', count: 6, customers: CUSTOMERS, refused: new Set([5]) };
  const reply = (number: number, to = phoneOf(number, CUSTOMERS)): Heard => {
    return { phone: to, text: replyTo(textOf({ run: 'ab12', number, postedAtMs: 1_000 })), atMs: 1_250 };
  };
  const all = [0, 1, 2, 3, 4].map((number) => reply(number));

  it('finds nothing wrong when each was answered once, in order, to whom had asked', () => {
    const verdict = verify(asked, all);

    expect(problemsOf(verdict)).toEqual([]);
    expect(verdict).toMatchObject({ answered: 5, waitsMs: [250, 250, 250, 250, 250] });
    expect(problemsOf(verify(asked, [...all, reply(5)]))).toEqual([]);
  });

  it.each([
    ['lost', { lost: [2] }, all.toSpliced(2, 1)],
    ['doubled', { doubled: [2] }, [...all, reply(2)]],
    ['doubled, though nobody had said yes to it', { doubled: [5] }, [...all, reply(5), reply(5)]],
    ['answered before an earlier one', { outOfOrder: [0] }, [reply(3), ...all.toSpliced(3, 1)]],
    ['answered to somebody else', { mixed: [4] }, [...all.slice(0, 4), reply(4, phoneOf(5, CUSTOMERS))]],
    ['answered and never asked', { withoutCause: [expect.any(String)] }, [...all, reply(6)]],
    [
      'answered in the words of a bot without a model',
      { withoutCause: ['Oi!'] },
      [...all, { ...reply(0), text: 'Oi!' }],
    ],
  ] as const)('notices one that is %s', (_what, expected, heard) => {
    const verdict = verify(asked, heard);

    expect(verdict).toMatchObject(expected);
    expect(problemsOf(verdict)).toHaveLength(1);
  });

  it('does not miss what was under way when a run was broken off', () => {
    const at = (number: number, postedAtMs: number): Heard => ({
      ...reply(number),
      text: replyTo(textOf({ run: 'ab12', number, postedAtMs })),
    });
    const heard = [at(0, 1_000), at(2, 20_000), at(4, 25_000)];
    const certainBelow = certainCount(marksOfRun('ab12', heard), 10_000);

    expect(certainBelow).toBe(2);
    expect(verify({ ...asked, certainBelow }, heard).lost).toEqual([1]);
  });
});

describe('the scripts of k6', () => {
  const scripts = projectFiles().filter((file) => /^k6\/[^/]+\.ts$/.test(file));

  it('are one for each profile, and say how they are run', () => {
    const planned = scripts.map((file) => /planFrom\('([\w-]+)'/.exec(read(file))?.[1]);

    expect(planned.toSorted()).toEqual([...PROFILE_NAMES].toSorted());
    for (const file of scripts) {
      expect(read(file)).toContain(`k6 run -e BASE_URL=… -e CHANNEL_ID=… -e SECRET=… -e SINK_URL=… ${file}`);
    }
  });

  it.each([
    ['k6/webhook-burst.ts', 'answers all', { replies_lost: 0, replies_doubled: 0 }],
    ['k6/webhook-burst.ts', 'loses one', { replies_lost: 1, replies_doubled: 0 }],
    ['k6/webhook-burst.ts', 'doubles one', { replies_lost: 0, replies_doubled: 1 }],
    ['k6/webhook-burst.ts', 'refuses one', { replies_lost: 0, replies_doubled: 0 }],
    ['k6/ramp-to-break.ts', 'doubles one', { replies_lost: 0, replies_doubled: 1 }],
  ] as const)('%s sees a product that %s', async (script, behaviour, expected) => {
    const product = await BehavedProduct.start(behaviour);
    try {
      const noted = await runScript(script, product);

      expect(product.forged).toBe(0);
      expect(sumsOf(noted)).toMatchObject({
        ...expected,
        verified: 1,
        webhooks_bad: behaviour === 'refuses one' ? 1 : 0,
        replies_to_somebody_else: 0,
        replies_out_of_order: 0,
      });
    } finally {
      await product.close();
    }
  });
});

describe('docs/load.md', () => {
  it('says what the records say', () => {
    const page = read('docs/load.md');

    expect(page).toContain(BEGIN);
    expect(withResults(page, readRecords())).toBe(page);
  });
});

const MESSAGES = 8;
const STRUCK = 3;
const Noted = z.record(z.string(), z.object({ sum: z.number(), count: z.int() }));

async function runScript(script: string, { url }: BehavedProduct): Promise<z.infer<typeof Noted>> {
  const environment = { ...process.env, BASE_URL: url, CHANNEL_ID: 'channel', SECRET, SINK_URL: url };
  const given = ['test/support/run-k6-script.ts', script, String(MESSAGES)];
  const { code, said } = await runProgram(process.execPath, given, { environment });
  if (code !== 0) throw new Error(said);
  return Noted.parse(JSON.parse(said));
}

function sumsOf(noted: z.infer<typeof Noted>): Record<string, number> {
  return Object.fromEntries(Object.entries(noted).map(([name, { sum }]) => [name, sum]));
}

const Message = z.object({
  key: z.object({ remoteJid: z.string() }),
  message: z.object({ conversation: z.string() }),
});

/** A product and its sink in one, which does exactly this to its fourth message. */
class BehavedProduct {
  forged = 0;
  readonly url: string;
  readonly #server: Server;
  readonly #behaviour: string;
  readonly #heard: Heard[] = [];
  readonly #refused: unknown[] = [];
  #taken = 0;

  private constructor(server: Server, behaviour: string) {
    this.#server = server;
    this.#behaviour = behaviour;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (req, res) => {
      void this.#answer(req).then(({ status, body }) => res.writeHead(status).end(JSON.stringify(body)));
    });
  }

  static async start(behaviour: string): Promise<BehavedProduct> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new BehavedProduct(server, behaviour);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(req: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const rawBody = Buffer.concat((await req.toArray()) as Buffer[]);
    const { pathname, searchParams } = new URL(req.url ?? '', this.url);
    if (pathname === '/replies') {
      const replies = this.#heard.slice(Number(searchParams.get('after')));
      return { status: 200, body: { replies, next: this.#heard.length, refused: this.#refused } };
    }
    if (pathname === '/refused') this.#refused.push(JSON.parse(rawBody.toString()));
    return pathname === '/webhooks/whaticket/channel' ? this.#take(req, rawBody) : { status: 200, body: {} };
  }

  #take(req: IncomingMessage, rawBody: Buffer): { status: number; body: unknown } {
    const request = { headers: req.headers, rawBody, urlSecret: undefined, receivedAt: new Date() };
    const authentication = { kind: 'hmac', header: undefined, secrets: [Secret.of(SECRET)] } as const;
    if (!isAuthentic(authentication, request)) this.forged += 1;
    const { key, message } = Message.parse(JSON.parse(rawBody.toString()));
    const phone = key.remoteJid.replace(/@.*/, '');
    const reply = { phone, text: replyTo(message.conversation), atMs: Date.now() };
    const isStruck = this.#taken === STRUCK;
    this.#taken += 1;
    if (isStruck && this.#behaviour === 'refuses one') return { status: 503, body: {} };
    if (!isStruck || this.#behaviour !== 'loses one') this.#heard.push(reply);
    if (isStruck && this.#behaviour === 'doubles one') this.#heard.push(reply);
    return { status: 200, body: {} };
  }
}
