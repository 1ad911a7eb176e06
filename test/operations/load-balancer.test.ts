import { once } from 'node:events';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../local/ports.ts';
import { webhookHeaders } from '../../sandbox/whaticket/webhook-signing.ts';
import { read } from '../drift/project.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { itWhere } from '../support/it-where.ts';
import { startNginx } from '../support/nginx.ts';
import type { Answer, Nginx } from '../support/nginx.ts';
import { findProgram } from '../support/on-path.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

const SITE = read('deploy/nginx/plantao.conf');
const MEBIBYTE = 1_048_576;
const missing = ['nginx', 'openssl'].filter((name) => findProgram(name) === undefined);
const whyNot = missing.length === 0 ? undefined : `no ${missing.join(', no ')} on PATH`;

let town: Town;
let bakery: TownTenant;
let nginx: Nginx;

/** What was opened, for a machine that can open it. */
let closers: (() => Promise<unknown>)[] = [];

async function open({ site = SITE, worker = false } = {}): Promise<void> {
  town = await Town.start({ environment: { TRUST_PROXY: '1' }, worker });
  closers.unshift(() => town.close());
  bakery = await town.tenant({ articles: worker ? BAKERY_ARTICLES : [] });
  nginx = await startNginx(site, town.url);
  closers.unshift(() => nginx.close());
}

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

function message(id: string, text = 'Qual é a taxa de entrega?', phone = '5511988887777'): string {
  return JSON.stringify({
    key: { remoteJid: `${phone}@s.whatsapp.net`, fromMe: false, id },
    messageTimestamp: Math.floor(Date.now() / 1_000),
    pushName: 'Ana',
    message: { conversation: text },
  });
}

/** As the gateway posts, through nginx. */
async function post(body: string, more: { secret?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
  const { secret = bakery.secret, headers = {} } = more;
  const signed = webhookHeaders({ kind: 'hmac', secret }, Buffer.from(body));
  return await nginx.ask(`/webhooks/whaticket/${bakery.channelId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signed, ...headers },
    body,
  });
}

describe('deploy/nginx/plantao.conf', () => {
  itWhere(whyNot, 'lets a question in by TLS, and its answer comes out', async () => {
    await open({ worker: true });
    const plain = await fetch(`http://127.0.0.1:${nginx.httpPort}/api/v1/openapi.json`, { redirect: 'manual' });
    const { status } = await post(message('3EB0000001'));
    await bakery.customer('Ana', '5511988887777').hears(1);
    await expectCleanHistory(town, { accepted: ['3EB0000001'] });

    expect(status).toBe(200);
    expect([plain.status, new URL(plain.headers.get('location') ?? '').protocol]).toEqual([301, 'https:']);
  });

  itWhere(whyNot, 'refuses a body of more than a mebibyte itself, and no smaller one', async () => {
    await open();
    const tooLarge = await post(' '.repeat(MEBIBYTE + 1));
    const largest = await post(message('3EB0000002', 'Oi').padEnd(MEBIBYTE, ' '));

    expect(tooLarge.status).toBe(413);
    expect(tooLarge.body).toContain('nginx');
    expect(largest.status).toBe(200);
  });

  itWhere(whyNot, 'cuts off a client that does not go on', async () => {
    // With the patience of a test: the facts are the same at ten seconds.
    await open({
      site: SITE.replace('client_body_timeout 10s', 'client_body_timeout 1s').replace(
        'client_header_timeout 10s',
        'client_header_timeout 1s',
      ),
    });
    const stalled = [
      'GET /api/v1/openapi.json HTTP/1.1\r\nHost: bot',
      `POST /webhooks/whaticket/${bakery.channelId} HTTP/1.1\r\nHost: bot.example.com\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"key"`,
    ];

    for (const bytes of stalled) {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: nginx.httpsPort,
        ca: nginx.certificate,
        servername: 'bot.example.com',
      });
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      socket.resume().write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
    }

    const log = await nginx.log();
    expect(log.match(/"status":408/g)).toHaveLength(2);
  });

  itWhere(whyNot, 'says who the client is, and believes no client who says otherwise', async () => {
    await open();
    const statuses: number[] = [];
    // Sixty failures a minute are allowed to one address: who could choose another for each would have no limit.
    for (let index = 0; index < 64; index += 1) {
      const headers = { 'x-forwarded-for': `203.0.113.${index}`, 'x-real-ip': `203.0.113.${index}` };
      statuses.push((await post(message(`3EB1${index}`), { secret: 'a-wrong-one', headers })).status);
    }

    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
  });

  itWhere(whyNot, 'limits programs that call the API, and no webhook below the own limits of the service', async () => {
    await open();
    const calls = await Promise.all(Array.from({ length: 120 }, () => nginx.ask('/api/v1/openapi.json')));
    const posts = await Promise.all(
      Array.from({ length: 120 }, (_, index) => post(message(`3EB2${index}`, 'Oi', `55119777${1_000 + index}`))),
    );

    expect(new Set(calls.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect(new Set(posts.map(({ status }) => status))).toEqual(new Set([200]));
  });

  itWhere(whyNot, 'keeps health and metrics inside, and secrets in addresses out of its log', async () => {
    await open();
    const inside = await Promise.all(['/metrics', '/readyz', '/livez', '/'].map((it) => nginx.ask(it)));
    await nginx.ask(`/webhooks/whaticket/${bakery.channelId}/a-secret-of-a-fork`, { method: 'POST', body: '{}' });
    const log = await nginx.log();

    expect(inside.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(log).toContain(`/webhooks/whaticket/${bakery.channelId}/***`);
    expect(log).not.toContain('a-secret-of-a-fork');
    for (const line of log.trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  itWhere(whyNot, 'keeps secrets in addresses out of what it says about errors', async () => {
    nginx = await startNginx(SITE, `http://127.0.0.1:${await freePort()}`);
    closers.unshift(() => nginx.close());
    const webhook = await nginx.ask('/webhooks/whaticket/a-channel/a-secret-of-a-fork', { method: 'POST', body: '{}' });
    const large = await nginx.ask('/webhooks/whaticket/a-channel/a-secret-of-a-fork', {
      method: 'POST',
      body: ' '.repeat(MEBIBYTE + 1),
    });
    const api = await nginx.ask('/api/v1/openapi.json');
    const said = await nginx.errorLog();

    expect([webhook.status, large.status, api.status]).toEqual([502, 413, 502]);
    expect(said).toContain('/api/v1/openapi.json');
    expect(said).not.toContain('a-secret-of-a-fork');
  });
});

describe('deploy/caddy/Caddyfile', () => {
  it('has the limits of the nginx beside it', () => {
    const caddy = read('deploy/caddy/Caddyfile');

    expect(caddy).toContain('max_size 1MiB');
    expect(caddy).toContain('path /webhooks/* /api/*');
    expect(caddy.split('{').length).toBe(caddy.split('}').length);
  });
});
