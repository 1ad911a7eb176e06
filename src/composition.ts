import { randomUUID } from 'node:crypto';
import type { Express } from 'express';
import type { Kysely } from 'kysely';
import pLimit from 'p-limit';
import { MIGRATIONS } from '../migrations/migrations.ts';
import { Bell } from './bell.ts';
import type { ServiceConfig, WorkerConfig } from './config.ts';
import { commitTurn } from './conversation/commit-turn.ts';
import { ContextCache } from './conversation/context-cache.ts';
import { emptyContext, remember } from './conversation/conversation-context.ts';
import type { ConversationContext } from './conversation/conversation-context.ts';
import { ConversationStore } from './conversation/conversation-store.ts';
import type { Turn } from './conversation/conversation.ts';
import { LeaseKeeper } from './conversation/lease-keeper.ts';
import { changeOwner, reviveTurn } from './conversation/ownership-store.ts';
import { takeTurn } from './conversation/take-turn.ts';
import type { TurnNeeds } from './conversation/take-turn.ts';
import { DeliveryRunner } from './delivery/delivery-runner.ts';
import { deliverMessages, SEND_TIMEOUT_MS } from './delivery/deliver-messages.ts';
import type { DeliverNeeds } from './delivery/deliver-messages.ts';
import { GuardedGateway } from './delivery/guarded-gateway.ts';
import { OutboxStore, reviveReply } from './delivery/outbox-store.ts';
import { createHttpApp } from './http-app.ts';
import { InboxStore } from './inbound/inbox-store.ts';
import type { InboxRow, Recorded } from './inbound/inbox-store.ts';
import { findForgottenDocuments, findPassages, indexDocument, reviveDocument } from './knowledge/passage-store.ts';
import { createDatabase, createPool, isDataError, sqlState } from './platform/database.ts';
import { GroupCommit } from './platform/group-commit.ts';
import { Health } from './platform/health.ts';
import { createHttpClient } from './platform/http-client.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { assertMigrated } from './platform/migrator.ts';
import { RateLimiter } from './platform/rate-limiter.ts';
import { createRedis, RedisHealth } from './platform/redis.ts';
import { Secret } from './platform/secret.ts';
import { SharedCooldown } from './platform/shared-cooldown.ts';
import { systemClock } from './platform/time.ts';
import { discardDeadLetter, recordDeadLetter, replayDeadLetter } from './recovery/dead-letters.ts';
import type { ReplayNeeds } from './recovery/dead-letters.ts';
import { Sweeper } from './recovery/sweeper.ts';
import { ChannelStore } from './tenants/channel-store.ts';
import { TenantStore } from './tenants/tenant-store.ts';
import { GeminiClient } from './vendors/gemini/gemini-client.ts';
import { OpenAiCompatibleClient } from './vendors/openai-compatible/openai-compatible-client.ts';
import { recogniseWebhook } from './vendors/whaticket/webhook-payload.ts';
import { createWhaticketGateway } from './vendors/whaticket/whaticket-client.ts';
import { ConversationId, DocumentId } from './vocabulary/ids.ts';
import type { Model } from './vocabulary/model.ts';
import type { Schema } from './vocabulary/schema.ts';

/*
 * Joins the parts. Nothing here decides anything: parts are opened in order, handed what they declared that they need,
 * and closed in reverse.
 */

/** Intake may use this much of the database and no more, and gives up early: a webhook must be answered either way. */
const INTAKE_POOL = { name: 'intake', connectionsMax: 4, queryTimeoutMs: 700, acquireTimeoutMs: 600 };
const API_POOL = { name: 'api', connectionsMax: 6, queryTimeoutMs: 5_000, acquireTimeoutMs: 1_000 };
const WORKER_POOL = { name: 'worker', connectionsMax: 12, queryTimeoutMs: 4_000, acquireTimeoutMs: 3_000 };
/** Leases are renewed here, so that a pool that is all taken does not cost a process its leases. */
const LEASE_POOL = { name: 'lease', connectionsMax: 1, queryTimeoutMs: 2_000, acquireTimeoutMs: 1_000 };

const GROUP_COMMIT = { rowsMax: 200, bytesMax: 4 * 1_048_576, batchesMax: 2, waitingMax: 5_000 };

const WEBHOOKS_PER_CHANNEL = { name: 'webhook-channel', points: 3_000, perSeconds: 1 };
const FAILED_WEBHOOKS = { name: 'webhook-failed', points: 60, perSeconds: 60 };
const FAILED_SIGN_INS = { name: 'sign-in-failed', points: 60, perSeconds: 60 };

