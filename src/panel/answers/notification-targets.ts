import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Selectable } from 'kysely';
import { addressPlace, openedAddress, SealedAddress, shownAs } from '../../handoff/notification-target.ts';
import { noticeText, severityOf } from '../../handoff/notification-text.ts';
import { seal, unseal } from '../../platform/crypto.ts';
import { RequestNotValid } from '../../platform/problem.ts';
import { deadlineSignal, systemClock } from '../../platform/time.ts';
import type { Tenant, TenantKeys } from '../../tenants/tenants.ts';
import { notificationTargetChanged } from '../../vocabulary/events.ts';
import type { NotificationTargetChanged } from '../../vocabulary/events.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { newId, NotificationTargetId } from '../../vocabulary/ids.ts';
import type { TenantId } from '../../vocabulary/ids.ts';
import type { Notice, TargetAddress } from '../../vocabulary/notification.ts';
import type { Schema, Tx } from '../../vocabulary/schema.ts';
import {
  changeNotificationTarget,
  createNotificationTarget,
  deleteNotificationTarget,
  listNotificationTargets,
  NotificationTarget,
  TARGETS_MAX,
  testNotificationTarget,
} from '../contract/notification-targets.ts';
import type { NewTarget, TargetChange } from '../contract/notification-targets.ts';
import type { PanelNeeds } from '../needs.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

const TEST_TIMEOUT_MS = 15_000;

export function notificationTargetRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    tenantRoute(createNotificationTarget, async ({ tenantId, body, inTenant }) => {
      const keys = await needs.tenants.keysOf(tenantId);
      const target = await inTenant((tx) => create(tx, { tenantId, keys }, body));
      audit(needs, target, 'created');
      return target;
    }),
    tenantRoute(listNotificationTargets, async ({ tenantId, inTenant }) => {
      const rows = await inTenant((tx) =>
        shownColumns(tx)
          .where('tenant_id', '=', tenantId)
          .orderBy('created_at', 'desc')
          .orderBy('id', 'desc')
          .limit(TARGETS_MAX)
          .execute(),
      );
      return { items: rows.map(answerFromRow) };
    }),
    tenantRoute(changeNotificationTarget, async ({ tenantId, params: { targetId: id }, body, inTenant }) => {
      const keys = await needs.tenants.keysOf(tenantId);
      const target = await inTenant((tx) => change(tx, { tenantId, keys, id }, body));
      audit(needs, target, 'changed');
      return target;
    }),
    tenantRoute(deleteNotificationTarget, async ({ tenantId, params: { targetId: id }, inTenant }) => {
      const keys = await needs.tenants.keysOf(tenantId);
      const { address, ringing } = await inTenant((tx) => silence(tx, { tenantId, keys, id }));
      const tenant = await needs.tenants.get(tenantId);
      const alarms = await endAlarms(needs, address, noticesToEnd(tenant, ringing));
      const target = await inTenant(async (tx) => {
        const found = await get(tx, id);
        await tx.deleteFrom('notification_target').where('id', '=', id).execute();
        return found;
      });
      audit(needs, target, 'deleted', alarms);
    }),
    tenantRoute(testNotificationTarget, async ({ tenantId, params: { targetId: id }, inTenant }) => {
      const retryAfterMs = await needs.notifierTests.take(tenantId);
      if (retryAfterMs !== undefined) throw new Failure('TOO_MANY_REQUESTS', { retryAfterMs });
      const keys = await needs.tenants.keysOf(tenantId);
      const tenant = await needs.tenants.get(tenantId);
      const { target, address } = await inTenant(async (tx) => ({
        target: await get(tx, id),
        address: await addressOf(tx, { tenantId, keys, id }),
      }));
      audit(needs, target, 'tested');
      return await tell(needs, address, testNotice(tenant));
    }),
  ];
}

interface Owner {
  readonly tenantId: TenantId;
  readonly keys: TenantKeys;
}
interface Which extends Owner {
  readonly id: NotificationTargetId;
}

