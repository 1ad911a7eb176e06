import type { Kysely } from 'kysely';
import { Gauge } from 'prom-client';
import { unseal } from '../platform/crypto.ts';
import { withContext } from '../platform/context.ts';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import { monotonicMs } from '../platform/time.ts';
import type { Tenant, TenantKeys } from '../tenants/tenants.ts';
import { notificationSettled } from '../vocabulary/events.ts';
import type { NotificationOutcome } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Notice, Notifier, TargetAddress } from '../vocabulary/notification.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { businessCalendarOf } from './business-calendar.ts';
import { wasNotTried } from './notification-guard.ts';
import * as queue from './notification-queue.ts';
import type { ClaimedNotification } from './notification-queue.ts';
import { addressPlace, openedAddress, quietUntil, SealedAddress } from './notification-target.ts';
import { noticeText, severityOf } from './notification-text.ts';

/** What telling needs from the rest of the system, and nothing more. */
export interface NotificationNeeds {
  readonly db: Kysely<Schema>;
  readonly notifier: Notifier;
  readonly tenantOf: (id: TenantId) => Promise<Tenant>;
  readonly keysOf: (id: TenantId) => Promise<TenantKeys>;
  /** What a person is told about a handoff, for targets that want it. It holds customers' words. */
  readonly excerptOf: (handoffId: string) => Promise<string | undefined>;
  readonly recordDeadLetter: (tx: Tx, letter: NotificationGivenUp) => Promise<void>;
  /** Where people reach the service; without it there are no links. */
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}

export interface NotificationGivenUp {
  readonly tenantId: TenantId;
  readonly notificationId: string;
  readonly conversationId: ConversationId | undefined;
  readonly reason: string;
  readonly payload: { readonly targetId: string; readonly kind: string };
}

const waitingGauge = new Gauge({
  name: 'plantao_notifications_waiting',
  help: 'Notifications to the people of tenants that could have been told by now and are not.',
  registers: [registry],
});
const oldestGauge = new Gauge({
  name: 'plantao_notifications_oldest_waiting_seconds',
  help: 'For how long the oldest of them could have been told; quiet hours do not count. 0 when there is none.',
  registers: [registry],
});

const LOOK_EVERY_MS = 1_000;
const AT_ONCE = 16;
const MEASURE_EVERY_MS = 5_000;
const PURGE_EVERY_MS = 3_600_000;
/** The first try and seven more, over about six hours: 15 s, 1 min, 4 min, 16 min, 64 min, 3 h, 3 h, each shortened by chance. */
const TRIES_MAX = 8;
const FIRST_WAIT_MS = 15_000;
const WAIT_MS_MAX = 3 * 3_600_000;
const WAIT_GROWS = 4;
/** A server that is left alone is asked again by one row at a time, so a row could wait for its tries for ever. */
const GIVE_UP_AFTER_MS = 12 * 3_600_000;
const LEFT_ALONE_MS = 30_000;

/**
 * Tells people what was noted for them, in every worker, a bounded number at once.
 *
 * At least once: who dies between the other side's yes and our mark tells it again, under the same id. Any number of workers
 * may run; a row is claimed before it is told.
 */
export class NotificationRunner {
  readonly #needs: NotificationNeeds;
  readonly #ending = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #chores: { run: () => Promise<unknown>; everyMs: number; dueAt: number }[];
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;

