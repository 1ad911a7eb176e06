import { afterEach, describe, expect, it } from '@jest/globals';
import { OpenAiStandIn } from '../../sandbox/gemini/openai-stand-in.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let fallback: OpenAiStandIn | undefined;

afterEach(async () => {
  await town.close();
  await fallback?.close();
  fallback = undefined;
});

async function open(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  town = await Town.start({ environment });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
}

async function openWithFallback(environment: Readonly<Record<string, string>> = {}): Promise<OpenAiStandIn> {
  fallback = await OpenAiStandIn.start();
  await open({
    FALLBACK_MODEL_BASE_URL: fallback.url,
    FALLBACK_MODEL_NAME: 'modelo-reserva',
    FALLBACK_MODEL_API_KEY: 'chave',
    ...environment,
  });
  return fallback;
}

/** Which models were asked for the last answer, and what each said. */
async function asked(): Promise<unknown> {
  return (await ana.turns())[0]?.trace.attempts;
}

describe('a model that stumbles', () => {
  it('is asked again, and its own answer still comes', async () => {
    await open();
    town.gemini.nextAnswers([{ mode: '503' }, { mode: '503' }]);

    await ana.writes('Qual é a taxa de entrega?');
    const [reply] = await ana.hears(1);
    await ana.isQuiet();

    expect(reply).toContain('Posso ajudar com mais alguma coisa?');
    expect(await asked()).toMatchObject([
      { outcome: 'MODEL_UNAVAILABLE' },
      { outcome: 'MODEL_UNAVAILABLE' },
      { outcome: 'ok' },
    ]);
  });

  it('is asked again also when it hangs, or answers with half a sentence', async () => {
    await open({ MODEL_TIMEOUT_MS: '2000' });
    town.gemini.nextAnswers([{ mode: 'hang' }, { mode: 'invalid-json' }]);

    await ana.writes('Qual é a taxa de entrega?');
    const [reply] = await ana.hears(1);
    await ana.isQuiet();

    expect(reply).toContain('Posso ajudar com mais alguma coisa?');
    expect(await asked()).toMatchObject([
      { outcome: 'MODEL_UNAVAILABLE' },
      { outcome: 'MODEL_ANSWER_UNUSABLE' },
      { outcome: 'ok' },
    ]);
  });
});

describe('a model that is gone', () => {
  it('is replaced by the article itself, quoted, before the turn is out of time', async () => {
    await open({ MODEL_TIMEOUT_MS: '400', TURN_DEADLINE_MS: '3000' });
    town.gemini.faults.set({ mode: 'hang' });

    await ana.writes('Qual é a taxa de entrega?');
    const [reply] = await ana.hears(1, 4_000);
    await ana.isQuiet();

    expect(reply).toContain('Encontrei isto em “Entrega”');
    expect(reply).toContain('A taxa de entrega é de R$ 8,00');
    expect((await ana.turns())[0]?.trace).toMatchObject({ rung: 'offline' });
    expect(await ana.settled()).toEqual(['reply']);
  });

  it('leaves the customer three topics where no article clearly fits, and a person the second time', async () => {
    await open({ MODEL_TIMEOUT_MS: '2000', TURN_DEADLINE_MS: '2600' });
    town.gemini.faults.set({ mode: 'down' });

    await ana.writes('O horário, a entrega e o pagamento mudam no Natal?');
    const [first] = await ana.hears(1);
    await ana.isQuiet();
    await ana.writes('E na Páscoa, mudam horário, entrega e pagamento?');
    const [, second] = await ana.hears(2);
    await ana.isQuiet();

    expect(first).toContain('Não tenho certeza');
    for (const { title } of BAKERY_ARTICLES) expect(first).toContain(`• ${title}`);
    expect(second).toContain('chamei uma pessoa da equipe');
    expect(await ana.conversation()).toMatchObject({
      owner: 'human',
      ownerReason: 'model-unavailable',
      handoff: 'waiting',
    });
    expect(await ana.settled()).toEqual(['reply', 'human']);
  });
});

describe('a model that is not sure', () => {
  it('asks back once with the nearest topics, and the second time a person is called', async () => {
    await open();
    town.gemini.answers('Acho que talvez.', 0.2);

    await ana.writes('Vocês entregam, abrem e aceitam o quê?');
    const [first] = await ana.hears(1);
    await ana.isQuiet();
    await ana.writes('Entregam ou não?');
    const [, second] = await ana.hears(2);
    await ana.isQuiet();

    expect(first).toContain('Não tenho certeza');
    expect(first).toContain('• Entrega');
    expect(first).not.toContain('Acho que talvez');
    expect(second).toContain('Vou chamar uma pessoa');
    expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'unsure-twice', handoff: 'waiting' });
  });

  it('may be unsure again later: a good answer in between makes up for it', async () => {
    await open();
    for (const [text, confidence] of [
      ['Talvez.', 0.2],
      ['Sim, às 7h.', 0.9],
      ['Talvez.', 0.2],
    ] as const) {
      town.gemini.answers(text, confidence);
      await ana.writes('E o pão?');
      await ana.isQuiet();
    }

    expect(ana.received()).toHaveLength(3);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot' });
  });
});

describe('a model that asks us to wait', () => {
  it('is not asked before that time, and then answers', async () => {
    await open();
    town.gemini.nextAnswers([{ mode: '429', retryDelay: '1.5s' }]);

    await ana.writes('Qual é a taxa de entrega?');
    await until(() => town.gemini.requests.length === 1);
    const refusedAt = performance.now();
    await until(() => town.gemini.requests.length === 2);
    const askedAgainAt = performance.now();
    const [reply] = await ana.hears(1);
    await ana.isQuiet();

    expect(askedAgainAt - refusedAt).toBeGreaterThan(1_450);
    expect(reply).toContain('Posso ajudar com mais alguma coisa?');
  });

  it('is left alone by everybody meanwhile, and the second model answers at once', async () => {
    const second = await openWithFallback();
    town.gemini.faults.set({ mode: '429', retryDelay: '37s' });
    const bia = bakery.customer('Bia', '5511988880002');

    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await bia.writes('Aceitam cheque?');
    const [toBia] = await bia.hears(1);
    await Promise.all([ana.isQuiet(), bia.isQuiet()]);

    expect(town.gemini.requests).toHaveLength(1);
    expect(second.requests).toHaveLength(2);
    expect(toBia).toContain('Não aceitamos cheque');
    expect((await ana.turns())[0]?.trace).toMatchObject({ rung: 'fallback-model' });
  });

  it('and whose stand-in is down as well, is replaced by the article itself', async () => {
    const second = await openWithFallback({ MODEL_TIMEOUT_MS: '2000', TURN_DEADLINE_MS: '4000' });
    town.gemini.faults.set({ mode: '429', retryDelay: '37s' });
    second.faults.set({ mode: '503' });

    await ana.writes('Qual é a taxa de entrega?');
    const [reply] = await ana.hears(1);
    await ana.isQuiet();

    expect(reply).toContain('A taxa de entrega é de R$ 8,00');
    expect((await ana.turns())[0]?.trace).toMatchObject({ rung: 'offline' });
  });
});
