import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { namesOn } from '../drift/metrics-page.ts';
import { read } from '../drift/project.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { Town } from '../support/town.ts';
import type { Customer } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const PHONE = '5511987654321';
const CPF = '529.982.247-25';
const NAME = 'Anastácia Quaresma';
const WORDS = 'jabuticabeira';

let town: Town;
let service: NodeProcess;
let worker: NodeProcess;
let ana: Customer;
let turn: { trace: Readonly<Record<string, unknown>> };
/** What the two processes say about themselves after a journey. */
let scraped: { service: string; worker: string };

async function scrape(process: NodeProcess): Promise<string> {
  return await (await fetch(`${process.url}/metrics`)).text();
}

function valueOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Every value of every label, with the label. */
function labelsOf(text: string): readonly (readonly [label: string, value: string])[] {
  return [...text.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', value = '']) => [label, value]);
}

beforeAll(async () => {
  town = await Town.start({ worker: false });
  worker = await town.startWorkerProcess();
  service = await startServiceProcess({ ...town.environment, BUILD_COMMIT: 'a1b2c3d' });
  const bakery = await town.tenant({ slug: 'padaria-da-vila', articles: BAKERY_ARTICLES });
  const { webhook } = bakery.connection;
  bakery.connection.webhook = { ...webhook, url: new URL(new URL(webhook.url).pathname, service.url).href };
  ana = bakery.customer(NAME, PHONE);
  await ana.writes(`Meu CPF é ${CPF} e moro na rua da ${WORDS}. Qual é a taxa de entrega?`);
  await ana.hears(1);
  await ana.writes('Quero falar com um atendente');
  await ana.hears(2);
  const [, oldest] = await bakery.turns((await ana.conversation()).id);
  if (oldest === undefined) throw new Error('There is no turn');
  turn = oldest;
  // What is measured every few seconds, and a heartbeat that came through.
  await until(async () => {
    const age = valueOf(await scrape(worker), 'plantao_heartbeat_age_seconds{stage="delivery"}');
    return age !== undefined && (await town.database.db.selectFrom('heartbeat').select('stage').execute()).length === 3;
  }, 30_000);
  scraped = { service: await scrape(service), worker: await scrape(worker) };
});

afterAll(async () => {
  await service.kill();
  await town.close();
});

describe('the metrics of a service and a worker that have served a customer', () => {
  it('are together those of the page in the documents', () => {
    const served = [scraped.service, scraped.worker].flatMap((text) =>
      [...text.matchAll(/^# TYPE (plantao_\w+) /gm)].map(([, name = '']) => name),
    );
    const page = namesOn(read('docs/metrics.md'));
    const byPromClient = /^plantao_(nodejs|process)_(?!memory_limit_)/;

    expect([...new Set(served)].filter((name) => !byPromClient.test(name)).toSorted()).toEqual(page.toSorted());
    expect(served.filter((name) => byPromClient.test(name)).length).toBeGreaterThan(20);
  });

  it('say nothing about the customer: no phone, no document, no name, no word', () => {
    const all = `${scraped.service}${scraped.worker}`;
    const secrets = [PHONE, PHONE.slice(4), CPF, CPF.replace(/\D/g, ''), 'Anast', 'Quaresma', WORDS, 'taxa de entrega'];

    expect(secrets.filter((secret) => all.includes(secret))).toEqual([]);
  });

  it('have no id and no long number in a label', () => {
    const labels = [...labelsOf(scraped.service), ...labelsOf(scraped.worker)];
    const wrong = labels.filter(([, value]) => /[0-9a-f]{8}-[0-9a-f]{4}|\d{8}/i.test(value));

    expect(labels.length).toBeGreaterThan(500);
    expect(wrong).toEqual([]);
  });

  it('have labels of few values', () => {
    const values = new Map<string, Set<string>>();
    for (const [label, value] of [...labelsOf(scraped.service), ...labelsOf(scraped.worker)]) {
      values.set(label, (values.get(label) ?? new Set()).add(value));
    }

    expect([...values].filter(([, all]) => all.size > 51).map(([label]) => label)).toEqual([]);
  });

  it('say what runs', () => {
    const labels = `version="0.1.0",commit="a1b2c3d",node="${process.version}"`;

    expect(valueOf(scraped.service, `plantao_build_info{${labels}}`)).toBe(1);
  });

  it('count the requests, and time those of the gateway', () => {
    expect(valueOf(scraped.service, 'plantao_http_requests_total{handler="webhook",code="2xx"}')).toBe(2);
    expect(valueOf(scraped.service, 'plantao_http_requests_total{handler="webhook",code="5xx"}')).toBe(0);
    expect(valueOf(scraped.service, 'plantao_http_request_duration_seconds_count{handler="webhook"}')).toBe(2);
  });

  it('count by tenant what was accepted, answered and handed over', () => {
    const of = '{tenant="padaria-da-vila"}';

    expect(valueOf(scraped.service, `plantao_tenant_messages_total${of}`)).toBe(2);
    expect(valueOf(scraped.worker, `plantao_tenant_replies_total${of}`)).toBe(1);
    expect(valueOf(scraped.worker, `plantao_tenant_handoffs_total${of}`)).toBe(1);
  });

  it('show the saturation of what we stand on', () => {
    expect(valueOf(scraped.worker, 'plantao_db_pool_connections_max{pool="worker"}')).toBeGreaterThan(0);
    expect(valueOf(scraped.service, 'plantao_db_pool_acquire_seconds_count{pool="intake"}')).toBeGreaterThan(0);
    expect(valueOf(scraped.service, 'plantao_redis_memory_used_bytes')).toBeGreaterThan(0);
    expect(valueOf(scraped.worker, 'plantao_disk_free_bytes{mount="work"}')).toBeGreaterThan(0);
    expect(valueOf(scraped.worker, 'plantao_process_memory_limit_bytes')).toBeGreaterThan(50_000_000);
  });

  it('count the money, and the turn tells its own', () => {
    const model = '{model="gemini-3.5-flash-lite"}';
    const { draft } = turn.trace as { draft?: { usage: { costUsd?: number } } };

    expect(valueOf(scraped.worker, `plantao_model_cost_usd_total${model}`)).toBeGreaterThan(0);
    expect(draft?.usage.costUsd).toBeGreaterThan(0);
    expect(draft?.usage.costUsd).toBeCloseTo(valueOf(scraped.worker, `plantao_model_cost_usd_total${model}`) ?? 0, 10);
  });
});
