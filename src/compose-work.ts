import type { ChildProcess } from 'node:child_process';
import { openBase } from './composition.ts';
import type { Base } from './composition.ts';
import { openPackets, packetTexts } from './compose-packets.ts';
import { openScores } from './compose-scores.ts';
import { openSla } from './compose-sla.ts';
import { openTurns } from './compose-turns.ts';
import type { Turns } from './compose-turns.ts';
import { openNotifications } from './compose-notifications.ts';
import { openTransfers, ticketNeeds } from './compose-transfers.ts';
import type { WorkerConfig } from './config.ts';
import { LEASE_MS } from './conversation/conversation-store.ts';
import { changeOwner } from './conversation/ownership-store.ts';
import { lapseAfter } from './conversation/ownership.ts';
import type { Manner } from './conversation/take-turn.ts';
import { DeliveryRunner } from './delivery/delivery-runner.ts';
import { SEND_TIMEOUT_MS } from './delivery/delivery.ts';
import { deliverMessages } from './delivery/deliver-messages.ts';
import type { DeliverNeeds } from './delivery/deliver-messages.ts';
import { GuardedGateway } from './delivery/guarded-gateway.ts';
import { OutboxStore } from './delivery/outbox-store.ts';
import { findForgottenDocuments, indexDocument } from './knowledge/passage-store.ts';
import type { Health } from './platform/health.ts';
import { createHttpClient } from './platform/http-client.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { monotonicMs, systemClock } from './platform/time.ts';
import { BacklogMeter } from './recovery/backlog.ts';
import { BackupMeter } from './recovery/backup-age.ts';
import { applyLateChanges } from './recovery/changes.ts';
import type { LateChangesNeeds } from './recovery/changes.ts';
import { recordDeadLetter, resolveDeadLetter } from './recovery/dead-letters.ts';
import { HeartbeatCarrier } from './recovery/heartbeat.ts';
import { findViolations } from './recovery/promise.ts';
import { purgeRawBytes } from './recovery/purge-raw-bytes.ts';
import { Quarantine } from './recovery/quarantine.ts';
import { Sweeper } from './recovery/sweeper.ts';
import { Watchdog } from './recovery/watchdog.ts';
import type { WatchdogNeeds } from './recovery/watchdog.ts';
import { TenantSlugs } from './tenants/tenant-slugs.ts';
import { recogniseWebhook } from './vendors/whaticket/webhook-payload.ts';
import { createWhaticketGateway } from './vendors/whaticket/whaticket-client.ts';
import { handoffRequested, tenantSendFailed } from './vocabulary/events.ts';
import type { ConversationId, DocumentId } from './vocabulary/ids.ts';

const WORKER_POOL = { name: 'worker', connectionsMax: 12, queryTimeoutMs: 4_000, acquireTimeoutMs: 3_000 };

const GATEWAY_HTTP = { timeoutMs: SEND_TIMEOUT_MS, responseBytesMax: 65_536, connectionsMax: 100 };
const DELIVERIES_AT_ONCE = 100;

/** From the deadline of a turn to the end of its lease, and then some. */
const PROMISE_MARGIN_MS = 15_000;
/** From the deadline of a turn to its end, also when it hangs and its lease is taken from it. */
const SUSPECT_MARGIN_MS = 15_000;

/** What workers do. None of these rejects: what goes wrong is recorded, and somebody tries again. */
export interface Work {
  readonly takeTurn: (id: ConversationId) => Promise<void>;
  readonly deliver: (id: ConversationId) => Promise<void>;
  readonly indexDocument: (id: DocumentId) => Promise<void>;
  /** Looks at the tickets in people's hands that are due, as is done every ten seconds. */
  readonly lookAtTickets: () => Promise<number>;
  readonly sweeper: Sweeper;
  readonly heartbeat: HeartbeatCarrier;
  readonly watchdog: Watchdog;
  /** What a watchdog looks at and does, here. */
  readonly promise: Omit<WatchdogNeeds, 'monotonicMs' | 'log'>;
  /** Turns stop waiting for models, so that the process can end soon; their messages stay for the next one. */
  readonly hurry: () => void;
  readonly health: Health;
  readonly closing: Lifecycle;
}

