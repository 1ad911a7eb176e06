import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import { GeminiStandIn } from '../gemini/gemini-stand-in.ts';
import { WhaticketStandIn } from '../whaticket/whaticket-stand-in.ts';
import { ACCEPTED, RehearsalTown, portOf } from './rehearsal-town.ts';
import type { PhoneEvent } from './phone-page.ts';
import type { PhoneTownOptions } from './phone-town.ts';

const ANA_PHONE = '5511999990001';

let folder: string;
let rehearsal: RehearsalTown;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'plantao-town-'));
  rehearsal = await RehearsalTown.open({ historyFile: historyFile() });
});

afterEach(async () => {
  await rehearsal.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a message on the phone', () => {
  it('goes from sending to accepted, delivered and answered, and says how long it took', async () => {
    const ticks: string[] = [];
    rehearsal.town.onEvent((event) => {
      if (event.type === 'ticks') ticks.push(event.ticks);
    });

    await anaWrites('first-message', 'Vocês abrem domingo?');
    rehearsal.botSays(ANA_PHONE, 'Sim, das 7h às 14h.');

    expect(ticks).toEqual(['accepted', 'delivered', 'answered']);
    expect(rehearsal.town.history('ana')).toMatchObject([
      { ticks: 'answered', acceptedMs: expect.any(Number), answeredMs: expect.any(Number) },
      { from: 'company', text: 'Sim, das 7h às 14h.' },
    ]);
  });

  it('that the service takes but does not give to the bot stays at one tick, and nobody types', async () => {
    rehearsal.webhookAnswers({ status: 200, body: { status: 'parked' } });

    await anaWrites('first-message', 'Oi');

    expect(rehearsal.town.history('ana')).toMatchObject([{ ticks: 'accepted' }]);
    expect(rehearsal.town.activity('ana')).toBe('idle');
  });

  it('that was refused can be sent again, and then stands at the end of the chat', async () => {
    rehearsal.webhookAnswers({ status: 503, body: {} });
    await anaWrites('first-message', 'Oi');
    rehearsal.webhookAnswers(ACCEPTED);
    await anaWrites('other-message', 'Alguém aí?');

    await anaWrites('first-message', 'Oi');

    expect(rehearsal.town.history('ana').map(({ id }) => id)).toEqual(['other-message', 'first-message']);
    expect(rehearsal.town.history('ana').at(-1)).toMatchObject({ ticks: 'delivered' });
  });

  it('has the same provider id at every attempt, so that the service can know it again', async () => {
    rehearsal.webhookAnswers({ status: 503, body: {} });
    await anaWrites('first-message', 'Oi');
    await anaWrites('first-message', 'Oi');
    await anaWrites('other-message', 'Oi');

    const [first, again, other] = rehearsal.said.map((said) => said.providerMessageId);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it('does not wait for ever for a webhook that says nothing, nor trip over a gateway that fails', async () => {
    await reopen({ sendTimeoutMs: 5 });
    rehearsal.webhookAnswers(new Promise(() => undefined));
    expect(await anaWrites('first-message', 'Oi')).toMatchObject({ accepted: false });

    rehearsal.webhookAnswers(Promise.reject(new Error('connection refused')));
    expect(await anaWrites('other-message', 'Oi?')).toMatchObject({ accepted: false });
    expect(rehearsal.warnings).toEqual(['A message from a phone did not reach the webhook']);
  });

  it('from a number written without its ninth digit is the same person', () => {
    rehearsal.botSays('551199990001', 'Bom dia!');

    expect(rehearsal.town.history('ana')).toMatchObject([{ from: 'company', text: 'Bom dia!' }]);
  });
});

describe('"typing"', () => {
  it('lasts from acceptance to the reply', async () => {
    await anaWrites('first-message', 'Oi');
    expect(rehearsal.town.activity('ana')).toBe('typing');

    rehearsal.botSays(ANA_PHONE, 'Oi, Ana!');
    expect(rehearsal.town.activity('ana')).toBe('idle');
  });

  it('is no longer believed after a while without a reply', async () => {
    await reopen({ patienceMs: 5 });
    const overdue = eventWhere((event) => event.type === 'typing' && event.activity === 'overdue');

    await anaWrites('first-message', 'Oi');

    expect(await overdue).toMatchObject({ customerId: 'ana' });
  });
});

describe('the chats', () => {
  it('are still there after a restart, and what was on its way can be sent again', async () => {
    await anaWrites('first-message', 'Oi');
    rehearsal.webhookAnswers(new Promise(() => undefined));
    const cutOff = anaWrites('other-message', 'Alguém aí?');

    await reopen();

    expect(await cutOff).toMatchObject({ accepted: false });
    expect(rehearsal.town.history('ana')).toMatchObject([
      { text: 'Oi', ticks: 'delivered' },
      { text: 'Alguém aí?', ticks: 'refused' },
    ]);
    expect(await readdir(folder)).toEqual(['chats.json']);
  });

  it('of a process that was killed show what was on its way as not sent', async () => {
    const said = { id: 'first-message', from: 'customer', kind: 'text', text: 'Oi', at: '2026-03-02T12:00:00.000Z' };
    const chats = { ana: [{ ...said, ticks: 'sending' }] };
    await rehearsal.close();
    await writeFile(historyFile(), JSON.stringify({ version: 1, chats }));

    await reopen();

    expect(rehearsal.town.history('ana')).toEqual([{ ...said, ticks: 'refused' }]);
  });

  it('keep the last 200 messages of each customer', async () => {
    for (let each = 1; each <= 205; each += 1) rehearsal.botSays(ANA_PHONE, `Mensagem ${each}`);
    await reopen();

    expect(rehearsal.town.history('ana')).toHaveLength(200);
    expect(rehearsal.town.history('ana')[0]?.text).toBe('Mensagem 6');
  });

  it('begin anew beside a file that cannot be read, and the file is kept', async () => {
    await rehearsal.close();
    await writeFile(historyFile(), '{"version":1,"chats":{"ana":[{}');

    await reopen();

    expect(rehearsal.town.history('ana')).toEqual([]);
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^chats\.json\.unreadable-\d+$/)]);
    expect(rehearsal.warnings).toEqual([expect.stringContaining('were moved to')]);
  });
});

