import http from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { webhookHeaders } from '../../sandbox/whaticket/webhook-signing.ts';
import { pause } from '../../src/platform/time.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { TownOptions } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { TcpProxy } from './tcp-proxy.ts';
import type { Target } from './tcp-proxy.ts';

const MESSAGES_PER_SECOND = 100;
const LOOK_EVERY_MS = 1_000;
/** The platform kills who has not ended by then. */
const GRACE_MS = 25_000;

let town: Town;
let bakery: TownTenant;
let balancer: TcpProxy;
let services: NodeProcess[] = [];

async function open(options: TownOptions = {}): Promise<void> {
  town = await Town.start(options);
  balancer = await TcpProxy.start();
}

afterEach(async () => {
  await Promise.all(services.map((service) => service.kill()));
  services = [];
  await town.close();
  await balancer.close();
});

function targetOf(service: NodeProcess): Target {
  return { host: '127.0.0.1', port: Number(new URL(service.url).port) };
}

describe('services and workers that are restarted one after the other, at a hundred messages a second', () => {
  let worker: NodeProcess;

  beforeEach(async () => {
    await open({ worker: false });
    worker = await town.startWorkerProcess();
    bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  });

  it('fail no webhook when they are simply told to end, on connections that are kept and on one for each', async () => {
    services = [await startServiceProcess(town.environment), await startServiceProcess(town.environment)];
    balancer.leadTo(...services.map(targetOf));
    const isOver = new AbortController();
    const watching = leadToWhoIsReady(isOver.signal);
    const { webhook } = bakery.connection;
    bakery.connection.webhook = { ...webhook, url: balancer.through(webhook.url) };
    const load = new Load();

    for (const [index, old] of services.entries()) {
      await until(() => load.begun > (index + 1) * MESSAGES_PER_SECOND, 30_000);
      expect(await old.end()).toBe(0);
      services[index] = await startServiceProcess(town.environment);
      // The next worker is there before the last one is told to end, as in every rolling update.
      const next = await town.startWorkerProcess();
      expect(await worker.end()).toBe(0);
      worker = next;
    }
    await load.end();
    isOver.abort();
    await watching;
    await expectCleanHistory(town, { accepted: load.accepted, withinMs: 40_000 });

    expect(load.failures).toEqual([]);
    expect(load.accepted).toHaveLength(load.begun);
  }, 90_000);
});

/** As every balancer does: it asks again and again who is ready, and new connections go to those. */
async function leadToWhoIsReady(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const asked = services.map(async (service) => {
      const response = await fetch(`${service.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(
        () => undefined,
      );
      return response?.ok === true ? [targetOf(service)] : [];
    });
    balancer.leadTo(...(await Promise.all(asked)).flat());
    await pause(LOOK_EVERY_MS);
  }
}

/** Messages that come at a constant rate, whether or not those before them have been answered. */
class Load {
  readonly accepted: string[] = [];
  readonly failures: string[] = [];
  begun = 0;
  #isOver = false;
  readonly #underWay: Promise<void>[] = [];
  readonly #running: Promise<void>;
  readonly #agents = [new http.Agent({ keepAlive: true }), new http.Agent({ keepAlive: false })] as const;

  constructor() {
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await Promise.all(this.#underWay);
    for (const agent of this.#agents) agent.destroy();
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    while (!this.#isOver) {
      const due = ((performance.now() - startedAt) * MESSAGES_PER_SECOND) / 1_000;
      for (; this.begun < due; this.begun += 1) this.#underWay.push(this.#write(this.begun));
      await pause(1_000 / MESSAGES_PER_SECOND);
    }
  }

  async #write(index: number): Promise<void> {
    const id = `3EB0E${index}`;
    try {
      const status = await post(this.#agents[index % 2 === 0 ? 0 : 1], index, id);
      if (status === 200) this.accepted.push(id);
      else this.failures.push(`status ${status}`);
    } catch (error) {
      this.failures.push(String(error));
    }
  }
}

async function post(agent: http.Agent, index: number, id: string): Promise<number | undefined> {
  const { url, auth } = bakery.connection.webhook;
  const body = JSON.stringify({
    key: { remoteJid: `55119${88_000_000 + index}@s.whatsapp.net`, fromMe: false, id },
    messageTimestamp: Math.floor(Date.now() / 1_000),
    pushName: `Cliente ${index}`,
    message: { conversation: 'Qual é a taxa de entrega?' },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const headers = { ...webhookHeaders(auth, body), 'content-length': Buffer.byteLength(body) };
  const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
    response.resume().on('end', () => {
      resolve(response.statusCode);
    });
    response.on('error', reject);
  });
  request.on('error', reject);
  request.end(body);
  return await promise;
}

describe('a worker that is asked to end', () => {
  beforeEach(() => open({ worker: false }));

  it('while the model thinks for seconds, gives the turn to another one, and the customer gets one answer', async () => {
    const leaving = await town.startWorkerProcess();
    bakery = await town.tenant({ articles: BAKERY_ARTICLES });
    const ana = bakery.customer('Ana', '5511988880001');
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 6_000 }]);
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);
    await town.startWorkerProcess();

    const { answer: code, tookMs } = await timed(() => leaving.end());
    await ana.hears(1);
    await expectCleanHistory(town);

    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(GRACE_MS);
    expect(ana.received()).toHaveLength(1);
    expect(await ana.turns()).toHaveLength(1);
  });

  it('while the gateway takes a message, waits for its word, and nothing is unclear', async () => {
    const leaving = await town.startWorkerProcess();
    bakery = await town.tenant({ articles: BAKERY_ARTICLES });
    const ana = bakery.customer('Ana', '5511988880001');
    town.gateway.faults.set({ mode: 'slow', delayMs: 3_000, times: 1 });
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gateway.faults.mode === 'none');

    const code = await leaving.end();
    await expectCleanHistory(town, { withinMs: 1_000 });

    expect(code).toBe(0);
    expect(ana.received()).toHaveLength(1);
  });
});
