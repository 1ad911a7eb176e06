import type { Express } from 'express';
import { MIGRATIONS } from '../migrations/migrations.ts';
import type { Kysely } from 'kysely';
import { openAssistant } from './compose-assistant.ts';
import { openBase, openDatabase } from './composition.ts';
import type { Base } from './composition.ts';
import { createNotifier } from './compose-notifications.ts';
import { ticketNeeds } from './compose-transfers.ts';
import type { ServiceConfig } from './config.ts';
import { reviveTurn } from './conversation/ownership-store.ts';
import { reviveReply } from './delivery/reply-store.ts';
import { GuardedNotifier } from './handoff/notification-guard.ts';
import { reviveNotification } from './handoff/notification-queue.ts';
import { reviveTransfer } from './handoff/transfer-store.ts';
import { createHttpApp } from './http-app.ts';
import { InboxStore } from './inbound/inbox-store.ts';
import type { InboxRow, Recorded } from './inbound/inbox-store.ts';
import type { ReceiveWebhookNeeds } from './inbound/receive-webhook.ts';
import { reviveDocument } from './knowledge/passage-store.ts';
import type { PanelNeeds } from './panel/needs.ts';
import { DeepCheck } from './platform/deep-check.ts';
import { isDataError, sqlState } from './platform/database.ts';
import { GroupCommit } from './platform/group-commit.ts';
import type { Health } from './platform/health.ts';
import { createHttpClient } from './platform/http-client.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { migrationStatus } from './platform/migrator.ts';
import { RateLimiter } from './platform/rate-limiter.ts';
import type { RateLimit } from './platform/rate-limiter.ts';
import { systemClock } from './platform/time.ts';
import { applyRecorded } from './recovery/changes.ts';
import { discardDeadLetter, replayDeadLetter } from './recovery/dead-letters.ts';
import { Heart } from './recovery/heartbeat.ts';
import { GatewayWatch } from './recovery/gateway-watch.ts';
import { systemChecks } from './recovery/system-checks.ts';
import { ChannelStore } from './tenants/channel-store.ts';
import { TenantSlugs } from './tenants/tenant-slugs.ts';
import { TenantStore } from './tenants/tenant-store.ts';
import { checkGeminiKey } from './vendors/gemini/gemini-key-check.ts';
import { createWhaticketStates } from './vendors/whaticket/connection-state.ts';
import { recogniseWebhook } from './vendors/whaticket/webhook-payload.ts';
import { tenantMessageAccepted, tenantWebhookRejected } from './vocabulary/events.ts';
import type { TenantId } from './vocabulary/ids.ts';
import type { Schema } from './vocabulary/schema.ts';

/** Intake may use this much of the database and no more, and gives up early: a webhook must be answered either way. */
const INTAKE_POOL = { name: 'intake', connectionsMax: 4, queryTimeoutMs: 700, acquireTimeoutMs: 600 };
const API_POOL = { name: 'api', connectionsMax: 6, queryTimeoutMs: 5_000, acquireTimeoutMs: 1_000 };

const GROUP_COMMIT = {
  rowsMax: 200,
  bytesMax: 4 * 1_048_576,
  batchesMax: 2,
  waitingMax: 5_000,
  waitingBytesMax: 64 * 1_048_576,
};

/** Most gateways never repeat a webhook, so these are floods and guesses, not traffic. */
const WEBHOOKS_PER_CHANNEL = { name: 'webhook-channel', points: 3_000, perSeconds: 1, grantedLocally: 300 };
const FAILED_WEBHOOKS = { name: 'webhook-failed', points: 60, perSeconds: 60 };
/** Of a tenant: each may take a place in somebody else's channel. */
const NOTIFIER_TESTS = { name: 'notifier-tests', points: 10, perSeconds: 60 };
const FAILED_SIGN_INS = { name: 'sign-in-failed', points: 60, perSeconds: 60 };

export interface Service {
  readonly app: Express;
  readonly heart: Heart;
  readonly health: Health;
  readonly closing: Lifecycle;
}

/** The HTTP service: intake and the API for people. */
export async function composeService(config: ServiceConfig, log: Logger): Promise<Service> {
  const opening = { config, closing: new Lifecycle(log), log };
  const base = await openBase(opening, API_POOL);
  await base.tenants.assertMasterKey(log);
  const intakeDb = openDatabase(opening, INTAKE_POOL);
  const heart = new Heart({
    db: intakeDb,
    ring: (beatAt) => {
      base.bell.ringHeartbeat('take-turn', beatAt);
    },
    log,
  });
  opening.closing.keep('heart', heart, (it) => it.close());
  const app = createHttpApp({
    health: base.health,
    trustProxy: config.trustProxy,
    webhook: webhookNeeds(config, intakeDb, base),
    panel: panelNeeds(config, base, deepHealth(config, base)),
    log,
  });
  return { app, heart, health: base.health, closing: opening.closing };
}

