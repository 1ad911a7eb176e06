import net from 'node:net';
import express from 'express';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { metricOfThisProcess } from '../../test/support/metrics.ts';
import { until } from '../../test/support/until.ts';
import { requestMetrics } from './http-metrics.ts';
import { listen } from './http-server.ts';

let server: Awaited<ReturnType<typeof listen>>;
let isAsked: PromiseWithResolvers<void>;

beforeEach(async () => {
  isAsked = Promise.withResolvers();
  const app = express();
  app.use(requestMetrics());
  app.get('/livez', (_req, res) => {
    res.json({});
  });
  app.post('/webhooks/whaticket/:channel', express.raw({ type: () => true }), (req, res) => {
    isAsked.resolve();
    if (req.params.channel !== 'silent') res.sendStatus(Number(req.params.channel));
  });
  server = await listen(app, { host: '127.0.0.1', port: 0 });
});

afterEach(async () => {
  await server.close();
});

async function count(handler: string, code: string): Promise<number> {
  return await metricOfThisProcess('plantao_http_requests_total', { handler, code });
}

/** How much the count grows while something is asked. */
async function growth(handler: string, code: string, ask: () => Promise<unknown>): Promise<number> {
  const before = await count(handler, code);
  await ask();
  await until(async () => (await count(handler, code)) > before);
  return (await count(handler, code)) - before;
}

async function post(path: string): Promise<unknown> {
  return await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', body: '{}' });
}

function openLine(head: string): net.Socket {
  const line = net.connect(server.port, '127.0.0.1');
  line.on('error', () => undefined);
  line.write(head);
  return line;
}

describe('a request', () => {
  it.each([
    ['200', '2xx'],
    ['302', '3xx'],
    ['401', '4xx'],
    ['503', '5xx'],
  ])('of a gateway that is answered %s counts as %s', async (status, code) => {
    expect(await growth('webhook', code, () => post(`/webhooks/whaticket/${status}`))).toBe(1);
  });

  it('of the platform is told apart from those of people, and so is its time', async () => {
    const probe = () => fetch(`http://127.0.0.1:${server.port}/livez`);

    expect(await growth('health', '2xx', probe)).toBe(1);
    expect(await growth('api', '4xx', () => post('/api/v1/nothing'))).toBe(1);
    expect(await metricOfThisProcess('plantao_http_request_duration_seconds', { handler: 'health' })).toBe(0);
  });

  it('that was left without an answer counts against us', async () => {
    const ask = async (): Promise<void> => {
      const line = openLine('POST /webhooks/whaticket/silent HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}');
      await isAsked.promise;
      line.destroy();
    };

    expect(await growth('webhook', '5xx', ask)).toBe(1);
  });

  it('that its caller never finished does not', async () => {
    const ask = (): Promise<void> => {
      const line = openLine('POST /webhooks/whaticket/silent HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{');
      setImmediate(() => line.end());
      return Promise.resolve();
    };

    expect(await growth('webhook', '4xx', ask)).toBe(1);
  });
});