/**
 * A worker process: turns, deliveries, knowledge, and the sweeper and the watchdog that need no queue.
 *
 * @param fork starts the process in which suspects run alone. Without it they run here, one at a time.
 */
export async function composeWork(config: WorkerConfig, log: Logger, fork?: () => ChildProcess): Promise<Work> {
  const opening = { config, closing: new Lifecycle(log), log };
  const { closing } = opening;
  const base = await openBase(opening, WORKER_POOL);
  await base.tenants.assertMasterKey(log);
  const outbox = new OutboxStore(base.db);
  const deliveries = openDeliveries(config, base, outbox);
  const ringDelivery = (id: ConversationId): void => {
    deliveries.ring(id);
  };
  const turns = openTurns(config, { opening, base, ringDelivery });
  const quarantine = openQuarantine(config, { turns, ringDelivery, fork, log });
  const takeTurn = async (id: ConversationId): Promise<void> => {
    // Who came for a suspect need not wait for it.
    if ((await turns.take(id)) === 'suspect') void quarantine.take(id, 'model');
  };
  const index = indexing(base);
  const deliver = (id: ConversationId): Promise<void> => deliveries.run(id);
  const heartbeat = openHeartbeat(base, turns, deliveries);
  const sweeper = new Sweeper({
    redis: base.redisHealth,
    findTurns: async (options) => {
      const found = await turns.store.findForgotten({ ...options, coalesceMaxMs: config.coalescing.maxMs });
      if (found.isHolderSilent) void quarantine.warm();
      return found.ids;
    },
    findDeliveries: (options) => outbox.findForgotten(options),
    findDocuments: (olderThanMs) => findForgottenDocuments(base.db, olderThanMs),
    // It finds a suspect again until it was taken, so it waits.
    takeTurn: async (id) => {
      if ((await turns.take(id)) === 'suspect') await quarantine.take(id, 'model');
    },
    deliver,
    indexDocument: index,
    applyLateChanges: () => applyLateChanges(lateChangesNeeds(base)),
    carryHeartbeat: () => heartbeat.carry(),
    purge: () => purgeRawBytes(base.db),
    log,
  });
  openMeters(base);
  openScores(base, ringDelivery);
  const lookAtTickets = openHandoffs(config, base, turns);
  closing.keep('sweeper', sweeper, (it) => it.close());
  const promise = promiseOf(config, { base, turns, quarantine, deliver });
  const watchdog = new Watchdog({ ...promise, monotonicMs, log });
  closing.keep('watchdog', watchdog, (it) => it.close());
  closing.keep('quarantine', quarantine, (it) => it.close());
  const hurry = (): void => {
    turns.hurry();
    void quarantine.close();
  };
  const { health } = base;
  return {
    takeTurn,
    deliver,
    indexDocument: index,
    lookAtTickets,
    sweeper,
    heartbeat,
    watchdog,
    promise,
    hurry,
    health,
    closing,
  };
}

/** What follows when a person is called. */
function openHandoffs(config: WorkerConfig, base: Base, turns: Turns): Work['lookAtTickets'] {
  openSla(base);
  openNotifications(config, base, packetTexts(base));
  openPackets(base, turns.models);
  return openTransfers(config.outboundPrivateHosts, base, packetTexts(base));
}

function indexing({ db, log }: Base): Work['indexDocument'] {
  return async (id) => {
    await indexDocument(db, id).catch((error: unknown) => {
      log.error({ err: error, documentId: id }, 'A document could not be indexed; it will be tried again');
    });
  };
}

function lateChangesNeeds(base: Base): LateChangesNeeds {
  return {
    db: base.db,
    keysOf: (id) => base.tenants.keysOf(id),
    channelOf: (id) => base.channels.find(id),
    recognise: recogniseWebhook,
    tickets: ticketNeeds(base),
    log: base.log,
  };
}

interface QuarantineParts {
  readonly turns: Turns;
  readonly ringDelivery: (id: ConversationId) => void;
  readonly fork: (() => ChildProcess) | undefined;
  readonly log: Logger;
}