function webhookNeeds(config: ServiceConfig, db: Kysely<Schema>, base: Base): ReceiveWebhookNeeds {
  const { bell, log } = base;
  const inbox = new InboxStore(db);
  const slugs = new TenantSlugs(db);
  // Read through intake's own pool: who is asked for a channel that is not known here yet must give up early, too.
  const tenants = new TenantStore(db, { current: config.masterKey, previous: config.masterKeyPrevious });
  const channels = new ChannelStore(db, (id) => tenants.keysOf(id));
  const commits = new GroupCommit<InboxRow, Recorded>((rows) => inbox.record(rows), {
    ...GROUP_COMMIT,
    bytesOf: (row) => row.raw.length,
    isRowToBlame: isWorthTryingAlone,
  });
  const perChannel = limiter(base, WEBHOOKS_PER_CHANNEL);
  const perFailedAddress = limiter(base, FAILED_WEBHOOKS);
  const changes = { db: base.db, keysOf: (id: TenantId) => base.tenants.keysOf(id), tickets: ticketNeeds(base) };
  return {
    channels,
    keysOf: (id) => tenants.keysOf(id),
    recognise: recogniseWebhook,
    record: async (row) => {
      try {
        return await commits.add(row);
      } catch (error) {
        if (sqlState(error) === DISK_FULL) base.health.impairedFor(IMPAIRED_MS);
        throw error;
      }
    },
    limits: { perChannel: (id) => perChannel.take(id), perFailedAddress: (address) => perFailedAddress.take(address) },
    ringTurn: (id, delayMs) => {
      bell.ringTurn(id, delayMs);
    },
    ringDelivery: (id) => {
      bell.ringDelivery(id);
    },
    apply: (channel, event, recorded) => {
      void applyRecorded(changes, { channel, event, ...recorded }).catch((error: unknown) => {
        log.warn({ err: error, kind: event.type }, 'What an event changes could not be applied yet; the sweeper will');
      });
    },
    countMessage: (tenantId) => {
      void slugs.shownAs(tenantId).then(tenantMessageAccepted);
    },
    countRejection: (tenantId) => {
      void slugs.shownAs(tenantId).then(tenantWebhookRejected);
    },
    coalescing: config.coalescing,
    clock: systemClock,
    log,
  };
}

function panelNeeds(config: ServiceConfig, base: Base, deepHealth: PanelNeeds['deepHealth']): PanelNeeds {
  const { db, tenants, channels, bell, closing, log } = base;
  const notifier = closing.keep('notifier', new GuardedNotifier(createNotifier(config), log), (it) => {
    it.close();
  });
  const revive = { reviveDelivery: reviveReply, reviveTurn, reviveDocument, reviveTransfer, reviveNotification };
  return {
    db,
    tenants,
    channels,
    adminApiKey: config.adminApiKey,
    notifier,
    notifierTests: limiter(base, NOTIFIER_TESTS),
    deepHealth,
    assistant: openAssistant(config, base),
    publicUrl: (req) => config.publicUrl ?? `${req.protocol}://${req.host}`,
    limiter: limiter(base, FAILED_SIGN_INS),
    bell,
    deadLetters: {
      replay: (tx, tenantId, id) => replayDeadLetter(revive, tx, { tenantId, id, by: 'api' }),
      discard: (tx, tenantId, id) => discardDeadLetter(tx, { tenantId, id, by: 'api' }),
    },
    log,
  };
}

/** Gateways are asked by people who look, never by the traffic. */
const STATES_HTTP = { timeoutMs: 5_000, responseBytesMax: 65_536, connectionsMax: 8 };

function deepHealth(config: ServiceConfig, base: Base): PanelNeeds['deepHealth'] {
  const { db, redis, tenants, channels, log } = base;
  const http = createHttpClient({ ...STATES_HTTP, privateHosts: config.outboundPrivateHosts });
  const gateways = new GatewayWatch(createWhaticketStates(http, log));
  const { gemini } = config;
  const checks = systemChecks({
    db,
    redis,
    findChannel: (id) => channels.find(id),
    gateways,
    inspectSealing: () => tenants.inspectSealing(),
    pendingMigrations: async () =>
      (await migrationStatus(db, MIGRATIONS)).flatMap(({ name, executedAt }) =>
        executedAt === undefined ? [name] : [],
      ),
    model: gemini && ((signal) => checkGeminiKey(gemini, signal)),
  });
  const deepCheck = new DeepCheck(checks, () => systemClock.now());
  return {
    report: () => deepCheck.report(),
    ofChannel: async (id) => {
      const channel = await channels.find(id);
      return channel && (await gateways.healthOf(channel));
    },
  };
}

function limiter(base: Base, limit: RateLimit): RateLimiter {
  return new RateLimiter(limit, base.redis, base.redisHealth);
}

/** A database without room still answers `select 1`. Looked at again after this, because nobody sends to who is not ready. */
const IMPAIRED_MS = 5_000;
const DISK_FULL = '53100';

/** A deadlock and a serialization failure are nobody's fault, but one row alone will not meet them again. */
const LOCK_CONFLICTS = ['40P01', '40001'];

function isWorthTryingAlone(error: unknown): boolean {
  return isDataError(error) || LOCK_CONFLICTS.includes(sqlState(error) ?? '');
}