async function create(tx: Tx, { tenantId, keys }: Owner, body: NewTarget): Promise<NotificationTarget> {
  // Two that are made at once are counted one after the other.
  await tx.selectFrom('tenant').select('id').where('id', '=', tenantId).forNoKeyUpdate().execute();
  const others = await tx.selectFrom('notification_target').select('id').where('tenant_id', '=', tenantId).execute();
  if (others.length >= TARGETS_MAX) throw new RequestNotValid([`body: a tenant has at most ${TARGETS_MAX} targets`]);
  const id = newId(NotificationTargetId);
  await tx
    .insertInto('notification_target')
    .values({
      id,
      tenant_id: tenantId,
      name: body.name,
      kind: body.to.kind,
      ...addressColumns({ tenantId, keys, id }, body.to),
      wants: [...body.wants],
      quiet_hours: JSON.stringify(body.quietHours),
      urgent_passes: body.urgentPasses,
      include_excerpt: body.includeExcerpt,
      is_paused: body.isPaused,
    })
    .execute();
  return await get(tx, id);
}

async function change(tx: Tx, which: Which, body: TargetChange): Promise<NotificationTarget> {
  const before = await get(tx, which.id, 'change');
  if (body.to !== undefined && body.to.kind !== before.kind) {
    throw new RequestNotValid([`body.to.kind: must stay ${before.kind}; make another target instead`]);
  }
  if (body.includeExcerpt === true && before.kind !== 'webhook') {
    throw new RequestNotValid(['body.includeExcerpt: is for webhooks only']);
  }
  await tx
    .updateTable('notification_target')
    .set({
      ...(body.to === undefined ? {} : addressColumns(which, body.to)),
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.wants === undefined ? {} : { wants: [...body.wants] }),
      ...(body.quietHours === undefined ? {} : { quiet_hours: JSON.stringify(body.quietHours) }),
      ...(body.urgentPasses === undefined ? {} : { urgent_passes: body.urgentPasses }),
      ...(body.includeExcerpt === undefined ? {} : { include_excerpt: body.includeExcerpt }),
      ...(body.isPaused === undefined ? {} : { is_paused: body.isPaused }),
      updated_at: systemClock.now(),
    })
    .where('id', '=', which.id)
    .execute();
  return await get(tx, which.id);
}

function addressColumns({ tenantId, keys, id }: Which, to: SealedAddress) {
  return {
    shown_as: shownAs(to),
    sealed_address: seal(keys.sealing, JSON.stringify(to), addressPlace({ tenantId, id })),
  };
}

/** A target without its sealed address: what is not read cannot be answered by mistake. */
function shownColumns(tx: Tx) {
  return tx
    .selectFrom('notification_target')
    .select(['id', 'tenant_id', 'name', 'kind', 'shown_as', 'wants', 'quiet_hours', 'urgent_passes'])
    .select(['include_excerpt', 'is_paused', 'created_at', 'updated_at']);
}

type ShownRow = Omit<Selectable<Schema['notification_target']>, 'sealed_address'>;

async function get(tx: Tx, id: NotificationTargetId, intent: 'read' | 'change' = 'read'): Promise<NotificationTarget> {
  const query = shownColumns(tx).where('id', '=', id);
  const row = await (intent === 'change' ? query.forNoKeyUpdate() : query).executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { targetId: id });
  return answerFromRow(row);
}

async function addressOf(tx: Tx, { tenantId, keys, id }: Which): Promise<TargetAddress> {
  const row = await tx
    .selectFrom('notification_target')
    .select('sealed_address')
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { targetId: id });
  const opened = unseal([keys.sealing], row.sealed_address, addressPlace({ tenantId, id })).toString();
  return openedAddress(SealedAddress.parse(JSON.parse(opened)));
}

function answerFromRow(row: ShownRow): NotificationTarget {
  return NotificationTarget.parse({
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    kind: row.kind,
    shownAs: row.shown_as,
    wants: row.wants,
    quietHours: row.quiet_hours,
    urgentPasses: row.urgent_passes,
    includeExcerpt: row.include_excerpt,
    isPaused: row.is_paused,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  });
}

