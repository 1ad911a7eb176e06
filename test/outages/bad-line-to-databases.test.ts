import { afterEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { createTestDatabase } from '../support/database.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import { TcpProxy } from './tcp-proxy.ts';
import type { LineFault } from './tcp-proxy.ts';

/** A gateway that waits longer than this for its answer may give up, and then does not know. */
const ANSWER_MS_MAX = 1_500;

const LINES: readonly [string, LineFault][] = [
  ['that is a little late, now more, now less', { latencyMs: 20, jitterMs: 15 }],
  ['that is cut into slices of 50 bytes', { sliceBytes: 50 }],
  ['that is two seconds late, give or take one', { latencyMs: 2_000, jitterMs: 1_000 }],
  ['of one kilobyte a second', { bytesPerSecond: 1_024 }],
  ['that resets every connection', { resets: true }],
  ['that ends in the middle of every answer', { direction: 'down', limitBytes: 500 }],
  ['that carries questions and no answers', { direction: 'down', swallows: true }],
];

let town: Town;
let ana: Customer;
/** What was opened beside the town. */
let closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await town.close();
  for (const close of closers) await close();
  closers = [];
});

async function open(environment: Readonly<Record<string, string>>): Promise<void> {
  town = await Town.start({ environment });
  ana = (await town.tenant({ articles: BAKERY_ARTICLES })).customer('Ana', '5511988880001');
}

async function lineTo(url: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(url);
  const line = await TcpProxy.start({ host: hostname, port: Number(port) });
  closers.unshift(() => line.close());
  return line;
}

async function writes(providerMessageId: string): Promise<{ status: number; tookMs: number }> {
  const { answer, tookMs } = await timed(() => ana.writes('Qual é a taxa de entrega?', { providerMessageId }));
  return { status: answer.status, tookMs };
}

describe('a line to PostgreSQL', () => {
  it.each(LINES)('%s: intake answers in time, and what it takes in the end is answered once', async (...[, fault]) => {
    const database = await createTestDatabase();
    closers.unshift(() => database.close());
    const line = await lineTo(database.url);
    await open({ DATABASE_URL: line.through(database.url) });
    const ids = Array.from({ length: 8 }, (_, index) => `3EB0C${index}`);

    line.misbehave(fault);
    const first = await Promise.all(ids.map(writes));
    line.heal();
    for (const id of ids) await until(async () => (await writes(id)).status === 200);
    await expectCleanHistory(town, { accepted: ids });

    expect(first.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    expect(Math.max(...first.map(({ tookMs }) => tookMs))).toBeLessThan(ANSWER_MS_MAX);
    expect(await ana.settled()).toEqual(ids.map(() => 'reply'));
  });
});

describe('a line to Redis', () => {
  it.each(LINES)('%s: nobody notices', async (...[, fault]) => {
    const redis = await startPrivateRedis();
    closers.unshift(() => redis.close());
    const line = await lineTo(redis.url);
    await open({ REDIS_URL: line.through(redis.url) });
    const ids = Array.from({ length: 8 }, (_, index) => `3EB0D${index}`);

    line.misbehave(fault);
    const all = [...(await Promise.all(ids.slice(0, 4).map(writes)))];
    for (const id of ids.slice(4)) all.push(await writes(id));
    await expectCleanHistory(town, { accepted: ids, withinMs: 10_000 });
    line.heal();
    await ana.writes('Aceitam cheque?');
    await until(() => ana.received().some((text) => text.includes('cheque')));
    await expectCleanHistory(town);

    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect(Math.max(...all.map(({ tookMs }) => tookMs))).toBeLessThan(ANSWER_MS_MAX);
  });
});