const GATEWAY_HTTP = { timeoutMs: 10_000, responseBytesMax: 65_536, connectionsMax: 100 };
const DELIVERIES_AT_ONCE = 50;
/** A model of one's own often wants no key; the header is then sent empty. */
const NO_KEY = Secret.of('');

export interface Service {
  readonly app: Express;
  readonly health: Health;
  readonly closing: Lifecycle;
}

/** The HTTP service: intake and the API for people. */
export async function composeService(config: ServiceConfig, log: Logger): Promise<Service> {
  const closing = new Lifecycle(log);
  const base = openBase(config, closing, log);
  const intakePool = createPool(config.databaseUrl, INTAKE_POOL, log);
  const intake = closing.keep('intake database', createDatabase<Schema>(intakePool), (it) => it.destroy());
  const db = closing.keep('database', createDatabase<Schema>(createPool(config.databaseUrl, API_POOL, log)), (it) =>
    it.destroy(),
  );
  await assertMigrated(db, MIGRATIONS);

  const tenants = new TenantStore(db, { current: config.masterKey, previous: config.masterKeyPrevious });
  const channels = new ChannelStore(db, (id) => tenants.keysOf(id));
  const inbox = new InboxStore(intake);
  const commits = new GroupCommit<InboxRow, Recorded>((rows) => inbox.record(rows), {
    ...GROUP_COMMIT,
    bytesOf: (row) => row.raw.length,
    isRowToBlame: isWorthTryingAlone,
  });
  const bell = closing.keep('bell', new Bell(base.redis, base.redisHealth, log), (it) => it.close());
  const limiter = (limit: typeof FAILED_WEBHOOKS) => new RateLimiter(limit, base.redis, base.redisHealth);
  const perChannel = limiter(WEBHOOKS_PER_CHANNEL);
  const perFailedAddress = limiter(FAILED_WEBHOOKS);
  const failedSignIns = limiter(FAILED_SIGN_INS);
  const replays = replayNeeds();

  const health = healthOf(db, base.redisHealth);
  const app = createHttpApp({
    health,
    trustProxy: config.trustProxy,
    webhook: {
      channels,
      keysOf: (id) => tenants.keysOf(id),
      recognise: recogniseWebhook,
      record: (row) => commits.add(row),
      limits: {
        perChannel: (id) => perChannel.take(id),
        perFailedAddress: (address) => perFailedAddress.take(address),
      },
      ringTurn: (id, delayMs) => {
        bell.ringTurn(id, delayMs);
      },
      ringDelivery: (id) => {
        bell.ringDelivery(id);
      },
      coalescing: config.coalescing,
      clock: systemClock,
      log,
    },
    panel: {
      db,
      tenants,
      channels,
      adminApiKey: config.adminApiKey,
      publicUrl: (req) => config.publicUrl ?? `${req.protocol}://${req.host}`,
      limiter: failedSignIns,
      jobs: {
        ringConversation: (id) => {
          bell.ringTurn(ConversationId.parse(id), 0);
          return Promise.resolve();
        },
        ringDelivery: (id) => {
          bell.ringDelivery(ConversationId.parse(id));
          return Promise.resolve();
        },
        indexDocument: (id) => {
          bell.ringDocument(DocumentId.parse(id));
          return Promise.resolve();
        },
      },
      deadLetters: {
        replay: (tx, tenantId, id) => replayDeadLetter(replays, tx, { tenantId, id, by: 'api' }),
        discard: (tx, tenantId, id) => discardDeadLetter(tx, { tenantId, id, by: 'api' }),
      },
      log,
    },
    log,
  });
  return { app, health, closing };
}

export interface Work {
  readonly health: Health;
  readonly closing: Lifecycle;
  /** The three things that workers do. They never reject: what goes wrong is recorded, and somebody tries again. */
  readonly takeTurn: (id: ConversationId) => Promise<void>;
  readonly deliver: (id: ConversationId) => Promise<void>;
  readonly indexDocument: (id: DocumentId) => Promise<void>;
  readonly sweeper: Sweeper;
  /** Turns stop waiting for models, so that the process can end soon; their messages stay for the next one. */
  readonly hurry: () => void;
}

