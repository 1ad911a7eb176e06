import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Secret } from '../platform/secret.ts';
import type { WebhookAuthentication } from '../tenants/tenants.ts';
import { isAuthentic, standardWebhookId } from './webhook-authentication.ts';

const SECRET = 'segredo-de-teste';
/** 177 bytes, as the fork that signs would send them. */
const BODY = Buffer.from(
  '{"event":"message.received","payload":{"id":"3EB0A1B2C3D4E5F60718","ticketId":4711,"body":"Oi, quero falar com um humano","fromMe":false},"timestamp":"2026-08-01T12:00:00.000Z"}',
);
const BODY_SIGNATURE = '6cbae8f270efb572e24d5427f9d9f1fc765d72abc521d424ecce1f1b72496f3d';

interface Given {
  readonly headers?: IncomingHttpHeaders;
  readonly body?: Buffer | string;
  readonly urlSecret?: string;
  readonly receivedAt?: Date;
}

function authentication(
  kind: WebhookAuthentication['kind'],
  secrets: readonly string[],
  header?: string,
): WebhookAuthentication {
  return { kind, header, secrets: secrets.map((secret) => Secret.of(secret)) };
}

function accepts(channel: WebhookAuthentication, given: Given): boolean {
  return isAuthentic(channel, {
    headers: given.headers ?? {},
    rawBody: Buffer.from(given.body ?? BODY),
    urlSecret: given.urlSecret,
    receivedAt: given.receivedAt ?? new Date(),
  });
}

describe('a signature over the body', () => {
  const channel = authentication('hmac', [SECRET]);

  it('is taken as the fork sends it: lower-case hex, with or without a prefix', () => {
    expect(accepts(channel, { headers: { 'x-webhook-signature': BODY_SIGNATURE } })).toBe(true);
    expect(accepts(channel, { headers: { 'x-webhook-signature': `sha256=${BODY_SIGNATURE}` } })).toBe(true);
  });

  it("fits GitHub's published example", () => {
    const given = authentication('hmac', ["It's a Secret to Everybody"], 'x-hub-signature-256');
    const signature = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';

    expect(accepts(given, { body: 'Hello, World!', headers: { 'x-hub-signature-256': `sha256=${signature}` } })).toBe(
      true,
    );
    expect(accepts(given, { body: 'Hello, World!', headers: { 'x-webhook-signature': signature } })).toBe(false);
  });

  it.each<[string, string | string[] | undefined]>([
    ['missing', undefined],
    ['empty', ''],
    ['cut short', BODY_SIGNATURE.slice(0, 63)],
    ['too long', `${BODY_SIGNATURE}0`],
    ['in capitals', BODY_SIGNATURE.toUpperCase()],
    ['of another hash', `sha1=${BODY_SIGNATURE}`],
    ['wrong in its last digit', `${BODY_SIGNATURE.slice(0, 63)}0`],
    ['not hex', 'z'.repeat(64)],
    ['made with another secret', createHmac('sha256', 'outro-segredo-de-teste').update(BODY).digest('hex')],
    ['sent twice', [BODY_SIGNATURE, BODY_SIGNATURE]],
  ])('is refused when it is %s', (...[, signature]) => {
    const headers = signature === undefined ? {} : { 'x-webhook-signature': signature as string };

    expect(accepts(channel, { headers })).toBe(false);
  });

  it('is over the bytes: bodies that differ in a byte that is no UTF-8 have different signatures', () => {
    const [one, other] = [Buffer.from([0x7b, 0xff, 0x7d]), Buffer.from([0x7b, 0xfe, 0x7d])];
    const headers = { 'x-webhook-signature': createHmac('sha256', SECRET).update(one).digest('hex') };

    expect(one.toString()).toBe(other.toString());
    expect(accepts(channel, { body: one, headers })).toBe(true);
    expect(accepts(channel, { body: other, headers })).toBe(false);
  });

  it('may be made with any secret that is active, so that secrets can be rotated', () => {
    const rotating = authentication('hmac', ['o-segredo-novo-aqui', SECRET]);

    expect(accepts(rotating, { headers: { 'x-webhook-signature': BODY_SIGNATURE } })).toBe(true);
    expect(
      accepts(authentication('hmac', ['o-segredo-novo-aqui']), { headers: { 'x-webhook-signature': BODY_SIGNATURE } }),
    ).toBe(false);
  });
});

