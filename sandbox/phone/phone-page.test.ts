import { once } from 'node:events';
import http from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import request from 'supertest';
import { phonePage } from './phone-page.ts';
import { RehearsalTown, portOf } from './rehearsal-town.ts';

const ANA = '/phone/api/customers/ana/messages';

let rehearsal: RehearsalTown;
let app: express.Express;

beforeEach(async () => {
  rehearsal = await RehearsalTown.open();
  app = express().use(phonePage(rehearsal.town));
});

afterEach(async () => {
  await rehearsal.close();
});

describe('the files of the phone', () => {
  it.each([
    ['/phone', 'text/html'],
    ['/phone/phone.css', 'text/css'],
    ['/phone/phone.js', 'javascript'],
    ['/phone/icon.svg', 'image/svg+xml'],
  ])('%s comes with a policy that lets nothing foreign or inline run', async (address, type) => {
    const answer = await request(app).get(address).expect(200);

    expect(answer.headers['content-type']).toContain(type);
    expect(answer.headers['content-security-policy']).toMatch(/^default-src 'self';/);
    expect(answer.headers['content-security-policy']).not.toContain('unsafe');
  });

  it('are the page alone: its server side is not handed out', async () => {
    await request(app).get('/phone/phone-page.ts').expect(404);
    await request(app).get('/phone/..%2fdemo%2fcustomers.ts').expect(404);
  });
});

describe('the state of the phone', () => {
  it('holds the customers, their chats and the fault', async () => {
    await request(app).post(ANA).send({ text: 'Vocês abrem domingo?' }).expect(201);

    const answer = await request(app).get('/phone/api/state').expect(200);

    const messages = [expect.objectContaining({ text: 'Vocês abrem domingo?', ticks: 'delivered' })];
    expect(answer.body).toMatchObject({ company: 'Padaria Pão da Vila', fault: 'none' });
    expect(answer.body).toHaveProperty('customers.length', 5);
    expect(answer.body).toHaveProperty(
      'customers.0',
      expect.objectContaining({ id: 'ana', activity: 'typing', messages }),
    );
  });
});

describe('a message from the phone', () => {
  it('goes to the webhook, and the answer says how long that took', async () => {
    const answer = await request(app).post(ANA).send({ text: 'Oi' }).expect(201);

    expect(answer.body).toEqual({ id: expect.any(String), accepted: true, milliseconds: expect.any(Number) });
    expect(rehearsal.said).toMatchObject([{ phone: '5511999990001', name: 'Ana Souza', kind: 'text', text: 'Oi' }]);
  });

  it('may be a voice note, a picture or a document', async () => {
    for (const kind of ['audio', 'image', 'document']) await request(app).post(ANA).send({ kind }).expect(201);

    expect(rehearsal.said.map((said) => said.kind)).toEqual(['audio', 'image', 'document']);
  });

  it('that is sent twice with one id arrives once', async () => {
    await request(app).post(ANA).send({ id: 'the-same-id', text: 'Oi' }).expect(201);
    await request(app).post(ANA).send({ id: 'the-same-id', text: 'Oi' }).expect(201);

    expect(rehearsal.said).toHaveLength(1);
  });

  it('that the webhook refuses is told as not accepted', async () => {
    rehearsal.webhookAnswers({ status: 503, body: {} });

    const answer = await request(app).post(ANA).send({ text: 'Oi' }).expect(201);

    expect(answer.body).toMatchObject({ accepted: false });
    expect(rehearsal.town.history('ana')).toMatchObject([{ ticks: 'refused' }]);
  });

  it.each([
    ['no words', { text: '   ' }, 'a text message needs words'],
    ['4,097 characters', { text: 'a'.repeat(4_097) }, '4096'],
    ['a form nobody knows', { kind: 'hologram' }, 'kind'],
    ['an attachment with words', { kind: 'audio', text: 'oi' }, 'an attachment has none'],
    ['a field nobody asked for', { text: 'oi', admin: true }, 'admin'],
    ['an id with odd letters', { id: '<script>', text: 'oi' }, 'id'],
    ['a list', ['oi'], 'expected object'],
  ])('with %s is refused, and the answer says why', async (_case, message, reason) => {
    const answer = await request(app).post(ANA).send(message).expect(400);

    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.body).toHaveProperty('detail', expect.stringContaining(reason));
    expect(rehearsal.said).toEqual([]);
  });

  it('of 4,096 characters that each take the most bytes goes through', async () => {
    await request(app)
      .post(ANA)
      .type('json')
      .send(`{"text":"${'\\u00e3'.repeat(4_096)}"}`)
      .expect(201);

    expect(rehearsal.said[0]?.text).toBe('ã'.repeat(4_096));
  });

  it('is refused when it is too large, not JSON, broken, or from nobody', async () => {
    await request(app)
      .post(ANA)
      .send({ text: 'a'.repeat(40_000) })
      .expect(413);
    await request(app).post(ANA).type('text/plain').send('{"text":"oi"}').expect(415);
    await request(app).post(ANA).type('json').send('{"text":').expect(400);
    await request(app).post('/phone/api/customers/nobody/messages').send({ text: 'oi' }).expect(404);
    await request(app).get('/phone/api/elsewhere').expect(404);
  });
});

describe('a fault', () => {
  it.each([
    ['gateway-down', { mode: 'off' }, { mode: 'none' }],
    ['gateway-drops', { mode: 'drop-after-accepting' }, { mode: 'none' }],
    ['model-slow', { mode: 'none' }, { mode: 'slow', delayMs: 12_000 }],
    ['model-429', { mode: 'none' }, { mode: '429' }],
    ['model-offline', { mode: 'none' }, { mode: 'down' }],
    ['none', { mode: 'none' }, { mode: 'none' }],
  ])('%s breaks exactly one part', async (fault, gateway, model) => {
    const answer = await request(app).post('/phone/api/faults').send({ fault }).expect(200);

    expect(answer.body).toEqual({ fault });
    expect(rehearsal.faults).toEqual({ gateway, model });
  });

  it('that nobody knows is refused', async () => {
    const answer = await request(app).post('/phone/api/faults').send({ fault: 'earthquake' }).expect(400);

    expect(answer.body).toHaveProperty('detail', expect.stringContaining('gateway-down'));
  });
});

describe('the stream of events', () => {
  it('begins with the state and goes on with whatever happens', async () => {
    const server = http.createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stream = await fetch(`http://127.0.0.1:${portOf(server)}/phone/api/events`);
    const events = eventsOf(stream);

    expect(await events.next()).toMatchObject({ value: { type: 'state', fault: 'none' } });
    rehearsal.botSays('5511999990001', 'Bom dia!');
    expect(await events.next()).toMatchObject({ value: { type: 'typing', activity: 'idle' } });
    expect(await events.next()).toMatchObject({ value: { type: 'message', message: { text: 'Bom dia!' } } });

    await events.return();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
});

async function* eventsOf(stream: Response): AsyncGenerator<unknown, void> {
  let unread = '';
  for await (const chunk of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (unread + chunk).split('\n\n');
    unread = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}
