import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer } from '../support/town-people.ts';
import { TcpProxy } from './tcp-proxy.ts';
import type { LineFault } from './tcp-proxy.ts';

const TURN_DEADLINE_MS = 5_000;
/** Beside the turn: finding it, sending it, and a busy machine. */
const REST_MS_MAX = 3_000;

let line: TcpProxy;
let town: Town;
let ana: Customer;

beforeEach(async () => {
  line = await TcpProxy.start();
  town = await Town.start({
    environment: {
      GEMINI_BASE_URL: `http://127.0.0.1:${line.port}`,
      MODEL_TIMEOUT_MS: '1200',
      TURN_DEADLINE_MS: String(TURN_DEADLINE_MS),
    },
  });
  const { hostname, port } = new URL(town.gemini.url);
  line.leadTo({ host: hostname, port: Number(port) });
  ana = (await town.tenant({ articles: BAKERY_ARTICLES })).customer('Ana', '5511988880001');
});

afterEach(async () => {
  await town.close();
  await line.close();
});

describe('a line to the model', () => {
  it.each<[string, 'model' | 'offline', LineFault]>([
    ['a little late, now more, now less', 'model', { latencyMs: 150, jitterMs: 100 }],
    ['cut into slices of 100 bytes', 'model', { sliceBytes: 100 }],
    ['two seconds late, give or take one', 'offline', { latencyMs: 2_000, jitterMs: 1_000 }],
    ['of one kilobyte a second', 'offline', { bytesPerSecond: 1_024 }],
    ['that resets every connection', 'offline', { resets: true }],
    ['that ends in the middle of every answer', 'offline', { direction: 'down', limitBytes: 300 }],
    ['that carries questions and no answers', 'offline', { direction: 'down', swallows: true }],
    ['that carries nothing', 'offline', { swallows: true }],
  ])('%s gives one answer in the time of a turn, by the %s', async (...[, by, fault]) => {
    line.misbehave(fault);
    const watch = new Stopwatch();

    await ana.writes('Qual é a taxa de entrega?');
    const [reply] = await ana.hears(1);
    const tookMs = watch.stop();
    await expectCleanHistory(town);

    expect(reply).toContain('R$ 8,00');
    expect(reply?.includes('Encontrei isto em')).toBe(by === 'offline');
    expect(ana.received()).toHaveLength(1);
    expect(tookMs).toBeLessThan(TURN_DEADLINE_MS + REST_MS_MAX);
    expect(await ana.settled()).toEqual(['reply']);
  });

  it('that was well all the time would have been used: the next question is the model’s again', async () => {
    line.misbehave({ resets: true });
    await ana.writes('Qual é a taxa de entrega?');
    await ana.hears(1);
    await ana.isQuiet();

    line.heal();
    await ana.writes('Aceitam cheque?');
    const [, second] = await ana.hears(2);
    await expectCleanHistory(town);

    expect(second).not.toContain('Encontrei isto em');
  });
});
