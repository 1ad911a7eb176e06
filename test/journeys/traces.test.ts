import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startOpenTelemetry } from '../../src/platform/open-telemetry.ts';
import type { OpenTelemetry } from '../../src/platform/open-telemetry.ts';
import { recordSpans } from '../../src/platform/tracing.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { CollectorStandIn } from '../support/collector-stand-in.ts';
import type { CollectedSpan } from '../support/collector-stand-in.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const BUILD = { version: '1.2.3', commit: 'abc1234' };
const SERVER = 'POST /webhooks/whaticket/:channelId';

let town: Town;
let bakery: TownTenant;
let collector: CollectorStandIn;
let recorder: OpenTelemetry;

beforeAll(async () => {
  town = await Town.start({ environment: { COALESCE_MIN_MS: '300', COALESCE_MAX_MS: '2000' } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterAll(async () => {
  await town.close();
});

beforeEach(async () => {
  collector = await CollectorStandIn.start();
  recorder = startOpenTelemetry({ endpoint: collector.endpoint, share: 1, build: BUILD, process: 'town' });
  recordSpans(recorder);
});

afterEach(async () => {
  recordSpans(undefined);
  await recorder.close(2_000);
  await collector.close();
});

/** The trace of one webhook, once its message is sent. */
async function traceOf(spans: readonly CollectedSpan[], requestId: unknown): Promise<readonly CollectedSpan[]> {
  const ofRequest = (): CollectedSpan | undefined =>
    spans.find((span) => span.name === SERVER && span.attributes['plantao.request_id'] === requestId);
  const trace = (): readonly CollectedSpan[] => spans.filter((span) => span.traceId === ofRequest()?.traceId);
  await until(() => trace().some((span) => span.name === 'send') && trace().some((span) => span.name === 'turn'));
  return trace();
}

function requestIdOf(answer: { body: unknown }): unknown {
  return (answer.body as { requestId?: unknown }).requestId;
}

function only(trace: readonly CollectedSpan[], name: string): CollectedSpan {
  const found = trace.filter((span) => span.name === name);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} spans are named ${name}`);
  return found[0];
}

/** Whether each span but the first hangs on another one of the trace. */
function isConnected(trace: readonly CollectedSpan[]): boolean {
  const ids = new Set(trace.map((span) => span.spanId));
  return trace.every((span) => span.name === SERVER || ids.has(span.parentSpanId ?? ''));
}

describe('a question', () => {
  it('is one trace from the webhook through queue, turn and model to the send', async () => {
    const ana = bakery.customer('Ana', '5511988880001');

    const answer = await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    const trace = await traceOf(collector.spans, requestIdOf(answer));

    expect(isConnected(trace)).toBe(true);
    const [webhook, turn, send] = [only(trace, SERVER), only(trace, 'turn'), only(trace, 'send')];
    expect(webhook).toMatchObject({
      kind: 'server',
      attributes: { 'plantao.disposition': 'accepted' },
      service: 'plantao-town',
    });
    expect(only(trace, 'send take-turn')).toMatchObject({ kind: 'producer', parentSpanId: webhook.spanId });
    const wake = only(trace, 'process take-turn');
    expect(wake).toMatchObject({ kind: 'consumer', parentSpanId: only(trace, 'send take-turn').spanId });
    expect(turn).toMatchObject({ parentSpanId: webhook.spanId, attributes: { 'plantao.outcome': 'replied' } });
    expect(turn.links).toContainEqual(expect.objectContaining({ spanId: wake.spanId }));
    for (const step of ['search', 'context', 'guard', 'commit']) {
      expect(only(trace, step)).toMatchObject({ parentSpanId: turn.spanId });
    }
    expect(only(trace, 'chat gemini-3.5-flash-lite')).toMatchObject({
      kind: 'client',
      parentSpanId: turn.spanId,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'gemini-3.5-flash-lite',
        'gen_ai.usage.input_tokens': expect.any(Number),
      },
    });
    expect(send).toMatchObject({ kind: 'client', parentSpanId: only(trace, 'commit').spanId });
    expect(send.attributes).toMatchObject({ 'plantao.outcome': 'sent', 'plantao.part': 1 });
  });

  it('goes on with the trace of whoever called us, where that is sane', async () => {
    const bia = bakery.customer('Bia', '5511988880002');
    const { connection } = bakery;
    const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
    const body = (id: string) =>
      JSON.stringify({
        key: { id, remoteJid: `${bia.phone}@s.whatsapp.net`, fromMe: false },
        pushName: bia.name,
        message: { conversation: 'Aceitam cheque?' },
        messageTimestamp: Math.floor(Date.now() / 1_000),
      });

    await connection.post(body('TRACE-1'), { traceparent: `00-${traceId}-${spanId}-00` });
    await connection.post(body('TRACE-2'), { traceparent: `00-${'0'.repeat(32)}-${spanId}-01` });
    await connection.post(body('TRACE-3'), { traceparent: `ff-${traceId}-${spanId}-01, ${'x'.repeat(9_000)}` });
    await until(() => collector.named(SERVER).length === 3);

    const [first, second, third] = collector.named(SERVER);
    expect(first).toMatchObject({ traceId, parentSpanId: spanId });
    for (const other of [second, third]) {
      expect(other?.traceId).not.toBe(traceId);
      expect(other?.parentSpanId ?? '').toBe('');
    }
    await bia.isQuiet();
  });

  it('leaves no header of ours with a model or a gateway, and nothing of a customer with the collector', async () => {
    const carla = bakery.customer('Carla Canário', '5511977770003');

    await carla.writes('Meu CPF é 529.982.247-25, qual é a taxa de entrega?');
    await carla.hears(1);
    await carla.isQuiet();
    await until(() => collector.named('send').length === 1);

    const headers = town.gemini.requests.flatMap((request) => Object.keys(request.headers));
    expect(headers.length).toBeGreaterThan(0);
    expect(headers.filter((name) => /trace|baggage|sentry|request-id/.test(name))).toEqual([]);
    const collected = collector.bodies.join();
    expect(collected).toContain('plantao-town');
    expect(collected).not.toMatch(/Canário|977770003|529\.982|52998224725|taxa|R\$ 8/);
  });
});

describe('a burst', () => {
  it('is answered by a turn that goes on with its newest message and links the others', async () => {
    const davi = bakery.customer('Davi', '5511988880004');

    const answers = [
      await davi.writes('Oi'),
      await davi.writes('tudo bem?'),
      await davi.writes('Qual é a taxa de entrega?'),
    ];
    await davi.hears(1);
    const trace = await traceOf(collector.spans, requestIdOf(answers[2] ?? { body: {} }));

    const webhooks = answers.map((answer) =>
      only(
        collector.spans.filter(
          (span) => span.attributes['plantao.request_id'] === requestIdOf(answer) && span.name === SERVER,
        ),
        SERVER,
      ),
    );
    const turn = only(trace, 'turn');
    expect(turn.parentSpanId).toBe(webhooks[2]?.spanId);
    expect(turn.attributes['plantao.messages']).toBe(3);
    const linked = turn.links.map((link) => link.spanId);
    expect(linked).toEqual(expect.arrayContaining([webhooks[0]?.spanId, webhooks[1]?.spanId]));
    await davi.isQuiet();
  });
});

describe('a collector that is away', () => {
  it.each([['refuses'], ['does not answer']])(
    'and %s costs the customer nothing, and memory that is bounded',
    async (how) => {
      const name = how === 'refuses' ? 'Eva' : 'Fábio';
      const person = bakery.customer(name, how === 'refuses' ? '5511988880005' : '5511988880006');
      if (how === 'refuses') await collector.close();
      else collector.isSilent = true;

      for (let spans = 0; spans < 20_000; spans += 1) recorder.start('noise', {}).end();
      await person.writes('Qual é a taxa de entrega?');
      await person.hears(1);
      const { tookMs } = await timed(() => recorder.close(500));

      expect(tookMs).toBeLessThan(2_000);
      expect(collector.bodies.length).toBeLessThanOrEqual(9);
      if (how === 'refuses') collector = await CollectorStandIn.start();
    },
  );
});

describe('a Redis that is wiped between a question and its turn', () => {
  it('costs the trace its wake and nothing else', async () => {
    // Another database of Redis than that of the town whose worker would take the wake.
    const redis = new URL(town.environment.REDIS_URL ?? '');
    redis.pathname = '/15';
    const without = await Town.start({ worker: false, environment: { REDIS_URL: redis.href } });
    try {
      const tenant = await without.tenant();
      const gabi = tenant.customer('Gabi', '5511988880007');

      const answer = await gabi.writes('Qual é a taxa de entrega?');
      await until(() => collector.named('send take-turn').length > 0);
      await without.redis.flushdb();
      await without.startWorker();
      await gabi.hears(1);
      const trace = await traceOf(collector.spans, requestIdOf(answer));

      expect(isConnected(trace)).toBe(true);
      expect(trace.some((span) => span.name === 'process take-turn')).toBe(false);
      expect(only(trace, 'turn').parentSpanId).toBe(only(trace, SERVER).spanId);
      expect(only(trace, 'send')).toMatchObject({ parentSpanId: only(trace, 'commit').spanId });
    } finally {
      await without.close();
    }
  });
});

describe('a share of the traces', () => {
  it('is recorded whole or not at all, and what is not recorded is remembered as such', async () => {
    await recorder.close(1_000);
    recorder = startOpenTelemetry({ endpoint: collector.endpoint, share: 0, build: BUILD, process: 'town' });
    recordSpans(recorder);
    const hugo = bakery.customer('Hugo', '5511988880008');

    await hugo.writes('Qual é a taxa de entrega?');
    await hugo.hears(1);
    await hugo.isQuiet();
    await recorder.close(1_000);
    const kept = await town.database.db
      .selectFrom('outbox')
      .select('traceparent')
      .where('request_id', 'is not', null)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();

    expect(collector.spans).toEqual([]);
    expect(kept.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });
});