/** With more than these something else is wrong. */
const ALARMS_MAX = 100;
const ALARMS_AT_ONCE = 8;

/**
 * Has nothing more noted or told there, and says what still rings there, or was to be ended and is not: nobody could end it
 * once the target is gone.
 */
async function silence(tx: Tx, which: Which) {
  await get(tx, which.id, 'change');
  await tx.updateTable('notification_target').set({ is_paused: true }).where('id', '=', which.id).execute();
  await sql`
    delete from notification where tenant_id = ${which.tenantId} and target_id = ${which.id} and action = 'tell'
       and state = 'pending' and claim_id is null and not is_alarm_open`.execute(tx);
  const { rows } = await sql<{ key: string }>`
    select distinct coalesce(payload->>'alarm', key) as key from notification
     where tenant_id = ${which.tenantId} and target_id = ${which.id}
       and (is_alarm_open or (action = 'resolve' and state in ('pending', 'failed')))
     limit ${ALARMS_MAX}`.execute(tx);
  return { address: await addressOf(tx, which), ringing: rows.map(({ key }) => key) };
}

/**
 * Ends alarms within the time of a test. What cannot be ended does not keep anybody from deleting a target whose key is no
 * good any more; how many are left is recorded.
 */
async function endAlarms({ notifier }: PanelNeeds, address: TargetAddress, notices: readonly Notice[]) {
  const signal = deadlineSignal(TEST_TIMEOUT_MS);
  let ended = 0;
  for (let begun = 0; begun < notices.length && !signal.aborted; begun += ALARMS_AT_ONCE) {
    const told = notices.slice(begun, begun + ALARMS_AT_ONCE).map((notice) => notifier.tell(address, notice, signal));
    const outcomes = await Promise.allSettled(told);
    ended += outcomes.filter(({ status }) => status === 'fulfilled').length;
  }
  return { alarmsEnded: ended, alarmsLeft: notices.length - ended };
}

function noticesToEnd(tenant: Tenant, keys: readonly string[]): readonly Notice[] {
  return keys.map((key) => ({ ...testNotice(tenant), action: 'resolve', alarmKey: `plantao-${key}` }));
}

function testNotice(tenant: Tenant): Notice {
  const id = randomUUID();
  const told = {
    kind: 'test',
    company: tenant.name,
    locale: tenant.locale,
    timeZone: tenant.timeZone,
    payload: {},
    conversationId: undefined,
    ticketId: undefined,
  } as const;
  return {
    id,
    kind: 'test',
    action: 'tell',
    alarmKey: `plantao-test:${id}`,
    severity: severityOf(told),
    ...noticeText(told),
    link: undefined,
    happenedAt: systemClock.now(),
    data: { tenantId: tenant.id },
  };
}

async function tell({ notifier }: PanelNeeds, address: TargetAddress, notice: Notice) {
  const signal = deadlineSignal(TEST_TIMEOUT_MS);
  try {
    await notifier.tell(address, notice, signal);
    // What rings is not left ringing for a test.
    if (address.kind === 'pagerduty') {
      await notifier.tell(address, { ...notice, id: randomUUID(), action: 'resolve' }, signal);
    }
    return { outcome: 'sent' as const, failure: null };
  } catch (error) {
    if (error instanceof Failure) return { outcome: 'failed' as const, failure: error.code };
    if (signal.aborted) return { outcome: 'failed' as const, failure: 'NOTIFICATION_NOT_TAKEN' as const };
    throw error;
  }
}

// eslint-disable-next-line max-params -- What was done to which, and for a deletion what it ended.
function audit(
  { log }: PanelNeeds,
  target: NotificationTarget,
  made: NotificationTargetChanged['change'],
  alarms?: Pick<NotificationTargetChanged, 'alarmsEnded' | 'alarmsLeft'>,
): void {
  notificationTargetChanged(log, {
    tenantId: target.tenantId,
    targetId: target.id,
    targetKind: target.kind,
    change: made,
    ...alarms,
  });
}