  constructor(needs: NotificationNeeds) {
    this.#needs = needs;
    this.#chores = [
      { run: () => queue.endAlarms(needs.db), everyMs: LOOK_EVERY_MS, dueAt: 0 },
      { run: () => measure(needs.db), everyMs: MEASURE_EVERY_MS, dueAt: 0 },
      { run: () => queue.purgeNotifications(needs.db), everyMs: PURGE_EVERY_MS, dueAt: 0 },
    ];
  }

  start(): void {
    this.#schedule(0);
  }

  /** One look, and the end of everything that it began. For tests, and for nobody who is in a hurry. */
  async runOnce(): Promise<void> {
    await this.#look();
    await Promise.all(this.#underWay);
  }

  /** Starts nothing new. What is being told is broken off, and told again by the next one: it will be told twice at worst. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#ending.abort(new Error('The process is ending'));
    await this.#round;
    await Promise.all(this.#underWay);
  }

  #schedule(afterMs: number): void {
    if (this.#ending.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#round = this.#look().then((isMore) => {
        this.#schedule(isMore ? 0 : LOOK_EVERY_MS);
      });
    }, afterMs);
  }

  /** @returns whether there may be more. Whatever goes wrong, there is a next look. */
  async #look(): Promise<boolean> {
    try {
      for (const chore of this.#chores.filter(({ dueAt }) => monotonicMs() >= dueAt)) {
        chore.dueAt = monotonicMs() + chore.everyMs;
        await chore.run();
      }
      const free = AT_ONCE - this.#underWay.size;
      if (free <= 0) return false;
      const claimed = await queue.claimDue(this.#needs.db, free);
      for (const row of claimed) this.#begin(row);
      return claimed.length === free;
    } catch (error) {
      this.#needs.log.warn({ err: error }, 'A look for notifications failed');
      return false;
    }
  }

  #begin(row: ClaimedNotification): void {
    const context = {
      tenantId: row.tenant_id,
      ...(row.conversation_id === null ? {} : { conversationId: row.conversation_id }),
    };
    const done = withContext(context, () => tellOne(this.#needs, row, this.#ending.signal))
      .catch((error: unknown) => {
        this.#needs.log.error(
          { err: error, notificationId: row.id },
          'A notification could not be told; it is tried again',
        );
      })
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }
}

async function measure(db: Kysely<Schema>): Promise<void> {
  const { waiting, oldestSeconds } = await queue.measureWaiting(db);
  waitingGauge.set(waiting);
  oldestGauge.set(oldestSeconds);
}

/** One claimed row, to one of its ends. What is thrown here is a bug or the database's; the claim runs out then. */
async function tellOne(needs: NotificationNeeds, row: ClaimedNotification, ending: AbortSignal): Promise<void> {
  if (row.is_moot) {
    await queue.markMoot(needs.db, row);
    report(needs, row, { outcome: 'moot' });
    return;
  }
  if (row.attempts > TRIES_MAX) {
    // Each of its attempts ended in a bug, or with its worker: it would end so for ever.
    await giveUp(needs, row, new Failure('UNEXPECTED'));
    return;
  }
  const tenant = await needs.tenantOf(row.tenant_id);
  const until = heldUntil(row, tenant);
  if (until !== undefined) {
    await queue.holdUntil(needs.db, row, until);
    report(needs, row, { outcome: 'held' });
    return;
  }
  const address = await openAddress(needs, row);
  try {
    await needs.notifier.tell(address, await noticeOf(needs, row, tenant), ending);
  } catch (error) {
    if (ending.aborted) await queue.tryAgainIn(needs.db, row, { waitMs: 0, failure: 'process-ended' });
    else if (error instanceof Failure) await afterFailure(needs, row, error);
    else throw error;
    return;
  }
  await queue.markSent(needs.db, row);
  report(needs, row, { outcome: 'sent' });
}

/** The end of an alarm wakes nobody, so it waits for nothing. */
function heldUntil(row: ClaimedNotification, tenant: Tenant): Date | undefined {
  const isUrgent = row.kind === 'sla-breach' && row.payload.priority === 'urgent';
  if (row.action === 'resolve' || (row.urgent_passes && isUrgent)) return undefined;
  return quietUntil(row.quiet_hours, businessCalendarOf(tenant.settings.businessCalendar, tenant.timeZone), row.now);
}

async function openAddress(needs: NotificationNeeds, row: ClaimedNotification): Promise<TargetAddress> {
  const { sealing } = await needs.keysOf(row.tenant_id);
  const place = addressPlace({ tenantId: row.tenant_id, id: row.target_id });
  return openedAddress(SealedAddress.parse(JSON.parse(unseal([sealing], row.sealed_address, place).toString())));
}