function openQuarantine(config: WorkerConfig, { turns, ...parts }: QuarantineParts): Quarantine {
  return new Quarantine({
    ...parts,
    isFirst: () => turns.isFirst(),
    takeHere: (id, manner) => turns.takeAside(id, { manner, company: 'nobody' }),
    turnMsMax: config.turnDeadlineMs + SUSPECT_MARGIN_MS,
  });
}

function openHeartbeat({ db, bell, log }: Base, turns: Turns, deliveries: DeliveryRunner): HeartbeatCarrier {
  return new HeartbeatCarrier({
    db,
    turns: turns.inLine,
    deliveries: (carrying) => deliveries.inLine(carrying),
    ringDelivery: (beatAt) => {
      bell.ringHeartbeat('deliver-messages', beatAt);
    },
    log,
  });
}

/** What waits, and how old the backups are. */
function openMeters({ db, bell, redisHealth, closing, log }: Base): void {
  closing.keep('backlog meter', new BacklogMeter({ db, queues: bell.queues, redis: redisHealth, log }), (it) =>
    it.close(),
  );
  closing.keep('backup meter', new BackupMeter({ db, log }), (it) => it.close());
}

interface PromiseParts {
  readonly base: Base;
  readonly turns: Turns;
  readonly quarantine: Quarantine;
  readonly deliver: (id: ConversationId) => Promise<void>;
}

function promiseOf(config: WorkerConfig, { base, turns, quarantine, deliver }: PromiseParts): Work['promise'] {
  const ordinary = {
    coalesceMaxMs: config.coalescing.maxMs,
    answeredWithinMs: config.turnDeadlineMs + LEASE_MS + PROMISE_MARGIN_MS,
  };
  return {
    findViolations: () => findViolations(base.db, ordinary),
    takeTurn: async (id: ConversationId, manner: Manner) => {
      if ((await turns.takeAside(id, { manner, company: 'others' })) === 'suspect') void quarantine.take(id, manner);
    },
    deliver,
    callPerson: async (conversationId) => {
      const reason = 'delivery-failed';
      const { moved } = await base.db
        .transaction()
        .execute((tx) => changeOwner(tx, { conversationId, to: 'human', handoff: 'waiting', reason }));
      if (moved) handoffRequested(base.log, { conversationId, reason });
    },
  };
}

function openDeliveries(config: WorkerConfig, base: Base, outbox: OutboxStore): DeliveryRunner {
  const { db, channels, tenants, closing, log } = base;
  const http = createHttpClient({ ...GATEWAY_HTTP, privateHosts: config.outboundPrivateHosts });
  const gateway = new GuardedGateway(createWhaticketGateway(http, log), SEND_TIMEOUT_MS, log);
  closing.keep('gateway', gateway, (it) => {
    it.close();
  });
  const slugs = new TenantSlugs(db);
  const needs: DeliverNeeds = {
    db,
    outbox,
    gateway,
    channelOf: (id) => channels.find(id),
    newestChannelOf: (id) => channels.findFresh(id),
    keysOf: (id) => tenants.keysOf(id),
    callPerson: async (tx, conversationId, reason) => {
      const { moved } = await changeOwner(tx, { conversationId, to: 'human', handoff: 'waiting', reason });
      if (moved) handoffRequested(log, { conversationId, reason });
    },
    personAnswered: async (tx, conversationId, tenantId) => {
      const lapsesAt = lapseAfter((await tenants.get(tenantId)).settings.humanIdleMinutes, systemClock.now());
      await changeOwner(tx, { conversationId, to: 'human', reason: 'answered-elsewhere', lapsesAt });
    },
    recordDeadLetter: (tx, { outboxId, ...letter }) =>
      recordDeadLetter(tx, { ...letter, stage: 'delivery', subjectId: outboxId, payload: { outboxId } }, log),
    resolveDeadLetter,
    ringDelivery: (id, delayMs) => {
      deliveries.ring(id, delayMs);
    },
    countFailure: (tenantId) => {
      void slugs.shownAs(tenantId).then(tenantSendFailed);
    },
    pacingMs: config.sendPacingMs,
    log,
  };
  const deliveries = new DeliveryRunner((id) => deliverMessages(needs, id), DELIVERIES_AT_ONCE, log);
  return closing.keep('deliveries', deliveries, (it) => it.close());
}
