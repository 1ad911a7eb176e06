import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import { openBase, openDatabase } from './composition.ts';
import type { Base, Opening } from './composition.ts';
import type { WorkerConfig } from './config.ts';
import { commitTurn } from './conversation/commit-turn.ts';
import { ContextCache } from './conversation/context-cache.ts';
import { emptyContext, newEpisode, remember } from './conversation/conversation-context.ts';
import { ConversationStore } from './conversation/conversation-store.ts';
import { opensEpisode } from './conversation/conversation.ts';
import { LeaseKeeper } from './conversation/lease-keeper.ts';
import { changeOwner } from './conversation/ownership-store.ts';
import { takeTurn } from './conversation/take-turn.ts';
import type { TurnNeeds } from './conversation/take-turn.ts';
import { DeliveryRunner } from './delivery/delivery-runner.ts';
import { deliverMessages, SEND_TIMEOUT_MS } from './delivery/deliver-messages.ts';
import type { DeliverNeeds } from './delivery/deliver-messages.ts';
import { GuardedGateway } from './delivery/guarded-gateway.ts';
import { OutboxStore } from './delivery/outbox-store.ts';
import { findForgottenDocuments, findPassages, indexDocument } from './knowledge/passage-store.ts';
import type { Health } from './platform/health.ts';
import { createHttpClient } from './platform/http-client.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { Secret } from './platform/secret.ts';
import { SharedCooldown } from './platform/shared-cooldown.ts';
import { systemClock } from './platform/time.ts';
import { BacklogMeter } from './recovery/backlog.ts';
import { recordDeadLetter } from './recovery/dead-letters.ts';
import { purgeRawBytes } from './recovery/purge-raw-bytes.ts';
import { Sweeper } from './recovery/sweeper.ts';
import { GeminiClient } from './vendors/gemini/gemini-client.ts';
import { OpenAiCompatibleClient } from './vendors/openai-compatible/openai-compatible-client.ts';
import { createWhaticketGateway } from './vendors/whaticket/whaticket-client.ts';
import type { ConversationId, DocumentId } from './vocabulary/ids.ts';
import type { Model } from './vocabulary/model.ts';

const WORKER_POOL = { name: 'worker', connectionsMax: 12, queryTimeoutMs: 4_000, acquireTimeoutMs: 3_000 };
/** Leases are renewed here, so that a pool that is all taken does not cost a process its leases. */
const LEASE_POOL = { name: 'lease', connectionsMax: 1, queryTimeoutMs: 2_000, acquireTimeoutMs: 1_000 };

const GATEWAY_HTTP = { timeoutMs: SEND_TIMEOUT_MS, responseBytesMax: 65_536, connectionsMax: 100 };
const MODEL_RESPONSE_BYTES_MAX = 4 * 1_048_576;
const DELIVERIES_AT_ONCE = 100;
/** A model of one's own often wants no key; the header is then sent empty. */
const NO_KEY = Secret.of('');

/** What workers do. None of these rejects: what goes wrong is recorded, and somebody tries again. */
export interface Work {
  readonly takeTurn: (id: ConversationId) => Promise<void>;
  readonly deliver: (id: ConversationId) => Promise<void>;
  readonly indexDocument: (id: DocumentId) => Promise<void>;
  readonly sweeper: Sweeper;
  /** Turns stop waiting for models, so that the process can end soon; their messages stay for the next one. */
  readonly hurry: () => void;
  readonly health: Health;
  readonly closing: Lifecycle;
}

/** A worker process: turns, deliveries, knowledge, and the sweeper that needs no queue. */
export async function composeWork(config: WorkerConfig, log: Logger): Promise<Work> {
  const opening = { config, closing: new Lifecycle(log), log };
  const { closing } = opening;
  const base = await openBase(opening, WORKER_POOL);
  const outbox = new OutboxStore(base.db);
  const deliveries = openDeliveries(config, base, outbox);
  const turns = openTurns(config, { opening, base, deliveries });
  const index = async (id: DocumentId): Promise<void> => {
    await indexDocument(base.db, id).catch((error: unknown) => {
      log.error({ err: error, documentId: id }, 'A document could not be indexed; it will be tried again');
    });
  };
  const deliver = (id: ConversationId): Promise<void> => deliveries.run(id);
  const sweeper = new Sweeper({
    redis: base.redisHealth,
    findTurns: (options) => turns.store.findForgotten({ ...options, coalesceMaxMs: config.coalescing.maxMs }),
    findDeliveries: (options) => outbox.findForgotten(options),
    findDocuments: (olderThanMs) => findForgottenDocuments(base.db, olderThanMs),
    takeTurn: turns.take,
    deliver,
    indexDocument: index,
    purge: () => purgeRawBytes(base.db),
    log,
  });
  const meter = new BacklogMeter({ db: base.db, queues: base.bell.queues, redis: base.redisHealth, log });
  closing.keep('backlog meter', meter, (it) => {
    it.close();
  });
  closing.keep('sweeper', sweeper, (it) => it.close());
  const { health } = base;
  return { takeTurn: turns.take, deliver, indexDocument: index, sweeper, hurry: turns.hurry, health, closing };
}