async function afterFailure(needs: NotificationNeeds, row: ClaimedNotification, failure: Failure): Promise<void> {
  const isTooOld = row.now.getTime() - row.waiting_since.getTime() > GIVE_UP_AFTER_MS;
  if (wasNotTried(failure) && !isTooOld) {
    await queue.putOff(needs.db, row, LEFT_ALONE_MS * (0.5 + Math.random() / 2));
    return;
  }
  if (failure.verdict !== 'retry-later' || isTooOld || row.attempts >= TRIES_MAX) {
    await giveUp(needs, row, failure);
    return;
  }
  const { retryAfterMs = 0 } = failure;
  if (retryAfterMs > 0) await queue.holdBackTarget(needs.db, row.target_id, retryAfterMs);
  const waitMs = Math.max(waitAfter(row.attempts), retryAfterMs);
  await queue.tryAgainIn(needs.db, row, { waitMs, failure: failure.code });
  report(needs, row, { outcome: 'retry', failure: failure.code });
}

/** Doubled twice each time, and shortened by up to a half, so that those that failed together do not come back together. */
export function waitAfter(attempts: number): number {
  const longest = Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * WAIT_GROWS ** (attempts - 1));
  return longest * (0.5 + Math.random() / 2);
}

async function giveUp(needs: NotificationNeeds, row: ClaimedNotification, failure: Failure): Promise<void> {
  const isOurs = await needs.db.transaction().execute(async (tx) => {
    if (!(await queue.markFailed(tx, row, failure.code))) return false;
    await needs.recordDeadLetter(tx, {
      tenantId: row.tenant_id,
      notificationId: row.id,
      conversationId: row.conversation_id ?? undefined,
      reason: failure.code,
      payload: { targetId: row.target_id, kind: row.kind },
    });
    return true;
  });
  if (isOurs) report(needs, row, { outcome: 'failed', failure: failure.code });
}

async function noticeOf(needs: NotificationNeeds, row: ClaimedNotification, tenant: Tenant): Promise<Notice> {
  const { payload, kind } = row;
  const told = {
    kind,
    company: tenant.name,
    locale: tenant.locale,
    timeZone: tenant.timeZone,
    payload,
    conversationId: row.conversation_id ?? undefined,
    ticketId: row.ticket_id ?? undefined,
  };
  const excerpt = await excerptFor(needs, row);
  const { alarm, ...facts } = payload;
  return {
    id: row.id,
    kind,
    action: row.action,
    alarmKey: `plantao-${alarm ?? row.key}`,
    severity: severityOf(told),
    ...noticeText(told),
    link: linkTo(needs.publicUrl, row),
    happenedAt: row.created_at,
    data: {
      ...facts,
      tenantId: row.tenant_id,
      subjectId: row.subject_id,
      ...(row.conversation_id === null ? {} : { conversationId: row.conversation_id }),
      ...(row.handoff_id === null ? {} : { handoffId: row.handoff_id }),
      ...(row.ticket_id === null ? {} : { ticketId: row.ticket_id }),
      ...(excerpt === undefined ? {} : { excerpt }),
    },
  };
}

/** Only a webhook, which is the tenant's own server, may be given customers' words, and only when the tenant has said so. */
async function excerptFor(needs: NotificationNeeds, row: ClaimedNotification): Promise<string | undefined> {
  if (!row.include_excerpt || row.target_kind !== 'webhook' || row.handoff_id === null) return undefined;
  return await needs.excerptOf(row.handoff_id);
}

/** To the API: whoever follows it signs in there. */
function linkTo(publicUrl: string | undefined, row: ClaimedNotification): string | undefined {
  if (publicUrl === undefined) return undefined;
  const tenant = `${publicUrl}/api/v1/tenants/${row.tenant_id}`;
  if (row.kind === 'dead-letter') return `${tenant}/dead-letters?state=open`;
  return row.conversation_id === null ? undefined : `${tenant}/conversations/${row.conversation_id}/messages`;
}

function report(
  { log }: NotificationNeeds,
  row: ClaimedNotification,
  how: { readonly outcome: NotificationOutcome; readonly failure?: string },
): void {
  notificationSettled(log, {
    notificationId: row.id,
    targetId: row.target_id,
    targetKind: row.target_kind,
    kind: row.kind,
    attempt: row.attempts,
    ...how,
  });
}
