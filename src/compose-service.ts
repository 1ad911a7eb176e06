import type { Express } from 'express';
import { openBase, openDatabase } from './composition.ts';
import type { Base, Opening } from './composition.ts';
import type { ServiceConfig } from './config.ts';
import { reviveTurn } from './conversation/ownership-store.ts';
import { reviveReply } from './delivery/reply-store.ts';
import { createHttpApp } from './http-app.ts';
import { InboxStore } from './inbound/inbox-store.ts';
import type { InboxRow, Recorded } from './inbound/inbox-store.ts';
import type { ReceiveWebhookNeeds } from './inbound/receive-webhook.ts';
import { reviveDocument } from './knowledge/passage-store.ts';
import type { PanelNeeds } from './panel/needs.ts';
import { isDataError, sqlState } from './platform/database.ts';
import { GroupCommit } from './platform/group-commit.ts';
import type { Health } from './platform/health.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { RateLimiter } from './platform/rate-limiter.ts';
import type { RateLimit } from './platform/rate-limiter.ts';
import { systemClock } from './platform/time.ts';
import { applyRecorded } from './recovery/changes.ts';
import { discardDeadLetter, replayDeadLetter } from './recovery/dead-letters.ts';
import { ChannelStore } from './tenants/channel-store.ts';
import { TenantStore } from './tenants/tenant-store.ts';
import { recogniseWebhook } from './vendors/whaticket/webhook-payload.ts';
import type { TenantId } from './vocabulary/ids.ts';

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
const FAILED_SIGN_INS = { name: 'sign-in-failed', points: 60, perSeconds: 60 };

export interface Service {
  readonly app: Express;
  readonly health: Health;
  readonly closing: Lifecycle;
}

/** The HTTP service: intake and the API for people. */
export async function composeService(config: ServiceConfig, log: Logger): Promise<Service> {
  const opening = { config, closing: new Lifecycle(log), log };
  const base = await openBase(opening, API_POOL);
  const app = createHttpApp({
    health: base.health,
    trustProxy: config.trustProxy,
    webhook: webhookNeeds(config, opening, base),
    panel: panelNeeds(config, base),
    log,
  });
  return { app, health: base.health, closing: opening.closing };
}

function webhookNeeds(config: ServiceConfig, opening: Opening, base: Base): ReceiveWebhookNeeds {
  const { bell, log } = base;
  const db = openDatabase(opening, INTAKE_POOL);
  const inbox = new InboxStore(db);
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
  const changes = { db: base.db, keysOf: (id: TenantId) => base.tenants.keysOf(id) };
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
    apply: (channel, event, key) => {
      void applyRecorded(changes, { channel, event, dedupeKey: key }).catch((error: unknown) => {
        log.warn({ err: error, kind: event.type }, 'What an event changes could not be applied yet; the sweeper will');
      });
    },
    coalescing: config.coalescing,
    clock: systemClock,
    log,
  };
}

function panelNeeds(config: ServiceConfig, base: Base): PanelNeeds {
  const { db, tenants, channels, bell, log } = base;
  const revive = { reviveDelivery: reviveReply, reviveTurn, reviveDocument };
  return {
    db,
    tenants,
    channels,
    adminApiKey: config.adminApiKey,
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
