import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../platform/logger.ts';
import { ConversationId, DocumentId, newId } from '../vocabulary/ids.ts';
import { Sweeper } from './sweeper.ts';

/** Everything that a sweeper may find and do, in one place. */
class Work {
  readonly redis = { isUp: true };
  readonly done: string[] = [];
  readonly graces: number[] = [];
  turns: readonly ConversationId[] = [];
  deliveries: readonly ConversationId[] = [];
  documents: readonly DocumentId[] = [];
  isDatabaseDown = false;
  rounds = 0;
  heartbeats = 0;
  toForget = 0;
  /** Work that this is in does not end before its test lets it. */
  readonly slow = new Map<string, PromiseWithResolvers<void>>();

  sweeper(): Sweeper {
    const doing = (what: string) => (id: string) => {
      this.done.push(`${what} ${id}`);
      return this.slow.get(id)?.promise ?? Promise.resolve();
    };
    return new Sweeper({
      redis: this.redis,
      findTurns: ({ graceMs }) => {
        this.rounds += 1;
        this.graces.push(graceMs);
        return this.isDatabaseDown ? Promise.reject(new Error('away')) : Promise.resolve(this.turns);
      },
      findDeliveries: () => Promise.resolve(this.deliveries),
      findDocuments: () => Promise.resolve(this.documents),
      takeTurn: doing('turn'),
      deliver: doing('delivery'),
      indexDocument: doing('document'),
      applyLateChanges: () => Promise.resolve(0),
      carryHeartbeat: () => {
        this.heartbeats += 1;
        return Promise.resolve();
      },
      purge: () => Promise.resolve((this.toForget -= 1) > 0 ? 1 : 0),
      log: createLogger({ level: 'silent', process: 'test' }),
    });
  }
}

let work: Work;
let sweeper: Sweeper;

beforeEach(() => {
  jest.useFakeTimers();
  work = new Work();
  sweeper = work.sweeper();
});

afterEach(async () => {
  await sweeper.close();
  jest.useRealTimers();
});

async function passes(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
}

describe('the sweeper', () => {
  it('does what nobody else has done: turns, deliveries and documents', async () => {
    const [ana, bia, document] = [newId(ConversationId), newId(ConversationId), newId(DocumentId)];
    work.turns = [ana];
    work.deliveries = [bia];
    work.documents = [document];

    sweeper.start();
    await passes(1);

    expect(work.done).toEqual([`turn ${ana}`, `delivery ${bia}`, `document ${document}`]);
  });

  it('looks every second while Redis rings, and only for what has been waiting', async () => {
    sweeper.start();
    await passes(5_050);

    expect(work.rounds).toBe(6);
    expect(Math.min(...work.graces)).toBe(2_000);
  });

  it('looks ten times a second without Redis, for everything: it is then the only one who does', async () => {
    work.redis.isUp = false;
    sweeper.start();
    await passes(1_050);

    expect(work.rounds).toBe(11);
    expect(new Set(work.graces)).toEqual(new Set([0]));
  });

  it('follows Redis when it goes and when it comes back', async () => {
    sweeper.start();
    await passes(10);
    work.redis.isUp = false;
    await passes(2_000);
    const withoutRedis = work.rounds;
    work.redis.isUp = true;
    await passes(3_000);

    expect(withoutRedis).toBeGreaterThan(8);
    expect(work.rounds - withoutRedis).toBeLessThanOrEqual(5);
  });

  it('goes on at once while there is more than it could take', async () => {
    work.turns = Array.from({ length: 200 }, () => newId(ConversationId));
    sweeper.start();
    await passes(20);

    expect(work.rounds).toBeGreaterThan(2);
  });

  it('is not held up by one that is slow, and does not begin it twice', async () => {
    const [ana, bia] = [newId(ConversationId), newId(ConversationId)];
    work.redis.isUp = false;
    work.slow.set(ana, Promise.withResolvers());
    work.turns = [ana];
    sweeper.start();
    await passes(250);

    work.turns = [ana, bia];
    await passes(100);

    expect(work.done).toEqual([`turn ${ana}`, `turn ${bia}`]);
    work.slow.get(ana)?.resolve();
  });

  it('forgets what was kept long enough, step by step until nothing is left', async () => {
    work.toForget = 4;
    sweeper.start();
    await passes(60_000);

    expect(work.toForget).toBe(0);
  });

  it('survives a database that is away', async () => {
    work.isDatabaseDown = true;
    sweeper.start();
    await passes(3_000);
    work.isDatabaseDown = false;
    work.turns = [newId(ConversationId)];
    await passes(1_100);

    expect(work.done.length).toBeGreaterThan(0);
  });

  it('starts nothing once it is closed', async () => {
    sweeper.start();
    await passes(10);
    await sweeper.close();
    const { rounds } = work;

    await passes(10_000);

    expect(work.rounds).toBe(rounds);
  });

  it('carries heartbeats only while Redis is away, about once a second and not with every look', async () => {
    sweeper.start();
    await passes(5_000);
    const calm = work.heartbeats;
    work.redis.isUp = false;
    await passes(5_000);

    expect(calm).toBe(0);
    expect(work.heartbeats).toBeGreaterThanOrEqual(4);
    expect(work.heartbeats).toBeLessThanOrEqual(6);
  });
});
