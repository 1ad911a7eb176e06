import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WebhookShape } from '../../sandbox/whaticket/webhook-signing.ts';
import { BAKERY_ARTICLES } from '../../test/support/articles.ts';
import { Town } from '../../test/support/town.ts';
import type { Customer, TownTenant } from '../../test/support/town-people.ts';
import { until } from '../../test/support/until.ts';

let town: Town;
let bakery: TownTenant;
let clinic: TownTenant;
let ana: Customer;

async function rowsOf(tenant: TownTenant): Promise<readonly { kind: string; conversation_id: string | null }[]> {
  return await town.database.db
    .selectFrom('inbound_event')
    .select(['kind', 'conversation_id'])
    .where('tenant_id', '=', tenant.id)
    .orderBy('received_at')
    .execute();
}

async function messagesOf(
  tenant: TownTenant,
): Promise<readonly { text: string | null; settled_kind: string | null }[]> {
  return await town.database.db
    .selectFrom('message')
    .select(['text', 'settled_kind'])
    .where('tenant_id', '=', tenant.id)
    .where('author', '=', 'customer')
    .orderBy('seq')
    .execute();
}

describe('intake, with nobody to answer', () => {
  beforeAll(async () => {
    town = await Town.start({ worker: false });
  });

  afterAll(async () => {
    await town.close();
  });

  beforeEach(async () => {
    const name = randomBytes(4).toString('hex');
    bakery = await town.tenant({ slug: `padaria-${name}` });
    clinic = await town.tenant({ slug: `clinica-${name}`, name: 'Clínica Boa Vida' });
    ana = bakery.customer('Ana', '5511988880001');
  });

  describe('a message that proves where it comes from', () => {
    it.each<['hmac' | 'bearer' | 'url-secret', WebhookShape, string | undefined]>([
      ['hmac', 'W1', undefined],
      ['hmac', 'W2', 'X-Hub-Signature-256'],
      ['bearer', 'W3', undefined],
      ['bearer', 'W4', 'X-Token'],
      ['url-secret', 'W1', undefined],
      ['hmac', 'W4', undefined],
    ])('is recorded once (%s, %s, %s)', async (kind, shape, header) => {
      const slug = `loja-${randomBytes(4).toString('hex')}`;
      const shop = await town.tenant({ slug, shape, auth: { kind, ...(header === undefined ? {} : { header }) } });

      const answer = await shop.customer('Bia', '5511988880002').writes('Oi');

      expect(answer).toMatchObject({ status: 200, body: { status: 'accepted' } });
      expect(await messagesOf(shop)).toEqual([{ text: 'Oi', settled_kind: null }]);
    });

    it('is recorded with the headers of Standard Webhooks, too', async () => {
      const body = JSON.stringify({
        event: 'message.received',
        payload: { id: 'A1', body: 'Oi', contact: { number: '5511988880003' } },
      });
      const at = Math.floor(Date.now() / 1_000);
      const signature = createHmac('sha256', bakery.secret).update(`msg_1.${at}.${body}`).digest('base64');

      const answer = await bakery.connection.post(body, {
        'x-webhook-signature': 'not this one',
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(at),
        'webhook-signature': `v1,${signature}`,
      });

      expect(answer).toMatchObject({ status: 200, body: { status: 'accepted' } });
    });
  });

  describe('a message that does not', () => {
    const proofs: readonly (readonly [string, (body: string) => Record<string, string>])[] = [
      ['missing', () => ({ 'x-webhook-signature': '' })],
      ['wrong', (body) => ({ 'x-webhook-signature': sign('nao-e-este-segredo', body) })],
      ['cut short', (body) => ({ 'x-webhook-signature': sign(bakery.secret, body).slice(0, 60) })],
      ['of another tenant', (body) => ({ 'x-webhook-signature': sign(clinic.secret, body) })],
      ['expired', (body) => standardHeaders(body, Math.floor(Date.now() / 1_000) - 301)],
      ['of next week', (body) => standardHeaders(body, Math.floor(Date.now() / 1_000) + 604_800)],
    ];
    it.each(proofs)('is refused with a 401 and leaves no row (%s)', async (...[, headersFor]) => {
      const body = JSON.stringify(anasMessage('3EB0AA'));

      const answer = await bakery.connection.post(body, headersFor(body));

      expect(answer).toMatchObject({ status: 401, body: { code: 'WEBHOOK_NOT_AUTHENTIC' } });
      expect(await rowsOf(bakery)).toEqual([]);
    });

    it('is refused before its body is looked at: the answer to broken JSON is the same', async () => {
      const answer = await bakery.connection.post('{"key":', { 'x-webhook-signature': 'f'.repeat(64) });

      expect(answer.status).toBe(401);
    });

    it('finds nothing under a channel that nobody has made', async () => {
      for (const id of ['8f14e45f-ceea-467f-8f14-e45fceea467f', 'no-uuid', '%00', '1%27%20or%201=1']) {
        const response = await fetch(`${town.url}/webhooks/whaticket/${id}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        });
        await response.text();
        expect(response.status).toBe(404);
      }
    });
  });

  describe('what is no customer’s message', () => {
    it('is recorded as what it is, and never becomes a turn', async () => {
      const { connection } = bakery;
      const { phone } = ana;
      await connection.customerReacts({ phone, targetId: '3EB0AA', text: '👍' });
      await connection.customerEdits({ phone, targetId: '3EB0AA', text: 'outra coisa' });
      await connection.customerDeletes({ phone, targetId: '3EB0AA' });
      await connection.groupMessage({ phone, text: 'bom dia grupo' });
      await connection.post(
        JSON.stringify({ key: { remoteJid: `${phone}@s.whatsapp.net`, id: '3EB0AB' }, update: { status: 3 } }),
      );
      await connection.agentWritesFromPhone(phone, 'Oi Ana, aqui é o Bruno.');
      await connection.post(JSON.stringify({ event: 'ticket.closed', payload: { id: 4711 } }));

      expect((await rowsOf(bakery)).map(({ kind }) => kind)).toEqual([
        'reaction',
        'edit',
        'deletion',
        'group',
        'status',
        'echo',
        'ticket',
      ]);
      expect(await messagesOf(bakery)).toEqual([]);
    });

    it('is kept with its bytes where nobody can read it', async () => {
      const body = '{"some":"new shape","of":["a","fork"]}';

      const answer = await bakery.connection.post(body);

      expect(answer).toMatchObject({ status: 200, body: { status: 'parked' } });
      const kept = await town.database.db
        .selectFrom('inbound_event')
        .select(['kind', 'raw'])
        .where('tenant_id', '=', bakery.id)
        .executeTakeFirstOrThrow();
      expect(kept.kind).toBe('unknown');
      expect(kept.raw?.toString()).toBe(body);
    });
  });

  describe('the same event again', () => {
    it('is answered 200 fifty times at once, and again a day later, and is one row', async () => {
      const body = JSON.stringify(anasMessage('3EB0DD'));

      const answers = await Promise.all(Array.from({ length: 50 }, () => bakery.connection.post(body)));
      await aDayPasses();
      const late = await bakery.connection.post(body);

      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
      const said = answers.map(({ body: answer }) => (answer as { status: string }).status);
      expect(said.filter((status) => status === 'accepted')).toHaveLength(1);
      expect(late).toMatchObject({ status: 200, body: { status: 'duplicate' } });
      expect(await rowsOf(bakery)).toHaveLength(1);
      expect(await messagesOf(bakery)).toHaveLength(1);
    });

    it('is told from another one that says the same: two "sim" are two', async () => {
      await ana.writes('sim', { providerMessageId: '3EB0E1' });
      await ana.writes('sim', { providerMessageId: '3EB0E2' });

      expect(await messagesOf(bakery)).toHaveLength(2);
    });

    it('is told from one with the same id in another chat', async () => {
      await ana.writes('sim', { providerMessageId: '3EB0E1' });
      await bakery.customer('Bia', '5511988880002').writes('sim', { providerMessageId: '3EB0E1' });

      expect(await messagesOf(bakery)).toHaveLength(2);
    });
  });

  describe('a channel whose secret was rotated a moment ago', () => {
    it('is believed at once, although this process remembers the old secret', async () => {
      await ana.writes('Oi');
      const fresh = randomBytes(24).toString('hex');
      const rotated = await bakery.api('PATCH', `/channels/${bakery.channelId}`, {
        body: { webhook: { secrets: [fresh] } },
      });
      const body = JSON.stringify(anasMessage('3EB0FF'));

      const answer = await bakery.connection.post(body, { 'x-webhook-signature': sign(fresh, body) });

      expect(rotated.status).toBe(200);
      expect(answer).toMatchObject({ status: 200, body: { status: 'accepted' } });
    });

    it('and the old secret is refused as soon as it is out of force here', async () => {
      await bakery.api('PATCH', `/channels/${bakery.channelId}`, {
        body: { webhook: { secrets: [randomBytes(24).toString('hex')] } },
      });

      await until(async () => (await ana.writes('Oi')).status === 401);
      const kept = await rowsOf(bakery);
      const answer = await ana.writes('Oi');

      expect(answer.status).toBe(401);
      expect(await rowsOf(bakery)).toEqual(kept);
    });
  });
});

describe('the same event fifty times at once, with somebody to answer', () => {
  beforeEach(async () => {
    town = await Town.start();
    bakery = await town.tenant({ articles: BAKERY_ARTICLES });
    ana = bakery.customer('Ana', '5511988880001');
  });

  afterEach(async () => {
    await town.close();
  });

  it('gets one reply, also when it comes again a day later', async () => {
    const body = JSON.stringify(anasMessage('3EB0DD'));

    await Promise.all(Array.from({ length: 50 }, () => bakery.connection.post(body)));
    await ana.hears(1);
    await ana.isQuiet();
    await aDayPasses();
    await bakery.connection.post(body);
    await ana.writes('Aceitam cheque?');
    await until(() => ana.received().some((text) => text.includes('cheque')));
    await ana.isQuiet();

    expect(ana.received()).toHaveLength(2);
  });
});

function anasMessage(id: string): object {
  return {
    key: { remoteJid: '5511988880001@s.whatsapp.net', fromMe: false, id },
    messageTimestamp: Math.floor(Date.now() / 1_000),
    pushName: 'Ana',
    message: { conversation: 'Qual é a taxa de entrega?' },
  };
}

function sign(secret: string, body: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

function standardHeaders(body: string, at: number): Record<string, string> {
  const signature = createHmac('sha256', bakery.secret).update(`msg_1.${at}.${body}`).digest('base64');
  return { 'webhook-id': 'msg_1', 'webhook-timestamp': String(at), 'webhook-signature': `v1,${signature}` };
}

/** Everything that is recorded moves a day into the past. */
async function aDayPasses(): Promise<void> {
  const { db } = town.database;
  const aDayAgo = new Date(Date.now() - 24 * 3_600_000);
  await db.updateTable('inbound_event').set({ received_at: aDayAgo }).execute();
  await db.updateTable('message').set({ received_at: aDayAgo, said_at: aDayAgo }).execute();
}
