import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { turnOver, unanswered } from '../../test/support/turns.ts';
import { createLogger } from '../platform/logger.ts';
import { RENEW_EVERY_MS } from './conversation-store.ts';
import { LeaseKeeper, LeaseLost } from './lease-keeper.ts';

/** The database's side of it. */
class Leases {
  readonly asked: (readonly string[])[] = [];
  readonly lost = new Set<string>();
  isDown = false;

  async renewLeases(_holder: string, held: readonly { conversationId: string }[]): Promise<ReadonlySet<string>> {
    const ids = held.map((it) => it.conversationId);
    this.asked.push(ids);
    if (this.isDown) return await Promise.reject(new Error('the database is away'));
    return await Promise.resolve(new Set(ids.filter((id) => !this.lost.has(id))));
  }
}

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
    keeper.hold(ana);
    keeper.hold(bia);

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
    const lease = keeper.hold(ana);
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
    const [lost, kept] = [keeper.hold(ana), keeper.hold(bia)];
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
    const lease = keeper.hold(turn());
    leases.isDown = true;

    await renewals(3);
    expect(lease.signal.aborted).toBe(false);
    await renewals(1);
    expect(lease.signal.aborted).toBe(true);
  });

  it('and is back in time costs nothing', async () => {
    const lease = keeper.hold(turn());
    leases.isDown = true;
    await renewals(2);
    leases.isDown = false;

    await renewals(4);

    expect(lease.signal.aborted).toBe(false);
  });
});
