import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { itWhere } from '../support/it-where.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { skewedClock, whyNoSkewedClock } from '../support/skewed-clock.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const PATIENCE_MS = 10_000;
const SKEWS = [
  ['+10m', 600],
  ['-10m', -600],
] as const;

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let service: NodeProcess | undefined;

beforeEach(async () => {
  town = await Town.start({
    environment: {
      // Half of ten people: neither of two workers can answer them alone.
      WORKER_CONCURRENCY: '5',
      COALESCE_MIN_MS: '300',
      COALESCE_MAX_MS: '1000',
    },
  });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await service?.kill();
  service = undefined;
  await town.close();
});

/** A webhook with the headers of Standard Webhooks, signed at a time. */
async function postSignedAt(seconds: number, id: string): Promise<number> {
  const body = JSON.stringify({
    key: { remoteJid: `${ana.phone}@s.whatsapp.net`, fromMe: false, id },
    messageTimestamp: Math.floor(Date.now() / 1_000),
    pushName: ana.name,
    message: { conversation: 'Qual é a taxa de entrega?' },
  });
  const signature = createHmac('sha256', bakery.secret).update(`${id}.${seconds}.${body}`).digest('base64');
  const answer = await bakery.connection.post(body, {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${signature}`,
  });
  return answer.status;
}

describe.each(SKEWS)('a service whose clock is wrong by %s', (by, seconds) => {
  itWhere(
    whyNoSkewedClock(),
    'judges the age of a webhook by that clock; its customers are answered as ever',
    async () => {
      service = await startServiceProcess({ ...town.environment, ...skewedClock(by) });
      const { webhook } = bakery.connection;
      bakery.connection.webhook = { ...webhook, url: new URL(new URL(webhook.url).pathname, service.url).href };
      const now = Math.floor(Date.now() / 1_000);

      const trueTime = await postSignedAt(now, '3EB0A1');
      const itsTime = await postSignedAt(now + seconds, '3EB0A2');
      await ana.hears(1, PATIENCE_MS);
      await ana.writes('Aceitam cheque?');
      await ana.hears(2, PATIENCE_MS);
      await expectCleanHistory(town);

      expect([trueTime, itsTime]).toEqual([401, 200]);
      expect(ana.received()).toHaveLength(2);
    },
  );
});

describe.each(SKEWS)('a worker whose clock is wrong by %s', (...[by]) => {
  itWhere(
    whyNoSkewedClock(),
    'keeps its leases, which the database’s clock ends, and answers once beside others',
    async () => {
      const skewed = await town.startWorkerProcess(skewedClock(by));
      const people = Array.from({ length: 10 }, (_, index) =>
        bakery.customer(`Cliente ${index}`, `551198888100${index}`),
      );
      // Longer than a lease: who believed that it had ended would answer a second time.
      town.gemini.faults.set({ mode: 'slow', delayMs: 6_000, times: people.length });
      await Promise.all(people.map((person) => person.writes('Qual é a taxa de entrega?')));
      await Promise.all(people.map((person) => person.hears(1)));
      await until(() => skewed.said.includes('"turn.finished"'));
      await expectCleanHistory(town);

      expect(people.map((person) => person.received().length)).toEqual(people.map(() => 1));
    },
  );
});