describe('a signature of Standard Webhooks', () => {
  const KEY = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
  const channel = authentication('hmac', [`whsec_${KEY}`]);

  function sign(parts: { id?: string; at: number | string; body?: Buffer | string; key?: Buffer | string }): string {
    const { id = ID, at, body = BODY, key = Buffer.from(KEY, 'base64') } = parts;
    const digest = createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest('base64');
    return `v1,${digest}`;
  }

  const NOW = Math.floor(Date.now() / 1_000);

  function headersOf(given: { id?: string; at?: number | string; signature?: string }): IncomingHttpHeaders {
    const { id = ID, at = NOW, signature = sign({ id, at }) } = given;
    return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': signature };
  }

  it('fits the example of the specification', () => {
    const headers = headersOf({ at: 1_614_265_330, signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=' });
    const receivedAt = new Date(1_614_265_330_000);

    expect(accepts(channel, { headers, body: '{"test": 2432232314}', receivedAt })).toBe(true);
  });

  it('is taken with a secret that is not base64, too: its bytes are the key', () => {
    expect(
      accepts(authentication('hmac', [SECRET]), { headers: headersOf({ signature: sign({ at: NOW, key: SECRET }) }) }),
    ).toBe(true);
  });

  it('needs the marker before a base64 secret: without it the same characters are another key', () => {
    expect(accepts(authentication('hmac', [KEY]), { headers: headersOf({}) })).toBe(false);
  });

  it('is taken over an empty body', () => {
    expect(accepts(channel, { body: '', headers: headersOf({ signature: sign({ at: NOW, body: '' }) }) })).toBe(true);
  });

  it('is found among signatures of other versions and other keys', () => {
    const right = sign({ at: NOW });
    const wrong = sign({ at: NOW, key: 'outra chave' });
    const list = [`v2,${right.slice(3)}`, wrong, right, 'v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc='].join(' ');

    expect(accepts(channel, { headers: headersOf({ signature: list }) })).toBe(true);
  });

  it.each<[string, IncomingHttpHeaders]>([
    ['an id', { 'webhook-timestamp': String(NOW), 'webhook-signature': sign({ at: NOW }) }],
    ['a time', { 'webhook-id': ID, 'webhook-signature': sign({ at: NOW }) }],
    ['a signature', { 'webhook-id': ID, 'webhook-timestamp': String(NOW) }],
    ['anything', {}],
  ])('is refused without %s', (...[, headers]) => {
    expect(accepts(channel, { headers })).toBe(false);
  });

  it.each<[string, { id?: string; at?: number | string; signature?: string }]>([
    ['a time that is no number', { at: 'hi' }],
    ['a time with letters behind it', { at: `${NOW}junk` }],
    ['a time with a sign', { at: `+${NOW}` }],
    ['a time in hexadecimal', { at: `0x${NOW.toString(16)}` }],
    ['a time with a fraction', { at: `${NOW}.5` }],
    ['an empty time', { at: '' }],
    ['a time of five minutes and one second ago', { at: NOW - 301 }],
    ['a time in five minutes and more', { at: NOW + 305 }],
    ['an id with a full stop', { id: 'msg.1614265330' }],
    ['an id with a space', { id: 'msg 1' }],
    ['an empty id', { id: '' }],
    ['a garbled signature', { signature: 'v1,abcd' }],
    ['a signature cut short', { signature: sign({ at: NOW }).slice(0, 30) }],
    ['an empty signature', { signature: 'v1,' }],
    ['no version', { signature: sign({ at: NOW }).slice(3) }],
    ['a signature of another version only', { signature: `v1a,${sign({ at: NOW }).slice(3)}` }],
    ['two hundred signatures', { signature: Array.from({ length: 200 }, () => sign({ at: NOW })).join(' ') }],
    ['the signature of another id', { signature: sign({ at: NOW, id: 'msg_other' }) }],
    ['the signature of another time', { signature: sign({ at: NOW - 1 }) }],
    ['the signature of another body', { signature: sign({ at: NOW, body: 'other' }) }],
  ])('is refused with %s', (...[, given]) => {
    expect(accepts(channel, { headers: headersOf(given) })).toBe(false);
  });

  it('is good for five minutes, both ways', () => {
    const receivedAt = new Date(NOW * 1_000);

    expect(accepts(channel, { headers: headersOf({ at: NOW - 300 }), receivedAt })).toBe(true);
    expect(accepts(channel, { headers: headersOf({ at: NOW + 300 }), receivedAt })).toBe(true);
  });

  it('decides alone where it is present: a good signature over the body does not make up for a bad one', () => {
    const headers = { ...headersOf({ signature: 'v1,' }), 'x-webhook-signature': BODY_SIGNATURE };

    expect(accepts(authentication('hmac', [SECRET]), { headers })).toBe(false);
  });

  it('names the delivery', () => {
    expect(standardWebhookId(headersOf({}))).toBe(ID);
    expect(standardWebhookId({})).toBeUndefined();
  });
});

describe('a bearer token', () => {
  const channel = authentication('bearer', [SECRET]);

  it.each<[boolean, string, string | undefined]>([
    [true, 'the secret', `Bearer ${SECRET}`],
    [true, 'the scheme in lower case', `bearer ${SECRET}`],
    [false, 'nothing', undefined],
    [false, 'no token', 'Bearer '],
    [false, 'the secret without its scheme', SECRET],
    [false, 'another scheme', `Basic ${SECRET}`],
    [false, 'half of the secret', `Bearer ${SECRET.slice(0, -1)}`],
    [false, 'more than the secret', `Bearer ${SECRET}x`],
  ])('%s for %s', (...[taken, , authorization]) => {
    expect(accepts(channel, { headers: authorization === undefined ? {} : { authorization } })).toBe(taken);
  });

  it('stands bare in a header of its own, and only there', () => {
    const named = authentication('bearer', [SECRET], 'x-token');

    expect(accepts(named, { headers: { 'x-token': SECRET } })).toBe(true);
    expect(accepts(named, { headers: { authorization: `Bearer ${SECRET}` } })).toBe(false);
  });
});

describe('a secret in the address', () => {
  const channel = authentication('url-secret', [SECRET, 'o-segredo-novo-aqui']);

  it.each<[boolean, string | undefined]>([
    [true, SECRET],
    [true, 'o-segredo-novo-aqui'],
    [false, undefined],
    [false, ''],
    [false, `${SECRET}x`],
  ])('%s for %s', (taken, urlSecret) => {
    expect(accepts(channel, urlSecret === undefined ? {} : { urlSecret })).toBe(taken);
  });

  it('is not made up for by a signature', () => {
    expect(accepts(channel, { headers: { 'x-webhook-signature': BODY_SIGNATURE } })).toBe(false);
  });
});
