import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { turnOver, unanswered } from '../../test/support/turns.ts';
import { createLogger } from '../platform/logger.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import { RENEW_EVERY_MS } from './conversation-store.ts';
import { LeaseKeeper, LeaseLost } from './lease-keeper.ts';

/** The database's side of it. */
class Leases {
  readonly asked: (readonly string[])[] = [];
  readonly lost = new Set<string>();
  readonly givenBack: string[] = [];
  /** Given, and the process does not know. */
  readonly unheard = new Set<ConversationId>();
  readonly lookedFor: (readonly ConversationId[])[] = [];
  isDown = false;

  async renewLeases(_holder: string, held: readonly { conversationId: string }[]): Promise<ReadonlySet<string>> {
    const ids = held.map((it) => it.conversationId);
    this.asked.push(ids);
    if (this.isDown) return await Promise.reject(new Error('the database is away'));
    return await Promise.resolve(new Set(ids.filter((id) => !this.lost.has(id))));
  }

  async giveBackUnheard(_holder: string, ids: readonly ConversationId[]): Promise<readonly ConversationId[]> {
    if (this.isDown) return await Promise.reject(new Error('the database is away'));
    this.lookedFor.push(ids);
    return await Promise.resolve(ids.filter((id) => this.unheard.delete(id)));
  }

  async giveBackLeases(_holder: string, held: readonly { conversationId: string }[]): Promise<void> {
    if (this.isDown) await Promise.reject(new Error('the database is away'));
    this.givenBack.push(...held.map((it) => it.conversationId));
  }
}

const TURN_MS = 60_000;

let leases: Leases;
let keeper: LeaseKeeper;

beforeEach(() => {
  jest.useFakeTimers();
  leases = new Leases();
  keeper = new LeaseKeeper(leases, 'this-process', createLogger({ level: 'silent', process: 'test' }));
});

afterEach(() => {
  keeper.close();
  jest.useRealTimers();
});

async function renewals(count: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(count * RENEW_EVERY_MS);
}

function turn() {
  return turnOver([unanswered('Oi')]);
}

describe('the leases of a process', () => {
  it('are renewed together, in one question to the database', async () => {
    const [ana, bia] = [turn(), turn()];
    keeper.hold(ana, TURN_MS);
    keeper.hold(bia, TURN_MS);

    await renewals(2);

    expect(leases.asked).toEqual([
      [ana.conversationId, bia.conversationId],
      [ana.conversationId, bia.conversationId],
    ]);
  });

  it('are not asked about while there are none', async () => {
    await renewals(3);

    expect(leases.asked).toEqual([]);
  });

  it('are forgotten when their turn ends, and then stop nobody', async () => {
    const ana = turn();
    const lease = keeper.hold(ana, TURN_MS);
    lease.drop();
    leases.lost.add(ana.conversationId);

    await renewals(1);

    expect(keeper.size).toBe(0);
    expect(lease.signal.aborted).toBe(false);
  });
});

describe('a lease that somebody else has taken', () => {
  it('stops its turn and no other', async () => {
    const [ana, bia] = [turn(), turn()];
    const [lost, kept] = [keeper.hold(ana, TURN_MS), keeper.hold(bia, TURN_MS)];
    leases.lost.add(ana.conversationId);

    await renewals(1);

    expect(lost.signal.aborted).toBe(true);
    expect(lost.signal.reason).toBeInstanceOf(LeaseLost);
    expect(kept.signal.aborted).toBe(false);
    expect(keeper.size).toBe(1);
  });
});

describe('a database that does not answer', () => {
  it('stops nothing before the lease can have ended, and everything then', async () => {
    const lease = keeper.hold(turn(), TURN_MS);
    leases.isDown = true;

    await renewals(3);
    expect(lease.signal.aborted).toBe(false);
    await renewals(1);
    expect(lease.signal.aborted).toBe(true);
  });

  it('and is back in time costs nothing', async () => {
    const lease = keeper.hold(turn(), TURN_MS);
    leases.isDown = true;
    await renewals(2);
    leases.isDown = false;

    await renewals(4);

    expect(lease.signal.aborted).toBe(false);
  });
});

describe('a lease that its turn could not give back', () => {
  it('is given back as soon as the database answers, so that nobody takes the living for dead', async () => {
    const ana = turn();
    const lease = keeper.hold(ana, TURN_MS);
    leases.isDown = true;
    lease.owe();
    await renewals(2);
    leases.isDown = false;

    await renewals(3);

    expect(leases.givenBack).toEqual([ana.conversationId]);
  });

  it('is given back also when it was lost to a database that was away for too long', async () => {
    const ana = turn();
    keeper.hold(ana, TURN_MS);
    leases.isDown = true;
    await renewals(4);
    leases.isDown = false;

    await renewals(1);

    expect(leases.givenBack).toEqual([ana.conversationId]);
  });
});

describe('a turn that hangs', () => {
  it('keeps its lease until ten seconds after its deadline and no longer, and is told', async () => {
    const [ana, bia] = [turn(), turn()];
    const hung = keeper.hold(ana, TURN_MS);
    const longer = keeper.hold(bia, 2 * TURN_MS);

    await jest.advanceTimersByTimeAsync(TURN_MS + 9_000);
    expect(hung.signal.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(3_000);

    expect(hung.signal.reason).toBeInstanceOf(LeaseLost);
    expect(leases.givenBack).toEqual([ana.conversationId]);
    expect(leases.asked.at(-1)).toEqual([bia.conversationId]);
    expect(longer.signal.aborted).toBe(false);
  });
});

describe('a lease that was asked for and never heard of', () => {
  it('is looked for until it is found, also through an outage', async () => {
    const { conversationId } = turn();
    leases.isDown = true;
    keeper.doubt(conversationId);
    await renewals(2);
    leases.isDown = false;
    await renewals(1);
    leases.unheard.add(conversationId);
    await renewals(3);

    expect(leases.unheard.size).toBe(0);
    expect(leases.lookedFor).toEqual([[conversationId], [conversationId]]);
  });

  it('is not looked for any more once the process holds it knowingly, nor for ever', async () => {
    const [ana, bia] = [turn(), turn()];
    keeper.doubt(ana.conversationId);
    keeper.doubt(bia.conversationId);
    keeper.hold(ana, TURN_MS);
    await renewals(30);

    expect(new Set(leases.lookedFor.flat())).toEqual(new Set([bia.conversationId]));
    expect(leases.lookedFor.length).toBeLessThan(30);
  });
});