/** A worker process: turns, deliveries, knowledge, and the sweeper that needs no queue. */
export async function composeWork(config: WorkerConfig, log: Logger): Promise<Work> {
  const closing = new Lifecycle(log);
  const base = openBase(config, closing, log);
  const pool = createPool(config.databaseUrl, WORKER_POOL, log);
  const db = closing.keep('database', createDatabase<Schema>(pool), (it) => it.destroy());
  const leaseDb = closing.keep(
    'lease database',
    createDatabase<Schema>(createPool(config.databaseUrl, LEASE_POOL, log)),
    (it) => it.destroy(),
  );
  await assertMigrated(db, MIGRATIONS);

  const tenants = new TenantStore(db, { current: config.masterKey, previous: config.masterKeyPrevious });
  const channels = new ChannelStore(db, (id) => tenants.keysOf(id));
  const bell = closing.keep('bell', new Bell(base.redis, base.redisHealth, log), (it) => it.close());
  const models = openModels(config, { closing, base, log });
  const gateway = openGateway(config, closing, log);

  const outbox = new OutboxStore(db);
  const deliverNeeds: DeliverNeeds = {
    db,
    outbox,
    gateway,
    channelOf: (id) => channels.find(id),
    keysOf: (id) => tenants.keysOf(id),
    callPerson: async (tx, conversationId, reason) => {
      await changeOwner(tx, { conversationId, to: 'human', handoff: 'waiting', reason });
    },
    personAnswered: async (tx, conversationId, tenantId) => {
      const { humanIdleMinutes } = (await tenants.get(tenantId)).settings;
      const lapsesAt =
        humanIdleMinutes === 0 ? undefined : new Date(systemClock.now().getTime() + humanIdleMinutes * 60_000);
      await changeOwner(tx, { conversationId, to: 'human', reason: 'answered-elsewhere', lapsesAt });
    },
    recordDeadLetter: (tx, letter) =>
      recordDeadLetter(
        tx,
        { ...letter, stage: 'delivery', subjectId: letter.outboxId, payload: { outboxId: letter.outboxId } },
        log,
      ),
    ringDelivery: (id, delayMs) => {
      deliveries.ring(id, delayMs);
    },
    pacingMs: config.sendPacingMs,
    log,
  };
  const deliveries = closing.keep(
    'deliveries',
    new DeliveryRunner((id) => deliverMessages(deliverNeeds, id), DELIVERIES_AT_ONCE, log),
    (it) => it.close(),
  );

  const turns = openTurns(config, { closing, db, leaseDb, base, tenants, bell, models, deliveries, log });
  const index = async (id: DocumentId): Promise<void> => {
    await indexDocument(db, id).catch((error: unknown) => {
      log.error({ err: error, documentId: id }, 'A document could not be indexed; it will be tried again');
    });
  };
  const sweeper = closing.keep(
    'sweeper',
    new Sweeper({
      redis: base.redisHealth,
      findTurns: (options) => turns.store.findForgotten({ ...options, coalesceMaxMs: config.coalescing.maxMs }),
      findDeliveries: (options) => outbox.findForgotten(options),
      findDocuments: (olderThanMs) => findForgottenDocuments(db, olderThanMs),
      takeTurn: turns.take,
      deliver: (id) => deliveries.run(id),
      indexDocument: index,
      log,
    }),
    (it) => it.close(),
  );
  return {
    health: healthOf(db, base.redisHealth),
    closing,
    takeTurn: turns.take,
    deliver: (id) => deliveries.run(id),
    indexDocument: index,
    sweeper,
    hurry: turns.hurry,
  };
}

interface Base {
  readonly redis: ReturnType<typeof createRedis>;
  readonly redisHealth: RedisHealth;
}

function openBase(config: Pick<ServiceConfig, 'redisUrl'>, closing: Lifecycle, log: Logger): Base {
  const redis = closing.keep('redis', createRedis(config.redisUrl, log), (it) => {
    it.disconnect();
  });
  const redisHealth = closing.keep('redis health', new RedisHealth(redis, log, () => systemClock.now()), (it) => {
    it.close();
  });
  return { redis, redisHealth };
}

interface ModelParts {
  readonly closing: Lifecycle;
  readonly base: Base;
  readonly log: Logger;
}

