import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { BAKERY_ARTICLES, CLINIC_ARTICLES } from '../support/articles.ts';
import { askedOfGemini } from '../support/prompts.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

const PHONE = '5511988880001';
const SAME_ID = '3EB0A1B2C3D4E5F60718';

let town: Town;
let bakery: TownTenant;
let clinic: TownTenant;

beforeAll(async () => {
  town = await Town.start();
  bakery = await town.tenant({ slug: 'padaria', name: 'Padaria da Vila', articles: BAKERY_ARTICLES });
  clinic = await town.tenant({ slug: 'clinica', name: 'Clínica Boa Vida', articles: CLINIC_ARTICLES });
});

afterAll(async () => {
  await town.close();
});

describe('a customer of two tenants, with one phone', () => {
  it('gets from each what that one knows, and nothing of the other', async () => {
    const toBakery = bakery.customer('Ana', PHONE);
    const toClinic = clinic.customer('Ana', PHONE);

    await Promise.all([
      toBakery.writes('Qual é a taxa de entrega?', { providerMessageId: SAME_ID }),
      toClinic.writes('Quanto custa a consulta?', { providerMessageId: SAME_ID }),
    ]);
    const [fromBakery, fromClinic] = await Promise.all([toBakery.hears(1), toClinic.hears(1)]);
    await Promise.all([toBakery.isQuiet(), toClinic.isQuiet()]);

    expect(fromBakery).toEqual([expect.stringContaining('R$ 8,00')]);
    expect(fromClinic).toEqual([expect.stringContaining('R$ 180,00')]);
    const prompts = town.gemini.requests.map((request) => JSON.stringify(askedOfGemini(request)));
    expect(prompts).toHaveLength(2);
    for (const prompt of prompts) {
      expect(prompt.includes('Padaria') && prompt.includes('Clínica')).toBe(false);
      expect(prompt.includes('R$ 8,00') && prompt.includes('R$ 180,00')).toBe(false);
    }
  });

  it('is two people to us: no id and no fingerprint of one tenant turns up at the other', async () => {
    const { db } = town.database;
    const aliases = await db.selectFrom('contact_alias').selectAll().execute();
    const conversations = await db.selectFrom('conversation').selectAll().execute();
    const events = await db.selectFrom('inbound_event').selectAll().execute();

    expect(new Set(aliases.map((alias) => alias.tenant_id)).size).toBe(2);
    expect(new Set(aliases.map((alias) => alias.blind_index.toString('hex'))).size).toBe(aliases.length);
    expect(new Set(aliases.map((alias) => alias.contact_id)).size).toBe(2);
    expect(new Set(conversations.map((conversation) => conversation.id)).size).toBe(2);
    expect(new Set(events.map((event) => event.dedupe_key)).size).toBe(2);
  });

  it('stays out of sight of the other tenant: its key finds nothing under a foreign id', async () => {
    const { id } = await bakery.customer('Ana', PHONE).conversation();
    const made = await clinic.api('POST', '/api-keys', { body: { name: 'Painel', role: 'admin' } });
    const { key } = z.object({ key: z.string() }).parse(made.body);

    const asked = await Promise.all([
      town.api('GET', `/api/v1/tenants/${clinic.id}/conversations/${id}/messages`, { key }),
      town.api('GET', `/api/v1/tenants/${bakery.id}/conversations/${id}/messages`, { key }),
      town.api('POST', `/api/v1/tenants/${clinic.id}/conversations/${id}/takeover`, { key, body: {} }),
    ]);

    expect(asked.map((answer) => answer.status)).toEqual([404, 404, 404]);
    expect((await bakery.customer('Ana', PHONE).conversation()).owner).toBe('bot');
  });
});
