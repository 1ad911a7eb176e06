import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { webhookHeaders } from '../../sandbox/whaticket/webhook-signing.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const Line = z.looseObject({
  process: z.string(),
  event: z.string().optional(),
  requestId: z.string().optional(),
  conversationId: z.string().optional(),
});

const lines: string[] = [];
const onLog = (line: string): void => {
  lines.push(line);
};
let town: Town;
let bakery: TownTenant;

beforeAll(async () => {
  town = await Town.start({
    onLog,
    environment: { LOG_LEVEL: 'debug', MODEL_TIMEOUT_MS: '500', TURN_DEADLINE_MS: '4000' },
  });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES, login: true });
});

afterAll(async () => {
  await town.close();
});

function saidOf(requestId: string): readonly z.infer<typeof Line>[] {
  return lines.map((line) => Line.parse(JSON.parse(line))).filter((line) => line.requestId === requestId);
}

/** Without a worker, and with another database of Redis than that of the town whose worker would take its wakes. */
async function aTownOfItsOwn(pathname: string): Promise<Town> {
  const redis = new URL(town.environment.REDIS_URL ?? '');
  redis.pathname = pathname;
  const environment = { LOG_LEVEL: 'info', REDIS_URL: redis.href };
  return await Town.start({ worker: false, onLog, environment });
}

/** Writes through the gateway with a request id that the caller has chosen. Returns the answer's own. */
async function writesWithId(person: Customer, text: string, requestId: string): Promise<string | null> {
  const body = JSON.stringify({
    key: { id: `ID-${requestId}`, remoteJid: `${person.phone}@s.whatsapp.net`, fromMe: false },
    pushName: person.name,
    message: { conversation: text },
    messageTimestamp: Math.floor(Date.now() / 1_000),
  });
  const { webhook } = person.tenant.connection;
  const headers = { ...webhookHeaders(webhook.auth, body), 'x-request-id': requestId };
  const answer = await fetch(webhook.url, { method: 'POST', headers, body });
  return answer.headers.get('x-request-id');
}

const EVENTS_OF_A_MESSAGE = ['webhook.received', 'turn.finished', 'delivery.attempted'];

describe('the id of a request', () => {
  it('is in its answer, and in what service and worker log about the message, down to the send', async () => {
    const ana = bakery.customer('Ana', '5511988880001');

    const answered = await writesWithId(ana, 'Qual é a taxa de entrega?', 'a-request-of-ana');
    await ana.hears(1);
    await until(() => saidOf('a-request-of-ana').length >= 3);

    expect(answered).toBe('a-request-of-ana');
    const said = saidOf('a-request-of-ana');
    expect(said.map(({ event }) => event)).toEqual(expect.arrayContaining(EVENTS_OF_A_MESSAGE));
    expect(new Set(said.map((line) => line.process))).toEqual(new Set(['town', 'town-worker']));
  });

  it('is there as well when the wake is lost and the sweeper finds the message', async () => {
    const alone = await aTownOfItsOwn('/14');
    try {
      const bia = (await alone.tenant()).customer('Bia', '5511988880002');
      await writesWithId(bia, 'Aceitam cheque?', 'a-request-of-bia');
      await alone.redis.flushdb();
      await alone.startWorker();
      await bia.hears(1);
      await until(() => saidOf('a-request-of-bia').length >= 3);

      expect(saidOf('a-request-of-bia').map(({ event }) => event)).toEqual(expect.arrayContaining(EVENTS_OF_A_MESSAGE));
    } finally {
      await alone.close();
    }
  });

  it('is there as well when another worker sends what the first one could not', async () => {
    const alone = await aTownOfItsOwn('/13');
    try {
      const first = await alone.startWorkerProcess();
      const eva = (await alone.tenant()).customer('Eva', '5511988880005');
      alone.gateway.faults.set({ mode: 'off' });
      await writesWithId(eva, 'Aceitam cheque?', 'a-request-of-eva');
      await until(() => first.said.includes('"outcome":"retry"'));
      await first.kill();
      alone.gateway.faults.set({ mode: 'none' });
      await alone.startWorker();
      await eva.hears(1);

      await until(() => saidOf('a-request-of-eva').some(({ event }) => event === 'delivery.attempted'));
    } finally {
      await alone.close();
    }
  });

  it('is ours where the caller’s may be a phone number', async () => {
    const carla = bakery.customer('Carla', '5511988880003');

    const answered = await writesWithId(carla, 'Oi', '5511988880003');
    await carla.isQuiet();

    expect(answered).toMatch(/^[0-9a-f]{8}-/);
  });
});

describe('the log at its most talkative', () => {
  const text = 'meu CPF é 529.982.247-25, meu cartão 4111 1111 1111 1111, meu e-mail dora@canario.example';
  let people = 0;

  /** Somebody nobody has heard of before, because whom a person has taken over asks no model any more. */
  async function newcomerAsks(words: string): Promise<Customer> {
    people += 1;
    const person = bakery.customer(`Dora Canário ${people}`, `55119876543${String(people).padStart(2, '0')}`);
    await person.writes(`${words}: ${text}`);
    await person.isSettled();
    return person;
  }

  it('has nothing of a customer in it, whatever goes wrong', async () => {
    for (const mode of ['invalid-json', 'html', 'blocked', '500', 'hang', 'down', '429'] as const) {
      if (mode === '500') town.gemini.nextAnswers([{ raw: `isto não é JSON, ${text}` }]);
      else town.gemini.faults.set({ mode, times: 1 });
      await newcomerAsks(`Qual é a taxa de entrega (${mode})`);
    }
    for (const mode of ['server-error', 'garbage', 'drop-after-accepting', 'credentials-refused'] as const) {
      town.gateway.faults.set({ mode, times: 1 });
      await newcomerAsks('E o horário');
      await until(() => town.gateway.faults.mode === 'none');
    }
    const dora = await newcomerAsks('Bom dia');
    await dora.sends('audio');
    await dora.writes(`\u0000 ${text}`);
    await bakery.connection.post(`{"broken": "${text} ${dora.phone} ${dora.name}`);
    await bakery.connection.post(JSON.stringify({ unknown: text, name: dora.name, from: dora.phone }));
    await dora.isSettled(20_000);
    await until(() => lines.some((line) => line.includes('GATEWAY_CREDENTIALS_REFUSED')));

    const all = lines.join('\n');
    expect(all.match(/The model gave no draft/g)?.length).toBeGreaterThanOrEqual(6);
    expect(
      all.match(/"event":"delivery.attempted".*"outcome":"(retry|unknown|failed)"/g)?.length,
    ).toBeGreaterThanOrEqual(3);
    // Long enough that no id has them by chance.
    for (const secret of [
      'Canário',
      'canario',
      '119876543',
      '98765-43',
      '529.982',
      '52998224725',
      '4111 1111',
      '4111111111',
      'cartão',
      'taxa',
    ]) {
      expect([secret, lines.find((line) => line.includes(secret))]).toEqual([secret, undefined]);
    }
  }, 60_000);
});
