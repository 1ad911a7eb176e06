import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES, echoes: true });
  ana = bakery.customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
});

async function echoesSettledAs(): Promise<readonly (string | null)[]> {
  const echoes = await town.database.db.selectFrom('echo').select('settled_as').orderBy('received_at').execute();
  return echoes.map((echo) => echo.settled_as);
}

describe('an echo of our own words', () => {
  it('changes nothing: the bot goes on answering', async () => {
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await until(async () => (await echoesSettledAs()).includes('ours'));
    await ana.writes('Aceitam cheque?');
    await ana.hears(2);
    await ana.isQuiet();

    expect(await ana.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
    expect(await ana.settled()).toEqual(['reply', 'reply']);
    expect((await ana.messages()).filter((message) => message.author === 'human')).toEqual([]);
  });

  it('confirms a send that the gateway never answered, so that it is not said again', async () => {
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });

    await ana.writes('Qual é a taxa de entrega?');
    await ana.isQuiet();

    expect(ana.received()).toHaveLength(1);
    expect((await ana.messages()).at(-1)).toMatchObject({ author: 'bot', delivery: 'sent' });
    expect(await bakery.deadLetters()).toEqual([]);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
  });
});

describe('Bruno, who answers from the phone', () => {
  it('takes the conversation over, and the draft that was being written is not sent', async () => {
    town.gemini.nextAnswers([{ mode: 'slow', delayMs: 1_000 }]);
    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);

    await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, aqui é o Bruno. Hoje é grátis!');
    await ana.isQuiet();

    expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'answered-elsewhere' });
    expect(await ana.settled()).toEqual(['human']);
    expect((await ana.messages()).map((message) => message.author)).toEqual(['customer', 'human']);
    expect(ana.received()).toEqual([]);
  });

  it('makes the bot drop what it has not sent yet', async () => {
    town.gateway.faults.set({ mode: 'session-down' });
    await ana.writes('Qual é a taxa de entrega?');
    await until(async () => (await outboxStates()).includes('pending') && town.gemini.requests.length === 1);

    await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, aqui é o Bruno.');
    await until(async () => (await outboxStates()).includes('dropped'));
    town.gateway.faults.set({ mode: 'none' });
    await ana.isQuiet();

    expect(await outboxStates()).toEqual(['dropped']);
    expect(await ana.settled()).toEqual(['human']);
    expect(ana.received()).toEqual([]);
  });

  it('is left alone by the bot for as long as he has the conversation', async () => {
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await until(async () => (await echoesSettledAs()).includes('ours'));
    await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, aqui é o Bruno.');
    await until(async () => (await ana.conversation()).owner === 'human');

    await ana.writes('Aceitam cheque?');
    await ana.isQuiet();

    expect(await ana.settled()).toEqual(['reply', 'human']);
    expect(ana.received()).toHaveLength(1);
  });
});

describe('what the gateway says by itself', () => {
  it('is nobody’s word: the bot still owns the conversation and answers', async () => {
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);

    await bakery.connection.agentWritesFromPhone(ana.phone, '\u200EVocê está na fila de atendimento.');
    await until(async () => (await echoesSettledAs()).includes('automatic'));
    await ana.writes('Aceitam cheque?');
    await ana.hears(2);
    await ana.isQuiet();

    expect(await ana.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
    expect(await ana.settled()).toEqual(['reply', 'reply']);
  });
});

async function outboxStates(): Promise<readonly string[]> {
  const rows = await town.database.db.selectFrom('outbox').select('state').orderBy('seq').execute();
  return rows.map((row) => row.state);
}
