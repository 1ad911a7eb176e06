import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHttpClient } from './http-client.ts';

let server: http.Server;
let port: number;
let requests = 0;

beforeAll(async () => {
  server = http.createServer((req, res) => {
    requests += 1;
    if (req.url === '/redirect') res.writeHead(302, { location: '/metadata' }).end();
    else if (req.url === '/teapot') res.writeHead(418).end('short and stout');
    else if (req.url === '/huge') res.end('x'.repeat(100_000));
    else if (req.url !== '/silent') res.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterAll(async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
});

const LIMITS = { timeoutMs: 10_000, responseBytesMax: 10_000, connectionsMax: 4 };

describe('a client for addresses that people typed in', () => {
  const strict = createHttpClient({ ...LIMITS, privateHosts: [] });

  it.each([
    'http://127.0.0.1',
    'http://localhost',
    'http://[::1]',
    'http://[::ffff:127.0.0.1]',
    'http://0.0.0.0',
    'http://0',
    'http://2130706433',
    'http://0x7f.1',
    'http://127.1',
    'http://10.0.0.1',
    'http://192.168.0.1',
    'http://172.16.0.1',
    'http://169.254.169.254/latest/meta-data',
    'http://100.100.100.200',
    'http://[fd00::1]',
    'http://[fe80::1]',
  ])('does not call %s', async (address) => {
    const before = requests;
    const url = new URL(address);
    url.port = String(port);

    await expect(strict.get(url.href)).rejects.toThrow(/not allowed|private|disallow/i);
    expect(requests).toBe(before);
  });

  it('calls a private host that the operator has named, by name or with its port', async () => {
    const named = createHttpClient({ ...LIMITS, privateHosts: ['127.0.0.1'] });
    const withPort = createHttpClient({ ...LIMITS, privateHosts: [`LOCALHOST:${port}`, `127.0.0.1:${port}`] });

    expect((await named.get(`http://127.0.0.1:${port}/`)).data).toBe('ok');
    expect((await withPort.get(`http://127.0.0.1:${port}/`)).data).toBe('ok');
    await expect(withPort.get(`http://127.0.0.1:${port === 65_535 ? 1 : port + 1}/`)).rejects.toThrow();
  });
});

describe('an answer', () => {
  const client = createHttpClient({ ...LIMITS, privateHosts: ['127.0.0.1'] });

  it('is an answer whatever its status', async () => {
    expect((await client.get(`http://127.0.0.1:${port}/teapot`)).status).toBe(418);
  });

  it('that points elsewhere is not followed', async () => {
    const before = requests;

    expect((await client.get(`http://127.0.0.1:${port}/redirect`)).status).toBe(302);
    expect(requests).toBe(before + 1);
  });

  it('that is too large, or does not come, ends the call', async () => {
    await expect(client.get(`http://127.0.0.1:${port}/huge`)).rejects.toThrow(/maxContentLength/);
    const hasty = createHttpClient({ ...LIMITS, timeoutMs: 300, privateHosts: ['127.0.0.1'] });
    await expect(hasty.get(`http://127.0.0.1:${port}/silent`)).rejects.toThrow(/timeout/);
  });
});