function openDeliveries(config: WorkerConfig, base: Base, outbox: OutboxStore): DeliveryRunner {
  const { db, channels, tenants, closing, log } = base;
  const http = createHttpClient({ ...GATEWAY_HTTP, privateHosts: config.outboundPrivateHosts });
  const gateway = new GuardedGateway(createWhaticketGateway(http, log), SEND_TIMEOUT_MS, log);
  closing.keep('gateway', gateway, (it) => {
    it.close();
  });
  const needs: DeliverNeeds = {
    db,
    outbox,
    gateway,
    channelOf: (id) => channels.find(id),
    keysOf: (id) => tenants.keysOf(id),
    callPerson: async (tx, conversationId, reason) => {
      await changeOwner(tx, { conversationId, to: 'human', handoff: 'waiting', reason });
    },
    personAnswered: async (tx, conversationId, tenantId) => {
      const { humanIdleMinutes: minutes } = (await tenants.get(tenantId)).settings;
      const lapsesAt = minutes === 0 ? undefined : new Date(systemClock.now().getTime() + minutes * 60_000);
      await changeOwner(tx, { conversationId, to: 'human', reason: 'answered-elsewhere', lapsesAt });
    },
    recordDeadLetter: (tx, { outboxId, ...letter }) =>
      recordDeadLetter(tx, { ...letter, stage: 'delivery', subjectId: outboxId, payload: { outboxId } }, log),
    ringDelivery: (id, delayMs) => {
      deliveries.ring(id, delayMs);
    },
    pacingMs: config.sendPacingMs,
    log,
  };
  const deliveries = new DeliveryRunner((id) => deliverMessages(needs, id), DELIVERIES_AT_ONCE, log);
  return closing.keep('deliveries', deliveries, (it) => it.close());
}

interface TurnParts {
  readonly opening: Opening;
  readonly base: Base;
  readonly deliveries: DeliveryRunner;
}

function openTurns(config: WorkerConfig, { opening, base, deliveries }: TurnParts) {
  const { closing, db, tenants, bell, log } = base;
  const holder = randomUUID();
  const store = new ConversationStore(db);
  const leases = new LeaseKeeper(new ConversationStore(openDatabase(opening, LEASE_POOL)), holder, log);
  closing.keep('leases', leases, (it) => {
    it.close();
  });
  const contexts = new ContextCache(base.redis, base.redisHealth, config.contextTtlSeconds);
  const options = { holder, coalesceMaxMs: config.coalescing.maxMs };
  const needs: TurnNeeds = {
    conversations: {
      openTurn: (id) => store.openTurn(id, options),
      reopenTurn: (turn) => store.reopenTurn(turn),
      commitTurn: (turn, commit) => commitTurn(db, turn, commit),
      releaseTurn: (turn) => store.releaseTurn(turn),
      releaseFailedTurn: (turn, retryInMs) => store.releaseFailedTurn(turn, retryInMs),
      postponeTurn: (turn, ms) => store.postponeTurn(turn, ms),
      takeBack: (turn) => store.takeBack(turn),
    },
    leases,
    knowledge: { find: (tenantId, question) => findPassages(db, tenantId, question) },
    contextOf: async (turn) => {
      const known =
        (await contexts.find(turn.conversationId, turn.knownUpTo)) ??
        remember(emptyContext(), await store.readPast(turn), turn.knownUpTo);
      return opensEpisode(turn) ? newEpisode(known) : known;
    },
    saveContext: (id, context) => contexts.save(id, context),
    tenantOf: (id) => tenants.get(id),
    setAside: async ({ conversationId, tenantId, messages, attempts }, reason) => {
      const payload = { messageIds: messages.map((message) => message.id), attempts };
      const letter = { tenantId, stage: 'turn', subjectId: conversationId, conversationId, reason, payload } as const;
      await db.transaction().execute((tx) => recordDeadLetter(tx, letter, log));
    },
    models: openModels(config, base),
    ringTurn: (id, delayMs) => {
      bell.ringTurn(id, delayMs);
    },
    ringDelivery: (id) => {
      deliveries.ring(id);
    },
    turnDeadlineMs: config.turnDeadlineMs,
    log,
  };
  const limit = pLimit(config.concurrency);
  const shutdown = new AbortController();
  const take = async (id: ConversationId): Promise<void> => {
    await limit(() => takeTurn(needs, id, shutdown.signal)).catch((error: unknown) => {
      log.error({ err: error, conversationId: id }, 'A turn could not be taken; the sweeper will find it');
    });
  };
  const hurry = (): void => {
    shutdown.abort(new Error('The process is ending'));
  };
  return { store, take, hurry };
}

function openModels(config: WorkerConfig, { redis, redisHealth, closing, log }: Base): readonly Model[] {
  const cooldown = new SharedCooldown({ memory: redis, health: redisHealth, log });
  const limits = { timeoutMs: config.modelTimeoutMs, callsMax: config.concurrency * 2 };
  const models: (Model & { close(): void })[] = [];
  if (config.gemini !== undefined) models.push(new GeminiClient({ cooldown, log }, { ...config.gemini, ...limits }));
  if (config.fallbackModel !== undefined) {
    const { apiKey = NO_KEY, ...fallback } = config.fallbackModel;
    const http = createHttpClient({
      privateHosts: config.outboundPrivateHosts,
      timeoutMs: limits.timeoutMs,
      responseBytesMax: MODEL_RESPONSE_BYTES_MAX,
      connectionsMax: limits.callsMax,
    });
    models.push(new OpenAiCompatibleClient({ http, cooldown, log }, { ...fallback, apiKey, ...limits }));
  }
  for (const model of models) {
    closing.keep(model.name, model, (it) => {
      it.close();
    });
  }
  return models;
}
