import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';

let town: Town;
let people = 0;

beforeAll(async () => {
  town = await Town.start({ strangers: true });
  town.gemini.answers('O pão sai às 7h.');
});

afterAll(async () => {
  await town.close();
});

async function companyWith(settings: object, options: TenantOptions = {}): Promise<TownTenant> {
  const company = await town.tenant({ slug: `loja-${(people += 1)}`, ...options });
  expect(await company.api('PATCH', '/settings', { body: settings })).toMatchObject({ status: 200 });
  return company;
}

function somebody(company: TownTenant): Customer {
  people += 1;
  return company.customer(`Ana ${people}`, `55119888803${String(people).padStart(2, '0')}`);
}

async function says(ana: Customer, text: string): Promise<void> {
  await ana.writes(text);
  await ana.isQuiet();
}

const ANSWER = 'O pão sai às 7h.';

describe('the first words to somebody', () => {
  it('say that an assistant answers and how to reach a person, once', async () => {
    const bakery = await town.tenant();
    const ana = somebody(bakery);
    await says(ana, 'Quando sai o pão?');
    await says(ana, 'E amanhã?');

    expect(ana.received()).toEqual([
      `Sou o assistente virtual de Padaria da Vila. Para falar com uma pessoa, escreva *atendente*.\n\n${ANSWER}`,
      ANSWER,
    ]);
  });

  it('are the company’s own where it has some', async () => {
    const shop = await companyWith({ introduction: 'Oi! Aqui é a Lu, robô de {company}: atendente é só pedir.' });
    const ana = somebody(shop);
    await says(ana, 'Quando sai o pão?');

    expect(ana.received()).toEqual([`Oi! Aqui é a Lu, robô de Padaria da Vila: atendente é só pedir.\n\n${ANSWER}`]);
  });

  it('are said again after a long silence, and do not repeat how to reach a person who is being called', async () => {
    const bakery = await town.tenant();
    const ana = somebody(bakery);
    await says(ana, 'Quando sai o pão?');
    await monthsPass(ana);
    await says(ana, 'atendente');

    expect(ana.received()[1]).toMatch(
      /^Aqui é o assistente virtual de Padaria da Vila\.\n\nClaro! Vou chamar uma pessoa/,
    );
  });

  it.each([
    { introduction: 'Oi, sou a Lu!' },
    { introduction: 'Sou um robô e ninguém mais.' },
    { introduction: 'Sou o robô de {empresa}; peça um atendente.' },
    { introduction: '' },
    { hours: { outside: 'away-only', awayText: 'Voltamos {when}' } },
    { hours: { outside: 'never' } },
  ])('and their like are refused where they would hide what they are to say: %j', async (settings) => {
    const bakery = await town.tenant();

    expect(await bakery.api('PATCH', '/settings', { body: settings })).toMatchObject({ status: 400 });
  });
});

/** Without an interval: nobody is ever there. */
const NEVER_OPEN = { timeZone: 'America/Sao_Paulo' };

describe('outside the hours of a company', () => {
  it('a handoff says so in its one sentence', async () => {
    const shop = await companyWith({ businessCalendar: opensTomorrow() });
    const ana = somebody(shop);
    await says(ana, 'atendente');

    expect(ana.received()).toHaveLength(1);
    expect(ana.received()[0]).toMatch(
      /Vou chamar uma pessoa da equipe .* Agora estamos fora do horário de atendimento; voltamos amanhã às 9h30\.$/,
    );
  });

  it('the bot answers as ever, and says once that people are away where the company wants that', async () => {
    const shop = await companyWith({ businessCalendar: NEVER_OPEN, hours: { outside: 'answer-and-say' } });
    const ana = somebody(shop);
    await says(ana, 'Quando sai o pão?');
    await says(ana, 'E amanhã?');

    expect(ana.received()[0]).toContain(
      `${ANSWER}\n\nAgora a equipe está fora do horário de atendimento e volta em breve.`,
    );
    expect(ana.received()[1]).toBe(ANSWER);
  });

  it('a company may say nothing but that: once in a closed period, and a person is called', async () => {
    const hours = { outside: 'away-only', awayText: '{company} volta {back}.' };
    const shop = await companyWith({ businessCalendar: opensTomorrow(), hours });
    const ana = somebody(shop);
    const asked = town.gemini.requests.length;
    await says(ana, 'Quando sai o pão?');
    const { id } = await ana.conversation();
    const waiting = await ana.conversation();
    await says(ana, 'alô?');
    await shop.api('POST', `/conversations/${id}/return`, { body: {} });
    await says(ana, 'Tem pão?');

    expect(ana.received()).toEqual([expect.stringMatching(/\n\nPadaria da Vila volta amanhã às 9h30\.$/)]);
    expect(waiting).toMatchObject({ owner: 'human', ownerReason: 'outside-hours', handoff: 'waiting' });
    expect(await ana.conversation()).toMatchObject({ owner: 'human', handoff: 'waiting' });
    expect(town.gemini.requests.length).toBe(asked);
  });

  it('and inside them it is answered like any other', async () => {
    const all = [{ from: '00:00', to: '24:00' }];
    const week = { sunday: all, monday: all, tuesday: all, wednesday: all, thursday: all, friday: all, saturday: all };
    const shop = await companyWith({ businessCalendar: { week }, hours: { outside: 'away-only' } });
    const ana = somebody(shop);
    await says(ana, 'Quando sai o pão?');

    expect(ana.received()[0]).toContain(ANSWER);
  });
});

/** A calendar of one interval, which begins tomorrow at half past nine by the clock of the company. */
function opensTomorrow(): object {
  const timeZone = 'America/Sao_Paulo';
  const tomorrow = new Date(Date.now() + 86_400_000);
  const weekday = new Intl.DateTimeFormat('en', { weekday: 'long', timeZone }).format(tomorrow).toLowerCase();
  return { timeZone, week: { [weekday]: [{ from: '09:30', to: '18:00' }] } };
}

/** All that was said to her was said a hundred days ago. */
async function monthsPass(ana: Customer): Promise<void> {
  const { db } = town.database;
  const { id } = await ana.conversation();
  const then = new Date(Date.now() - 100 * 86_400_000);
  await db.updateTable('conversation').set({ introduced_at: then }).where('id', '=', id).execute();
  await db.updateTable('message').set({ said_at: then }).where('conversation_id', '=', id).execute();
}
