import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { longestBlockMs } from '../../test/support/event-loop.ts';
import { sendRaw } from '../../test/support/raw-request.ts';
import { timed } from '../../test/support/stopwatch.ts';
import { Town } from '../../test/support/town.ts';
import type { TownTenant } from '../../test/support/town-people.ts';

/** Longer than this and others who write at the same time would notice. */
const BLOCK_MS_MAX = 50;
const MEBIBYTE = 1_048_576;

let town: Town;
let bakery: TownTenant;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
  await bakery.customer('Ana', '5511988880001').writes('Oi');
});

afterAll(async () => {
  await town.close();
});

/** A message of Ana's, with whatever stands where its text belongs. Each has an id of its own. */
function said(content: string, more = ''): string {
  return `{"key":{"remoteJid":"5511988880001@s.whatsapp.net","fromMe":false,"id":"${randomUUID()}"},"messageTimestamp":${Math.floor(Date.now() / 1_000)},"message":{"conversation":${content}}${more}}`;
}

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

async function textsStored(): Promise<readonly (string | null)[]> {
  const rows = await town.database.db.selectFrom('message').select('text').orderBy('seq').execute();
  return rows.map((row) => row.text);
}

describe('a body that the service does not take', () => {
  it.each<[number, string, Buffer | string, Record<string, string>]>([
    [413, 'of two megabytes', `{"a":"${'x'.repeat(2 * MEBIBYTE)}"}`, {}],
    [413, 'one byte too long', `{"a":"${'x'.repeat(MEBIBYTE - 7)}"}`, {}],
    [
      415,
      'compressed, and a thousand times larger inside',
      gzipSync('0'.repeat(64 * MEBIBYTE)),
      { 'content-encoding': 'gzip' },
    ],
    [415, 'compressed in a way that nobody knows', '{}', { 'content-encoding': 'br, zstd' }],
    [415, 'of text', '{}', { 'content-type': 'text/plain' }],
    [415, 'of a form', 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }],
    [415, 'with files', '--x--', { 'content-type': 'multipart/form-data; boundary=x' }],
    [400, 'that is empty', '', {}],
    [400, 'that is cut short', '{"key":{"remoteJid":"55', {}],
    [400, 'that is compressed and does not say so', gzipSync('{}'), {}],
    [400, 'that is no JSON', 'undefined', {}],
    [400, 'with a bare NUL', '{"a":"\u0000"}', {}],
    [400, 'with NaN', '{"a":NaN}', {}],
    [400, 'that begins with a mark', '\uFEFF{"a":1', {}],
  ])('is refused with %i when it is one %s', async (...[status, , body, headers]) => {
    const before = (await textsStored()).length;
    let answer: { status: number; body: unknown } | undefined;

    const blockedMs = await longestBlockMs(async () => (answer = await bakery.connection.post(body, headers)));

    expect(answer).toMatchObject({ status, body: { status, code: expect.any(String), requestId: expect.any(String) } });
    expect((await textsStored()).length).toBe(before);
    expect(blockedMs).toBeLessThan(BLOCK_MS_MAX);
  });
});

describe('a signed body that is odd', () => {
  it.each<[string, string, () => Buffer | string]>([
    ['accepted', 'an escaped NUL in the text', () => said('"antes\\u0000depois"')],
    ['accepted', 'half of a surrogate pair', () => said('"antes\\ud83ddepois"')],
    [
      'accepted',
      'bytes that are no UTF-8',
      () => Buffer.concat([Buffer.from(said('"antes')).subarray(0, -2), Buffer.from([0xff, 0xfe]), Buffer.from('"}}')]),
    ],
    ['accepted', 'the same key twice', () => said('"um"', ',"message":{"conversation":"dois"}')],
    [
      'accepted',
      'a prototype',
      () => said('"oi"', ',"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}'),
    ],
    ['accepted', 'a number beyond all bounds', () => said('"oi"', ',"broadcast":1e400000,"n":-1e400000')],
    [
      'accepted',
      'an id of more than 64 bits',
      () => said('"oi"').replace(/"id":"[^"]+"/, `"id":${2n ** 64n},"x":"${randomUUID()}"`),
    ],
    [
      'accepted',
      'an id of ten thousand letters',
      () => said('"oi"').replace(/"id":"([^"]+)"/, `"id":"$1${'A'.repeat(10_000)}"`),
    ],
    [
      'accepted',
      'a time in the year 300,000',
      () => said('"oi"').replace(/"messageTimestamp":\d+/, '"messageTimestamp":9999999999999'),
    ],
    ['accepted', 'a name of a hundred thousand letters', () => said('"oi"', `,"pushName":"${'A'.repeat(100_000)}"`)],
    ['accepted', 'nearly a megabyte of text', () => said(`"${'palavra '.repeat(120_000)}"`)],
    ['accepted', 'a greeting that never ends', () => said(`"oi${' '.repeat(60_000)}x."`)],
    ['accepted', 'a page of nothing but marks', () => said(`"oi${'!,. '.repeat(15_000)}x."`)],
    ['accepted', 'a signature line that never ends', () => said(`"*a:*${' '.repeat(60_000)}x."`)],
    ['ignored', 'a hundred thousand arrays where the text belongs', () => said(nested(100_000))],
    ['parked', 'a hundred thousand objects', () => `${'{"message":'.repeat(70_000)}1${'}'.repeat(70_000)}`],
    ['parked', 'a hundred thousand arrays and nothing else', () => nested(100_000)],
    ['parked', 'a list', () => `[${said('"oi"')}]`],
    ['parked', 'nothing', () => 'null'],
    ['parked', 'a number', () => '42'],
    ['parked', 'an empty object', () => '{}'],
    [
      'parked',
      'ten thousand keys',
      () => JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, key) => [`k${key}`, key]))),
    ],
  ])('is %s when it holds %s', async (...[status, , make]) => {
    const answers: { status: number; body: unknown }[] = [];
    const bodies = [make(), make(), make()];

    const blockedMs = await longestBlockMs(async () => {
      answers.push(await bakery.connection.post(bodies[answers.length] ?? ''));
    });

    expect(answers[0]).toMatchObject({ status: 200, body: { status } });
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(blockedMs).toBeLessThan(BLOCK_MS_MAX);
  });

  it('is stored as text that PostgreSQL can keep, and pollutes nothing', async () => {
    const stored = await textsStored();

    expect(stored).toContain('antesdepois');
    expect(stored).toContain('antes\uFFFDdepois');
    expect(stored).toContain('dois');
    expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false);
    expect(Math.max(...stored.map((text) => text?.length ?? 0))).toBeLessThanOrEqual(65_536);
  });
});

describe('a body that does not come', () => {
  it('is waited for 15 seconds and not longer, and is answered 408', async () => {
    const { pathname, host } = new URL(bakery.connection.webhook.url);

    const { answer, tookMs } = await timed(() =>
      sendRaw(town.url, [
        `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"key":`,
      ]),
    );

    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(tookMs).toBeLessThan(17_500);
  });

  it('and whose sender goes away is nobody’s trouble', async () => {
    const { pathname, host } = new URL(bakery.connection.webhook.url);

    const answer = await sendRaw(town.url, [
      `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ]);

    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect((await bakery.customer('Bia', '5511988880002').writes('Oi')).status).toBe(200);
  });
});
