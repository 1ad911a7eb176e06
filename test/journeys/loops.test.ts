import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SCRIPTED_BOTS } from '../loops/bots.ts';
import type { ScriptedBot } from '../loops/bots.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let machine: Customer;

/** What we say that a person comes. */
const HANDOFF = 'Vou chamar uma pessoa da equipe, que consegue ajudar melhor. Ela continua com você por aqui.';

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  machine = bakery.customer('Imobiliária Modelo', '5511988880001');
  // Sure of itself whatever it hears: only the loop breaker ends these talks.
  town.gemini.answers('Entregamos em até 5 km da loja. Qual é o seu endereço?', 0.95);
});

afterEach(async () => {
  await town.close();
});

/** Lets a machine answer everything that it hears, until it hears nothing more. Returns how often it wrote. */
async function letsTalk(bot: ScriptedBot, turnsMax: number): Promise<number> {
  let heard: readonly string[] = [];
  for (let turn = 1; turn <= turnsMax; turn += 1) {
    const before = machine.received().length;
    for (const text of bot.says(turn, heard)) await machine.writes(text);
    await machine.isQuiet();
    heard = machine.received().slice(before);
    if (heard.length === 0) return turn;
  }
  return turnsMax;
}

function botCalled(id: string): ScriptedBot {
  const bot = SCRIPTED_BOTS.find((one) => one.id === id);
  if (bot === undefined) throw new Error(`There is no bot ${id}`);
  return bot;
}

describe('a machine that answers the bot', () => {
  it.each([
    ['away-message-like-a-person', 'repeated-text'],
    ['echo', 'own-words'],
    ['faq-at-once', 'machine-cadence'],
  ])('%s hears one sentence within six turns, and then nothing: a person has it', async (id, signal) => {
    const turns = await letsTalk(botCalled(id), 10);
    await machine.writes('Podemos ajudar em algo mais?');
    await machine.isQuiet();

    expect(turns).toBeLessThanOrEqual(7);
    expect(machine.received().length).toBeLessThanOrEqual(6);
    expect(machine.received().filter((text) => text === HANDOFF)).toHaveLength(1);
    expect(machine.received().at(-1)).toBe(HANDOFF);
    expect(await machine.conversation()).toMatchObject({ owner: 'human', ownerReason: 'loop', handoff: 'waiting' });
    const broken = (await machine.turns()).find((turn) => turn.outcome === 'handed-off');
    expect(broken?.trace).toMatchObject({ reasons: ['loop'], loop: { signal } });
  });

  it('is another bot like this one, and both fall silent', async () => {
    const clinic = await town.tenant({ slug: 'clinica', name: 'Clínica Sorriso' });
    const theirs = clinic.customer('Padaria da Vila', '5511988880009');
    const passed = { toClinic: 0, toBakery: 0 };
    await machine.writes('Oi, tudo bem?');
    for (let round = 0; round < 10; round += 1) {
      await machine.isQuiet();
      for (const text of machine.received().slice(passed.toClinic)) await theirs.writes(text);
      passed.toClinic = machine.received().length;
      await theirs.isQuiet();
      for (const text of theirs.received().slice(passed.toBakery)) await machine.writes(text);
      passed.toBakery = theirs.received().length;
    }
    await machine.isQuiet();

    expect(machine.received().length).toBeLessThanOrEqual(6);
    expect(theirs.received().length).toBeLessThanOrEqual(6);
    expect([(await machine.conversation()).owner, (await theirs.conversation()).owner]).toContain('human');
  });

  it('turns out to have a person behind it, who is answered once Bruno has given it back', async () => {
    await letsTalk(botCalled('menu-at-once'), 10);
    const { id } = await machine.conversation();
    await bakery.api('POST', `/conversations/${id}/takeover`, { body: {} });
    await bakery.api('POST', `/conversations/${id}/return`, { body: {} });
    const before = machine.received().length;

    // What the machine had said is still in the conversation, and says nothing against whoever writes now.
    await machine.writes(
      'Bem-vindo à Imobiliária Modelo! Digite 1 para comprar. Kkk desculpa, era o robô. Vocês entregam?',
    );
    await machine.isQuiet();

    expect(machine.received().slice(before)).toEqual(['Entregamos em até 5 km da loja. Qual é o seu endereço?']);
    expect(await machine.conversation()).toMatchObject({ owner: 'bot', handoff: null });
  });

  it('is answered on and on where the tenant has switched the signals off, until the cap on turns', async () => {
    const settings = { loopRepeats: 0, loopCadence: 0, loopOwnWords: 0, loopBreaker: 8 };
    await bakery.api('PATCH', '/settings', { body: settings });

    const turns = await letsTalk(botCalled('menu-at-once'), 12);

    // Eight answers, the one sentence, and silence.
    expect(turns).toBe(10);
    expect(await machine.conversation()).toMatchObject({ owner: 'human', ownerReason: 'loop' });
  });
});

describe('a contact who costs too much', () => {
  it('gets a person before a model is asked again', async () => {
    await bakery.api('PATCH', '/settings', { body: { contactMoneyPerDay: 1 } });

    await machine.writes('Qual é a taxa de entrega?');
    await machine.hears(1);
    await machine.isQuiet();
    const asked = town.gemini.requests.length;
    await machine.writes('E até que horas?');
    await machine.hears(2);
    await machine.isQuiet();

    expect((await machine.turns()).at(-1)?.trace.costUsd).toBeGreaterThan(0);
    expect(town.gemini.requests).toHaveLength(asked);
    expect(await machine.conversation()).toMatchObject({ owner: 'human', ownerReason: 'contact-limit' });
  });
});

describe('a contact whose answer was paid for and came to nothing', () => {
  it.each([
    ['gets a person where the tenant sets a limit', 1, { owner: 'human', ownerReason: 'contact-limit' }],
    ['is answered where it sets none', 0, { owner: 'bot' }],
  ])('%s', async (_title, contactMoneyPerDay, found) => {
    await bakery.api('PATCH', '/settings', { body: { contactMoneyPerDay } });
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 500 }]);
    await machine.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);
    const { id } = await machine.conversation();
    // Bruno takes over while the model writes.
    await bakery.api('POST', `/conversations/${id}/takeover`, { body: {} });
    await until(async () => {
      const kept = await town.database.db.selectFrom('contact_spending').select('micro_usd').execute();
      return kept.length === 1;
    });
    const unheard = machine.received().length;
    await bakery.api('POST', `/conversations/${id}/return`, { body: {} });

    await machine.writes('E até que horas?');
    await machine.isQuiet();

    expect(unheard).toBe(0);
    expect(town.gemini.requests).toHaveLength(contactMoneyPerDay === 0 ? 2 : 1);
    expect(await machine.conversation()).toMatchObject(found);
  });
});

describe('a contact who writes a lot', () => {
  it('is counted by replies: three messages that were answered together are one', async () => {
    await bakery.api('PATCH', '/settings', { body: { contactPerDay: 2 } });
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_000 }]);

    await machine.writes('Oi');
    await until(() => town.gemini.requests.length === 1);
    await machine.writes('tudo bem?');
    await machine.writes('vocês entregam?');
    await machine.isQuiet();
    const together = await machine.turns();
    await machine.writes('E no domingo?');
    await machine.isQuiet();
    const { owner } = await machine.conversation();
    await machine.writes('E no feriado?');
    await machine.isQuiet();

    expect(together.map((turn) => turn.outcome)).toEqual(['replied']);
    expect(owner).toBe('bot');
    expect(await machine.conversation()).toMatchObject({ owner: 'human', ownerReason: 'contact-limit' });
  });
});
