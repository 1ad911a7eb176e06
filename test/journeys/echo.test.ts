import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { CounterOf } from '../support/counter.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const settledBy = new CounterOf('plantao_sends_unknown_total', 'settled_by');

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES, echoes: true });
  ana = bakery.customer('Ana', '5511988880001');
  settledBy.forget();
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

describe('an echo of words that the bot says more than once', () => {
  const ANSWER = 'O pão sai às 7h.';
  let quietBakery: TownTenant;
  let bia: Customer;

  beforeEach(async () => {
    // Its echoes come when the test says so.
    quietBakery = await town.tenant({ echoes: false });
    bia = quietBakery.customer('Bia', '5511988880002');
    town.gemini.answers(ANSWER);
  });

  async function theEchoComes(to: Customer, text = ANSWER): Promise<void> {
    await quietBakery.connection.agentWritesFromPhone(to.phone, text);
  }

  async function biaHearsItOnceAndIsInTheDarkAboutTheSecond(): Promise<void> {
    await bia.writes('Quando sai o pão?');
    await bia.hears(1);
    await bia.isQuiet();
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await bia.writes('E amanhã?');
    await until(async () => (await outboxStates()).includes('unknown'));
  }

  it('is the oldest one’s, and the next echo is the next one’s', async () => {
    await biaHearsItOnceAndIsInTheDarkAboutTheSecond();

    await theEchoComes(bia);
    await until(async () => (await echoesSettledAs()).length === 1 && (await echoesSettledAs())[0] === 'ours');
    const afterOne = await outboxStates();
    await theEchoComes(bia);
    await bia.isQuiet();

    expect(afterOne).toEqual(['sent', 'unknown']);
    expect(await outboxStates()).toEqual(['sent', 'sent']);
    expect(bia.received()).toEqual([ANSWER, ANSWER]);
    expect(await bia.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
    expect(await settledBy.counts()).toEqual({ echo: 1 });
  });

  it('confirms nothing in another conversation', async () => {
    const carla = quietBakery.customer('Carla', '5511988880003');
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await bia.writes('Quando sai o pão?');
    await until(async () => (await outboxStates()).includes('unknown'));
    await carla.writes('Quando sai o pão?');
    await carla.hears(1);
    await carla.isQuiet();

    await theEchoComes(carla);
    await until(async () => (await echoesSettledAs()).includes('ours'));

    expect(await outboxStates()).toEqual(['unknown', 'sent']);
  });

  it('counts although the fork has put its own mark and a name in front of it', async () => {
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await bia.writes('Quando sai o pão?');
    await until(async () => (await outboxStates()).includes('unknown'));

    await theEchoComes(bia, `\u200E*Padaria:*\n${ANSWER}`);
    await bia.isQuiet();

    expect(await echoesSettledAs()).toEqual(['ours']);
    expect(await settledBy.counts()).toEqual({ echo: 1 });
  });

  it('is not what the fork says by itself meanwhile', async () => {
    town.gateway.faults.set({ mode: 'drop-after-accepting', times: 1 });
    await bia.writes('Quando sai o pão?');
    await until(async () => (await outboxStates()).includes('unknown'));

    await theEchoComes(bia, '\u200EVocê está na fila de atendimento.');
    await until(async () => (await echoesSettledAs()).includes('automatic'));

    expect(await outboxStates()).toEqual(['unknown']);
    expect(await bia.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
  });

  it('may come before the gateway has answered: it is sent, and the answer changes nothing', async () => {
    await town.startWorker();
    town.gateway.faults.set({ mode: 'slow', delayMs: 6_000, times: 1 });
    await bia.writes('Quando sai o pão?');
    await until(() => town.gateway.faults.mode === 'none');

    await theEchoComes(bia);
    await until(async () => (await echoesSettledAs()).includes('ours'));
    const whileTheGatewayThinks = [await outboxStates(), bia.received()];
    await bia.hears(1);
    await bia.isQuiet();

    expect(whileTheGatewayThinks).toEqual([['sent'], []]);
    expect(bia.received()).toEqual([ANSWER]);
    expect(await bia.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
    expect(await settledBy.counts()).toEqual({});
  });

  it('may come before the gateway drops the line: it is settled, and counted once', async () => {
    await town.startWorker();
    town.gateway.faults.set({ mode: 'slow', delayMs: 60_000, times: 1 });
    await bia.writes('Quando sai o pão?');
    await until(() => town.gateway.faults.mode === 'none');

    await theEchoComes(bia);
    await until(async () => (await echoesSettledAs()).includes('ours'));
    town.gateway.faults.set({ mode: 'down' });
    await until(async () => (await settledBy.counts()).echo === 1);
    await bia.isQuiet();

    expect(await outboxStates()).toEqual(['sent']);
    expect(await quietBakery.deadLetters()).toEqual([]);
    expect(await settledBy.counts()).toEqual({ echo: 1 });
  });
});

describe('Bruno, who answers from the phone', () => {
  it('between two parts of an answer is not talked over: the second part is not said', async () => {
    const parts = ['O pão sai às 7h.', 'E o bolo sai às 9h.'].map((part) =>
      `${part} ${'Feito na hora. '.repeat(30)}`.trim(),
    );
    town.gemini.answers(parts.join('\n\n'));
    town.gateway.faults.set({ mode: 'slow', delayMs: 1_500, times: 1 });
    await ana.writes('Quando sai o pão?');
    await until(() => town.gateway.faults.mode === 'none');

    await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, aqui é o Bruno.');
    await ana.hears(1);
    await until(async () => (await outboxStates()).includes('dropped'));
    await ana.isQuiet();

    expect(ana.received()).toEqual([parts[0]]);
    expect(await outboxStates()).toEqual(['sent', 'dropped']);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'answered-elsewhere' });
    expect(await ana.settled()).toEqual(['reply']);
  });

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