describe('the town on the real stand-ins', () => {
  it('sends through the gateway to the webhook, hears the reply, and breaks both parts', async () => {
    const received: unknown[] = [];
    const webhook = express()
      .use(express.json())
      .post('/hook', (req, res) => {
        received.push(req.body);
        res.json({ status: 'accepted' });
      })
      .listen(0, '127.0.0.1');
    await once(webhook, 'listening');
    const gateway = await WhaticketStandIn.start();
    const model = await GeminiStandIn.start();
    const line = gateway.addConnection({
      name: 'Padaria',
      profile: 'launcherbr',
      token: 'token-of-the-bakery',
      echoes: false,
      webhook: {
        url: `http://127.0.0.1:${portOf(webhook)}/hook`,
        shape: 'W1',
        auth: { kind: 'hmac', secret: 'a-secret-of-the-bakery' },
      },
    });
    await reopen({ line, gateway, model });

    await anaWrites('first-message', 'Vocês abrem domingo?');
    const sent = await fetch(`${gateway.url}/api/messages/send`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer token-of-the-bakery' },
      body: JSON.stringify({ number: ANA_PHONE, body: 'Sim, das 7h às 14h.' }),
    });
    rehearsal.town.setFault('gateway-down');

    expect(sent.status).toBe(200);
    expect(JSON.stringify(received)).toContain('Vocês abrem domingo?');
    expect(rehearsal.town.history('ana')).toMatchObject([
      { ticks: 'answered' },
      { from: 'company', text: 'Sim, das 7h às 14h.' },
    ]);
    expect(gateway.faults.mode).toBe('off');

    await gateway.close();
    await model.close();
    webhook.closeAllConnections();
    webhook.close();
  });
});

function historyFile(): string {
  return path.join(folder, 'chats.json');
}

async function reopen(options: Partial<PhoneTownOptions> = {}): Promise<void> {
  await rehearsal.close();
  rehearsal = await RehearsalTown.open({ historyFile: historyFile(), ...options });
}

async function anaWrites(id: string, text: string): Promise<unknown> {
  return rehearsal.town.send('ana', { id, kind: 'text', text });
}

async function eventWhere(isWanted: (event: PhoneEvent) => boolean): Promise<PhoneEvent> {
  return new Promise((resolve) => {
    rehearsal.town.onEvent((event) => {
      if (isWanted(event)) resolve(event);
    });
  });
}
