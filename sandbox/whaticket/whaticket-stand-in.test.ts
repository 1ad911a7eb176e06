import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { recogniseWebhook } from '../../src/vendors/whaticket/webhook-payload.ts';
import type { MessageKind, ReceivedEvent } from '../../src/vocabulary/message.ts';
import type { Connection, ConnectionOptions } from './connection.ts';
import { signatureOf } from './webhook-signing.ts';
import type { Webhook, WebhookShape } from './webhook-signing.ts';
import { WhaticketStandIn } from './whaticket-stand-in.ts';

const ANA = { phone: '5511988887777', name: 'Ana Lima' };
const TOKEN = 'token-da-conexao';
const SECRET = 'segredo-de-teste';
const AT = new Date('2026-08-01T16:00:00.000Z');

interface Posted {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let whaticket: WhaticketStandIn;
let receiver: Server;
let receiverUrl: string;
let posted: Posted[];
let onPosted: () => void;

beforeEach(async () => {
  whaticket = await WhaticketStandIn.start();
  posted = [];
  onPosted = () => undefined;
  receiver = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    req.on('end', () => {
      posted.push({ path: req.url, headers: req.headers, body });
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"accepted"}');
      onPosted();
    });
  });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  receiver.listen(0, '127.0.0.1', () => {
    resolve(undefined);
  });
  await promise;
  const address = receiver.address();
  receiverUrl = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/hook`;
});

afterEach(async () => {
  await whaticket.close();
  receiver.close();
  receiver.closeAllConnections();
});

function connect(changes: Partial<ConnectionOptions> & Partial<Pick<Webhook, 'shape' | 'auth'>> = {}): Connection {
  const { shape = 'W1', auth = { kind: 'hmac', secret: SECRET }, ...rest } = changes;
  const webhook = { url: receiverUrl, shape, auth };
  return whaticket.addConnection({
    name: 'Suporte',
    profile: 'launcherbr',
    token: TOKEN,
    echoes: false,
    webhook,
    ...rest,
  });
}

function lastEvent(): ReceivedEvent {
  return recogniseWebhook(JSON.parse(posted.at(-1)?.body ?? 'null'));
}

async function call(path: string, body: unknown, bearer?: string): Promise<{ status: number; text: string }> {
  const headers = {
    'content-type': 'application/json',
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
  };
  const answer = await fetch(whaticket.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, text: await answer.text() };
}

const SHAPES: readonly WebhookShape[] = ['W1', 'W2', 'W3', 'W4'];

describe('a customer who writes', () => {
  it.each(SHAPES)('is understood in the shape %s, whatever the form', async (shape) => {
    const connection = connect({ shape });
    const kinds: readonly MessageKind[] = [
      'text',
      'audio',
      'image',
      'document',
      'sticker',
      'video',
      'location',
      'contact',
    ];

    for (const kind of kinds) {
      const answer = await connection.customerWrites({ ...ANA, kind, text: 'Bom dia', at: AT });

      expect(answer).toMatchObject({ status: 200, body: { status: 'accepted' } });
      expect(lastEvent()).toMatchObject({
        type: 'message',
        kind,
        contactName: 'Ana Lima',
        addresses: [{ kind: 'phone', value: ANA.phone }],
      });
    }
  });

  it.each(['W1', 'W2', 'W4'] as const)('has an id and a time in the shape %s', async (shape) => {
    const { providerMessageId } = await connect({ shape }).customerWrites({ ...ANA, text: 'oi', at: AT });

    expect(lastEvent()).toMatchObject({ text: 'oi', providerMessageId, occurredAt: AT });
  });

  it.each(SHAPES)('is known by phone and LID in the shape %s', async (shape) => {
    await connect({ shape }).customerWrites({ ...ANA, lid: '201122334455667', text: 'oi' });

    expect(lastEvent()).toMatchObject({
      addresses: [
        { kind: 'phone', value: ANA.phone },
        { kind: 'lid', value: '201122334455667' },
      ],
    });
  });

  it.each(['W1', 'W2', 'W3', 'W4'] as const)('reacts, and writes in groups, in the shape %s', async (shape) => {
    const connection = connect({ shape });

    await connection.customerReacts({ ...ANA, targetId: '3EB0ORIGINAL', text: '👍' });
    expect(lastEvent().type).toBe('reaction');
    await connection.groupMessage({ ...ANA, text: 'oi, pessoal' });
    expect(lastEvent().type).toBe('group');
  });

  it.each(['W1', 'W2', 'W4'] as const)('edits, deletes and quotes in the shape %s', async (shape) => {
    const connection = connect({ shape });

    await connection.customerEdits({ ...ANA, targetId: '3EB0ORIGINAL', text: 'às 15h' });
    expect(lastEvent()).toMatchObject({ type: 'edit', targetMessageId: '3EB0ORIGINAL', text: 'às 15h' });
    await connection.customerDeletes({ ...ANA, targetId: '3EB0ORIGINAL' });
    expect(lastEvent()).toMatchObject({ type: 'deletion', targetMessageId: '3EB0ORIGINAL' });
    await connection.customerWrites({ ...ANA, text: 'E este?', quotedText: 'Pedido 123' });
    expect(lastEvent()).toMatchObject({ type: 'message', text: 'E este?', quotedText: 'Pedido 123' });
  });

  it('cannot edit in W3, which has no word for it', async () => {
    await expect(connect({ shape: 'W3' }).customerEdits({ ...ANA, targetId: 'x' })).rejects.toThrow('W3 has no edits');
  });

  it.each(SHAPES)('sees an agent answer from the phone, in the shape %s', async (shape) => {
    await connect({ shape }).agentWritesFromPhone(ANA.phone, 'Aqui é o Bruno');

    expect(lastEvent()).toMatchObject({
      type: 'echo',
      isAutomatic: false,
      text: 'Aqui é o Bruno',
      addresses: [{ value: ANA.phone }],
    });
  });
});

describe('the proof of a webhook', () => {
  it('is the lower-case hex HMAC-SHA256 of the bytes', () => {
    const body =
      '{"event":"message.received","payload":{"id":"3EB0A1B2C3D4E5F60718","ticketId":4711,"body":"Oi, quero falar com um humano","fromMe":false},"timestamp":"2026-08-01T12:00:00.000Z"}';

    expect(Buffer.byteLength(body)).toBe(177);
    expect(signatureOf('segredo-de-teste', body)).toBe(
      '6cbae8f270efb572e24d5427f9d9f1fc765d72abc521d424ecce1f1b72496f3d',
    );
  });

  it('by HMAC stands in the header of the fork, or in another one', async () => {
    await connect().customerWrites({ ...ANA, text: 'oi' });
    await connect({ auth: { kind: 'hmac', secret: SECRET, header: 'X-Relay' } }).customerWrites({ ...ANA, text: 'oi' });

    const [first, second] = posted;
    expect(first?.headers['x-webhook-signature']).toBe(signatureOf(SECRET, first?.body ?? ''));
    expect(second?.headers['x-relay']).toBe(signatureOf(SECRET, second?.body ?? ''));
  });

  it('by bearer or by address is the secret itself', async () => {
    await connect({ auth: { kind: 'bearer', secret: SECRET } }).customerWrites({ ...ANA, text: 'oi' });
    await connect({ auth: { kind: 'url-secret', secret: SECRET } }).customerWrites({ ...ANA, text: 'oi' });

    expect(posted[0]).toMatchObject({ path: '/hook', headers: { authorization: `Bearer ${SECRET}` } });
    expect(posted[1]).toMatchObject({ path: `/hook/${SECRET}` });
    expect(posted[1]?.headers).not.toHaveProperty('authorization');
  });

  it('is made for raw bytes too, and gives way to headers that are given', async () => {
    const connection = connect();

    await connection.post('{"a": 1}');
    await connection.post('{"a": 1}', { 'X-Webhook-Signature': 'falsa', 'Content-Type': 'text/plain' });

    expect(posted[0]?.headers['x-webhook-signature']).toBe(signatureOf(SECRET, '{"a": 1}'));
    expect(posted[1]?.headers).toMatchObject({ 'x-webhook-signature': 'falsa', 'content-type': 'text/plain' });
  });
});

describe('what is sent through the stand-in', () => {
  it('is remembered, told of, and waited for', async () => {
    connect();
    const heard: string[] = [];
    const stop = whaticket.onSent((message) => heard.push(message.text));
    const waiting = whaticket.waitForSent(2, { phone: ANA.phone, timeoutMs: 5_000 });

    for (const body of ['um', 'dois']) await call('/api/messages/send', { number: ANA.phone, body }, TOKEN);
    await call('/api/messages/send', { number: '5521977776666', body: 'três' }, TOKEN);

    expect((await waiting).map((message) => message.text)).toEqual(['um', 'dois']);
    expect(heard).toEqual(['um', 'dois', 'três']);
    expect(whaticket.sent).toMatchObject([{ phone: ANA.phone, token: TOKEN }, {}, { phone: '5521977776666' }]);
    stop();
  });

  it('is waited for no longer than is said', async () => {
    await expect(whaticket.waitForSent(1, { timeoutMs: 10 })).rejects.toThrow('0 of 1 messages were sent within 10 ms');
  });

  it('reaches the phone as WhatsApp knows it, with or without the ninth digit', async () => {
    await connect().customerWrites({ phone: '551188887777', text: 'oi' });

    await call('/api/messages/send', { number: ANA.phone, body: 'Olá' }, TOKEN);

    expect(whaticket.sent).toMatchObject([{ phone: '551188887777' }]);
  });

  it('comes back as an echo where the fork does not look at who wrote', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onPosted = () => {
      resolve(undefined);
    };
    connect({ profile: 'hosted', shape: 'W3', echoes: true });

    await call('/api/messages/send', { number: ANA.phone, body: 'Olá' }, TOKEN);
    await promise;

    expect(lastEvent()).toMatchObject({ type: 'echo', text: 'Olá', addresses: [{ kind: 'phone', value: ANA.phone }] });
  });

  it.each([
    ['community', TOKEN, { number: ANA.phone, body: 'oi' }, 200, ''],
    ['community', undefined, { number: ANA.phone, body: 'oi' }, 401, '{"error":"ERR_SESSION_EXPIRED"}'],
    ['community', 'x', {}, 403, `{"error":"Invalid token. We'll try to assign a new one on next request"}`],
    ['community', TOKEN, { body: 'oi' }, 500, '{"error":"Internal server error"}'],
    [
      'community',
      TOKEN,
      { number: 'ana', body: 'oi' },
      400,
      '{"error":"Invalid number format. Only numbers is allowed."}',
    ],
    ['community', TOKEN, { number: ANA.phone, body: 'oi', whatsappId: 9 }, 400, '{"error":"whatsapp #9 not found"}'],
    ['community', TOKEN, { number: ANA.phone, body: '{{' }, 400, '{"error":"ERR_SENDING_WAPP_MSG"}'],
    ['launcherbr', TOKEN, { number: ANA.phone, body: 'oi' }, 200, '{"mensagem":"Mensagem enviada"}'],
    ['launcherbr', undefined, {}, 401, '{"error":"Acesso não permitido"}'],
    ['launcherbr', 'x', {}, 401, '{"error":"Acesso não permitido"}'],
    [
      'launcherbr',
      TOKEN,
      { body: 'oi' },
      400,
      '{"error":"Não foi possível enviar a mensagem, tente novamente em alguns instantes"}',
    ],
  ] as const)('by %s with %p and %j is answered %i %s', async (...[profile, token, body, status, text]) => {
    connect({ profile });

    expect(await call('/api/messages/send', body, token)).toEqual({ status, text });
  });

  it('is rendered by the template engine, escaping what it inserts', async () => {
    await connect().customerWrites({ phone: ANA.phone, name: "D'Ávila", text: 'oi' });

    await call('/api/messages/send', { number: ANA.phone, body: 'Olá {{name}}, 1 < 2' }, TOKEN);

    expect(whaticket.sent.at(-1)?.text).toBe('Olá D&#39;Ávila, 1 < 2');
  });

  it('can be read back in the ticket by a user', async () => {
    await connect().customerWrites({ ...ANA, text: 'oi' });
    const ticketId = 4_711;
    const login = await call('/auth/login', whaticket.login);
    const token = /"token":"([^"]+)"/.exec(login.text)?.[1];

    await call(`/messages/${ticketId}`, { body: 'Olá!' }, token);
    const headers = { authorization: `Bearer ${token ?? ''}` };
    const page: unknown = await (await fetch(`${whaticket.url}/messages/${ticketId}`, { headers })).json();
    const lines: unknown = await (await fetch(`${whaticket.url}/whatsapp/`, { headers })).json();

    expect(page).toMatchObject({
      count: 2,
      messages: [
        { body: 'oi', fromMe: false },
        { body: 'Olá!', fromMe: true },
      ],
    });
    expect(lines).toMatchObject([{ id: 1, name: 'Suporte', status: 'CONNECTED' }]);
    expect(whaticket.sent).toMatchObject([{ ticketId, phone: ANA.phone }]);
  });
});

describe('a fault', () => {
  it('hits as many requests as it is meant to', async () => {
    connect();
    whaticket.faults.set({ mode: 'throttled', times: 2 });

    const statuses: number[] = [];
    for (const body of ['um', 'dois', 'três']) {
      statuses.push((await call('/api/messages/send', { number: ANA.phone, body }, TOKEN)).status);
    }

    expect(statuses).toEqual([429, 429, 200]);
  });

  it('does not keep the stand-in from closing', async () => {
    connect();
    whaticket.faults.set({ mode: 'slow', delayMs: 60_000, times: 1 });
    const waiting = call('/api/messages/send', { number: ANA.phone, body: 'oi' }, TOKEN).catch(() => 'cut off');
    while (whaticket.faults.mode !== 'none') await setImmediate();

    await whaticket.close();

    expect(await waiting).toBe('cut off');
    expect(whaticket.sent).toEqual([]);
  });
});
