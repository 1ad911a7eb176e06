import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import { openModels } from './compose-models.ts';
import { openDatabase } from './composition.ts';
import type { Base, Opening } from './composition.ts';
import type { WorkerConfig } from './config.ts';
import { commitTurn } from './conversation/commit-turn.ts';
import { keepSpending } from './conversation/contact-spending.ts';
import { ContextCache } from './conversation/context-cache.ts';
import { emptyContext, newEpisode, remember } from './conversation/conversation-context.ts';
import { ConversationStore } from './conversation/conversation-store.ts';
import { opensEpisode } from './conversation/conversation.ts';
import { LeaseKeeper } from './conversation/lease-keeper.ts';
import { takeTurn } from './conversation/take-turn.ts';
import type { TurnNeeds, TurnOptions } from './conversation/take-turn.ts';
import { readSaidLately } from './conversation/said-lately.ts';
import { findPassages } from './knowledge/passage-store.ts';
import { sqlState } from './platform/database.ts';
import { recordDeadLetter } from './recovery/dead-letters.ts';
import type { TurnOutcome } from './vocabulary/events.ts';
import type { ConversationId } from './vocabulary/ids.ts';
import type { Model } from './vocabulary/model.ts';

/** Leases are renewed here, so that a pool that is all taken does not cost a process its leases. */
const LEASE_POOL = { name: 'lease', connectionsMax: 1, queryTimeoutMs: 2_000, acquireTimeoutMs: 1_000 };

export interface TurnParts {
  readonly opening: Opening;
  readonly base: Base;
  readonly ringDelivery: (id: ConversationId) => void;
}

/** Taking turns, for every process that does. */
export interface Turns {
  readonly store: ConversationStore;
  /** Whether this process comes before all others that have turns in hand. */
  readonly isFirst: () => Promise<boolean>;
  /** In the order in which they are asked. */
  readonly models: readonly Model[];
  /** One of the turns that this process takes at once. Never rejects. */
  readonly take: (id: ConversationId) => Promise<TurnOutcome | 'not-taken'>;
  /** Other work that waits for one of the same places. */
  readonly inLine: (work: () => Promise<void>) => Promise<void>;
  /** A turn beside those, in another manner or in other company. Never rejects; the caller bounds how many there are. */
  readonly takeAside: (id: ConversationId, how: Omit<TurnOptions, 'shutdown'>) => Promise<TurnOutcome | 'not-taken'>;
  /** Turns stop waiting for models, so that the process can end soon; their messages stay for the next one. */
  readonly hurry: () => void;
}

export function openTurns(config: WorkerConfig, { opening, base, ringDelivery }: TurnParts): Turns {
  const { closing, db, log } = base;
  const holder = randomUUID();
  const store = new ConversationStore(db);
  const leases = new LeaseKeeper(new ConversationStore(openDatabase(opening, LEASE_POOL)), holder, log);
  closing.keep('leases', leases, (it) => {
    it.close();
  });
  const models = openModels(config, base, { callsMax: config.concurrency * 2 });
  const needs = turnNeeds(config, { base, store, leases, holder, ringDelivery, models });
  const limit = pLimit(config.concurrency);
  const shutdown = new AbortController();
  const takeAside: Turns['takeAside'] = (id, how) =>
    takeTurn(needs, id, { ...how, shutdown: shutdown.signal }).catch((error: unknown) => {
      log.error({ err: error, conversationId: id }, 'A turn could not be taken; the sweeper will find it');
      return 'not-taken';
    });
  const hurry = (): void => {
    shutdown.abort(new Error('The process is ending'));
  };
  const take: Turns['take'] = (id) => limit(() => takeAside(id, { manner: 'model', company: 'others' }));
  const isFirst = (): Promise<boolean> => store.isFirstHolder(holder);
  return { store, isFirst, models, take, inLine: (work) => limit(work), takeAside, hurry };
}

interface NeedsParts {
  readonly base: Base;
  readonly store: ConversationStore;
  readonly leases: LeaseKeeper;
  readonly holder: string;
  readonly ringDelivery: (id: ConversationId) => void;
  readonly models: readonly Model[];
}

function turnNeeds(config: WorkerConfig, parts: NeedsParts): TurnNeeds {
  const { base, store, leases, holder, ringDelivery, models } = parts;
  const { db, tenants, bell, log } = base;
  const contexts = new ContextCache(base.redis, base.redisHealth, config.contextTtlSeconds);
  const coalesceMaxMs = config.coalescing.maxMs;
  return {
    conversations: {
      openTurn: async (id, purpose) => {
        try {
          return await store.openTurn(id, { holder, coalesceMaxMs, purpose });
        } catch (error) {
          if (sqlState(error) === undefined) leases.doubt(id);
          throw error;
        }
      },
      reopenTurn: (turn) => store.reopenTurn(turn),
      commitTurn: (turn, commit) => commitTurn(db, turn, commit),
      releaseTurn: (turn) => store.releaseTurn(turn),
      releaseFailedTurn: (turn, retryInMs) => store.releaseFailedTurn(turn, retryInMs),
      postponeTurn: (turn, ms) => store.postponeTurn(turn, ms),
      takeBack: (turn) => store.takeBack(turn),
      keepSpending: (turn, usd) => keepSpending({ db, log }, turn, usd),
    },
    leases,
    knowledge: { find: (tenantId, question) => findPassages(db, tenantId, question) },
    contextOf: async (turn) => {
      const known =
        (await contexts.find(turn.conversationId, turn.knownUpTo)) ??
        remember(emptyContext(), await store.readPast(turn), turn.knownUpTo);
      return opensEpisode(turn) ? newEpisode(known) : known;
    },
    saidLately: (turn) => readSaidLately(db, turn),
    saveContext: (id, context) => contexts.save(id, context),
    tenantOf: (id) => tenants.get(id),
    setAside: async ({ conversationId, tenantId, messages, attempts, deaths }, reason) => {
      const payload = { messageIds: messages.map((message) => message.id), attempts, deaths };
      const letter = { tenantId, stage: 'turn', subjectId: conversationId, conversationId, reason, payload } as const;
      await db.transaction().execute((tx) => recordDeadLetter(tx, letter, log));
    },
    models,
    ringTurn: (id, delayMs) => {
      bell.ringTurn(id, delayMs);
    },
    ringDelivery,
    turnDeadlineMs: config.turnDeadlineMs,
    log,
  };
}
