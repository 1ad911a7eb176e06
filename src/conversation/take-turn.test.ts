import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { turnOver, unanswered } from '../../test/support/turns.ts';
import { createLogger } from '../platform/logger.ts';
import { TenantSettings } from '../tenants/tenants.ts';
import type { TurnOutcome } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
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

interface Instead {
  readonly find?: TurnNeeds['knowledge']['find'];
  readonly models?: TurnNeeds['models'];
  readonly conversations?: Partial<TurnNeeds['conversations']>;
}

/** A turn in which this happens. */
async function take({ find = () => Promise.resolve([]), models = [], conversations }: Instead): Promise<TurnOutcome> {
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
      keepSpending: unused,
      ...conversations,
    },
    leases: keeper,
    knowledge: { find },
    contextOf: () => Promise.resolve(emptyContext()),
    saveContext: () => Promise.resolve(),
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
    models,
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
    const hanging = take({ find: () => new Promise(() => undefined) });

    await jest.advanceTimersByTimeAsync(TURN_MS + 12_000);

    expect(await hanging).toBe('overtaken');
    expect(mailbox.givenBack).toEqual([mailbox.turn.conversationId]);
  });
});

describe('a turn that fails while the database is away', () => {
  it('gives its lease back as soon as it can, so that it is no suspect', async () => {
    mailbox.isDown = true;

    await expect(take({ find: () => Promise.reject(new Error('the database is away')) })).rejects.toThrow('away');
    await jest.advanceTimersByTimeAsync(2_000);
    mailbox.isDown = false;
    await jest.advanceTimersByTimeAsync(2_000);

    expect(mailbox.givenBack).toEqual([mailbox.turn.conversationId]);
  });
});

describe('what models cost', () => {
  /** In US dollars: what was counted without a turn that says so, and what the trace of a committed one says. */
  interface Paid {
    readonly kept: number[];
    readonly traced: unknown[];
  }

  const usage = { model: 'gemini', inputTokens: 1, outputTokens: 1, cachedTokens: 0, thoughtTokens: 0 };
  const unasked = new Error('nobody asks so often');
  const answer = { reply: 'R$ 8,00.', confidence: 0.9, wantsHuman: false, usage: { ...usage, costUsd: 0.25 } };

  /** A turn whose model answers so, and whose commits end so; what is behind the last of each is not called. */
  async function paying(answers: readonly (typeof answer | Failure)[], commits: readonly ('ok' | 'moved' | 'error')[]) {
    const paid: Paid = { kept: [], traced: [] };
    let reopened = 0;
    const [asked, committed] = [answers.values(), commits.values()];
    const compose = () => {
      const next = asked.next().value;
      return next === undefined || next instanceof Failure ? Promise.reject(next ?? unasked) : Promise.resolve(next);
    };
    const taking = take({
      models: [{ name: 'gemini', compose }],
      conversations: {
        commitTurn: (_turn, { trace }) => {
          const next = committed.next().value;
          if (next === 'error') return Promise.reject(new Error('no transaction today'));
          if (next !== 'ok') return Promise.resolve({ committed: false });
          paid.traced.push(trace.costUsd);
          return Promise.resolve({ committed: true, knownUpTo: '1', isMoreWaiting: false });
        },
        // Newer messages arrived, as long as there is another commit to come; then somebody else has the conversation.
        reopenTurn: ({ attempts }) => {
          reopened += 1;
          return Promise.resolve(reopened < commits.length ? { ...mailbox.turn, attempts } : undefined);
        },
        keepSpending: (_turn, usd) => {
          paid.kept.push(usd);
          return Promise.resolve();
        },
      },
    });
    await jest.advanceTimersByTimeAsync(5_000);
    return { outcome: await taking, ...paid };
  }

  it('is in the trace of a turn that was committed, and nowhere else', async () => {
    expect(await paying([answer], ['ok'])).toEqual({ outcome: 'replied', kept: [], traced: [0.25] });
  });

  it('is counted when a person took over before the answer could be kept', async () => {
    expect(await paying([answer], ['moved'])).toEqual({ outcome: 'overtaken', kept: [0.25], traced: [] });
  });

  it('is counted when the turn failed after it was paid', async () => {
    expect(await paying([answer], ['error'])).toEqual({ outcome: 'failed', kept: [0.25], traced: [] });
  });

  it('is counted for each draft, and for an answer that could not be used', async () => {
    const unusable = new Failure('MODEL_ANSWER_UNUSABLE', { costUsd: 0.5 });

    expect(await paying([unusable, answer, answer], ['moved', 'ok'])).toMatchObject({ kept: [], traced: [1] });
    expect(await paying([answer, unusable, answer], ['moved', 'error'])).toMatchObject({ kept: [1], traced: [] });
  });
});
