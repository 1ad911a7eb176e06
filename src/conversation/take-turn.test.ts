import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { turnOver, unanswered } from '../../test/support/turns.ts';
import { createLogger } from '../platform/logger.ts';
import { TenantSettings } from '../tenants/tenants.ts';
import type { TurnOutcome } from '../vocabulary/events.ts';
import { emptyContext } from './conversation-context.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Turn } from './conversation.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { takeTurn } from './take-turn.ts';
import type { TurnNeeds } from './take-turn.ts';

const TURN_MS = 60_000;
const log = createLogger({ level: 'silent', process: 'test' });

/** A database in which a turn waits, and what becomes of its lease. */
class Mailbox implements Pick<ConversationStore, 'renewLeases' | 'giveBackLeases' | 'giveBackUnheard'> {
  readonly turn: Turn = turnOver([unanswered('Oi')]);
  readonly givenBack: string[] = [];
  isDown = false;

  async renewLeases(): Promise<ReadonlySet<string>> {
    return await this.#answer(new Set([this.turn.conversationId]));
  }

  async giveBackUnheard(): Promise<readonly ConversationId[]> {
    return await this.#answer([]);
  }

  async giveBackLeases(_holder: string, held: readonly { conversationId: string }[]): Promise<void> {
    this.givenBack.push(...(await this.#answer(held.map((it) => it.conversationId))));
  }

  async release(): Promise<void> {
    await this.#answer(undefined);
  }

  async #answer<T>(answer: T): Promise<T> {
    return await (this.isDown ? Promise.reject(new Error('the database is away')) : Promise.resolve(answer));
  }
}

let mailbox: Mailbox;
let keeper: LeaseKeeper;

beforeEach(() => {
  jest.useFakeTimers();
  mailbox = new Mailbox();
  keeper = new LeaseKeeper(mailbox, 'this-process', log);
});

afterEach(() => {
  keeper.close();
  jest.useRealTimers();
});

/** A turn whose search does this. */
async function take(find: TurnNeeds['knowledge']['find']): Promise<TurnOutcome> {
  const unused = () => Promise.reject(new Error('nobody gets so far'));
  const { turn } = mailbox;
  const needs: TurnNeeds = {
    conversations: {
      openTurn: () => Promise.resolve(turn),
      reopenTurn: unused,
      commitTurn: unused,
      releaseTurn: () => mailbox.release(),
      releaseFailedTurn: () => mailbox.release(),
      postponeTurn: unused,
      takeBack: unused,
    },
    leases: keeper,
    knowledge: { find },
    contextOf: () => Promise.resolve(emptyContext()),
    saveContext: unused,
    tenantOf: (id) =>
      Promise.resolve({
        id,
        slug: 'padaria',
        name: 'Padaria da Vila',
        plan: undefined,
        locale: 'pt-BR',
        timeZone: 'America/Sao_Paulo',
        settings: TenantSettings.parse({}),
        createdAt: new Date(),
      }),
    setAside: unused,
    models: [],
    ringTurn: () => undefined,
    ringDelivery: () => undefined,
    turnDeadlineMs: TURN_MS,
    log,
  };
  const shutdown = new AbortController().signal;
  return await takeTurn(needs, turn.conversationId, { manner: 'model', company: 'others', shutdown });
}

describe('a turn that hangs in spite of its deadlines', () => {
  it('ends ten seconds after them, and its conversation is free again', async () => {
    const hanging = take(() => new Promise(() => undefined));

    await jest.advanceTimersByTimeAsync(TURN_MS + 12_000);

    expect(await hanging).toBe('overtaken');
    expect(mailbox.givenBack).toEqual([mailbox.turn.conversationId]);
  });
});

describe('a turn that fails while the database is away', () => {
  it('gives its lease back as soon as it can, so that it is no suspect', async () => {
    mailbox.isDown = true;

    await expect(take(() => Promise.reject(new Error('the database is away')))).rejects.toThrow('away');
    await jest.advanceTimersByTimeAsync(2_000);
    mailbox.isDown = false;
    await jest.advanceTimersByTimeAsync(2_000);

    expect(mailbox.givenBack).toEqual([mailbox.turn.conversationId]);
  });
});