function openModels(config: WorkerConfig, { closing, base, log }: ModelParts): readonly Model[] {
  const cooldown = new SharedCooldown({ memory: base.redis, health: base.redisHealth, log });
  const timeoutMs = config.modelTimeoutMs;
  const callsMax = config.concurrency * 2;
  const models: Model[] = [];
  if (config.gemini !== undefined) {
    const client = new GeminiClient({ cooldown, log }, { ...config.gemini, timeoutMs, callsMax });
    models.push(
      closing.keep('gemini', client, (it) => {
        it.close();
      }),
    );
  }
  if (config.fallbackModel !== undefined) {
    const http = createHttpClient({
      privateHosts: config.outboundPrivateHosts,
      timeoutMs,
      responseBytesMax: 4 * 1_048_576,
      connectionsMax: callsMax,
    });
    const client = new OpenAiCompatibleClient(
      { http, cooldown, log },
      {
      ...config.fallbackModel,
      apiKey: config.fallbackModel.apiKey ?? NO_KEY,
      timeoutMs,
      callsMax,
    },
    );
    models.push(
      closing.keep('fallback model', client, (it) => {
        it.close();
      }),
    );
  }
  return models;
}

function openGateway(config: WorkerConfig, closing: Lifecycle, log: Logger): GuardedGateway {
  const http = createHttpClient({ ...GATEWAY_HTTP, privateHosts: config.outboundPrivateHosts });
  const gateway = new GuardedGateway(createWhaticketGateway(http, log), SEND_TIMEOUT_MS, log);
  return closing.keep('gateway', gateway, (it) => {
    it.close();
  });
}

interface TurnParts {
  readonly closing: Lifecycle;
  readonly db: Kysely<Schema>;
  readonly leaseDb: Kysely<Schema>;
  readonly base: Base;
  readonly tenants: TenantStore;
  readonly bell: Bell;
  readonly models: readonly Model[];
  readonly deliveries: DeliveryRunner;
  readonly log: Logger;
}

function openTurns(config: WorkerConfig, parts: TurnParts) {
  const { closing, db, leaseDb, base, tenants, bell, models, deliveries, log } = parts;
  const holder = randomUUID();
  const store = new ConversationStore(db);
  const leases = closing.keep('leases', new LeaseKeeper(new ConversationStore(leaseDb), holder, log), (it) => {
    it.close();
  });
  const contexts = new ContextCache(base.redis, base.redisHealth, config.contextTtlSeconds);
  const opening = { holder, coalesceMaxMs: config.coalescing.maxMs };
  const contextOf = async (turn: Turn): Promise<ConversationContext> =>
    (await contexts.find(turn.conversationId, turn.knownUpTo)) ??
    remember(emptyContext(), await store.readPast(turn), turn.knownUpTo);
  const needs: TurnNeeds = {
    conversations: {
      openTurn: (id) => store.openTurn(id, opening),
      reopenTurn: (turn) => store.reopenTurn(turn),
      commitTurn: (turn, commit) => commitTurn(db, turn, commit),
      releaseTurn: (turn) => store.releaseTurn(turn),
      releaseFailedTurn: (turn, retryInMs) => store.releaseFailedTurn(turn, retryInMs),
      postponeTurn: (turn, ms) => store.postponeTurn(turn, ms),
      takeBack: (turn) => store.takeBack(turn),
    },
    leases,
    knowledge: { find: (tenantId, question) => findPassages(db, tenantId, question) },
    contextOf,
    saveContext: (id, context) => contexts.save(id, context),
    tenantOf: (id) => tenants.get(id),
    setAside: async (turn, reason) => {
      const { conversationId, tenantId } = turn;
      const payload = { messageIds: turn.messages.map((message) => message.id), attempts: turn.attempts };
      await db
        .transaction()
        .execute((tx) =>
          recordDeadLetter(
            tx,
            { tenantId, stage: 'turn', subjectId: conversationId, conversationId, reason, payload },
            log,
          ),
        );
    },
    models,
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
  return {
    store,
    take,
    hurry: () => {
      shutdown.abort(new Error('The process is ending'));
    },
  };
}

function replayNeeds(): ReplayNeeds {
  return { reviveDelivery: reviveReply, reviveTurn, reviveDocument };
}

function healthOf(db: Kysely<Schema>, redis: RedisHealth): Health {
  return new Health({
    database: () => db.selectNoFrom((is) => is.lit(1).as('one')).execute(),
    detail: () => ({ redis: redis.isUp ? 'up' : 'down', redisSince: redis.since.toISOString() }),
  });
}

/** A deadlock and a serialization failure are nobody's fault, but one row alone will not meet them again. */
const LOCK_CONFLICTS = ['40P01', '40001'];

function isWorthTryingAlone(error: unknown): boolean {
  return isDataError(error) || LOCK_CONFLICTS.includes(sqlState(error) ?? '');
}
