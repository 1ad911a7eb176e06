import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { DateTime } from 'luxon';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { until } from '../../test/support/until.ts';
import { changeOwner } from '../conversation/ownership-store.ts';
import { seal } from '../platform/crypto.ts';
import { createLogger } from '../platform/logger.ts';
import { recordDeadLetter } from '../recovery/dead-letters.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { FailureCode } from '../vocabulary/failures.ts';
import type { Notice, NotificationKind, Notifier, TargetAddress } from '../vocabulary/notification.ts';
import { endAlarms, reviveNotification } from './notification-queue.ts';
import { NotificationRunner } from './notification-runner.ts';
import { recordNotification } from './notification-store.ts';
import { addressPlace, shownAs } from './notification-target.ts';
import type { QuietHours, SealedAddress } from './notification-target.ts';

const log = createLogger({ level: 'silent', process: 'test' });
const ZONE = 'America/Sao_Paulo';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let people: People;

/** Whoever is told, and what they make of it. */
class People implements Notifier {
  readonly told: { readonly to: string; readonly notice: Notice }[] = [];
  /** By what somebody is known: why they take nothing. */
  readonly refuse = new Map<string, Failure>();
  hold: Promise<void> | undefined;

  async tell(address: TargetAddress, notice: Notice, signal: AbortSignal): Promise<void> {
    const to = knownAs(address);
    const failure = this.refuse.get(to);
    if (failure !== undefined) throw failure;
    this.told.push({ to, notice });
    const brokenOff = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => {
      brokenOff.reject(signal.reason);
    });
    await Promise.race([this.hold, brokenOff.promise]);
  }
}

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

beforeEach(async () => {
  // A runner tells whatever is due, whoever left it.
  await database.db.deleteFrom('notification_target').execute();
  bakery = await town.opens(`bakery-${randomUUID()}`);
  people = new People();
});

afterAll(async () => {
  await database.close();
});

describe('a handoff that begins to wait', () => {
  it('is told to every target that wants it, once, however often it is noted', async () => {
    await target('sala', { wants: ['handoff'] });
    await target('plantao', { wants: ['handoff', 'sla-breach'] });
    await target('chefe', { wants: ['dead-letter'] });
    const { handoffId } = await anaIsHandedOver();
    const again = () => note('handoff', { subjectId: handoffId, key: `handoff:${handoffId}` });
    await again();
    await again();

    await runner().runOnce();

    expect(people.told.map(({ to }) => to).toSorted()).toEqual(['plantao', 'sala']);
  });

  it('is told in the words of the tenant, with ids and nothing of Ana', async () => {
    await target('sala');
    const { conversationId } = await anaIsHandedOver();

    await runner().runOnce();

    const [{ notice } = { notice: undefined }] = people.told;
    expect(notice).toMatchObject({
      title: expect.stringContaining('um cliente espera por uma pessoa'),
      lines: ['Motivo: o cliente pediu uma pessoa', 'Prioridade: normal', `Conversa: ${conversationId}`],
      link: `https://plantao.example/api/v1/tenants/${bakery.id}/conversations/${conversationId}/messages`,
    });
    expect(JSON.stringify(notice)).not.toContain('Ana');
  });

  it('is told to nobody when its transaction is taken back', async () => {
    await target('sala');
    const failed = database.db.transaction().execute(async (tx) => {
      await recordNotification(tx, newNotification('handoff', { key: 'lost' }));
      throw new Error('taken back');
    });
    await expect(failed).rejects.toThrow('taken back');

    await runner().runOnce();

    expect(people.told).toEqual([]);
  });

  it('is told once by two workers at once', async () => {
    let release = (): void => undefined;
    people.hold = new Promise((resolve) => {
      release = resolve;
    });
    await target('sala');
    await anaIsHandedOver();
    const runs = [runner().runOnce(), runner().runOnce()];
    await until(() => people.told.length > 0);
    release();
    await Promise.all(runs);
    await runner().runOnce();

    expect(people.told.length).toBe(1);
  });

  it('is told again under the same id when a worker died before it knew the answer', async () => {
    await target('sala');
    await anaIsHandedOver();
    await runner().runOnce();
    await database.db
      .updateTable('notification')
      .set({ state: 'pending', claim_id: randomUUID(), due_at: new Date(), settled_at: null })
      .where('tenant_id', '=', bakery.id)
      .execute();

    await runner().runOnce();

    const ids = people.told.map(({ notice }) => notice.id);
    expect(ids.length).toBe(2);
    expect(new Set(ids).size).toBe(1);
  });
});

describe('a notice that is being told while its process ends', () => {
  it('is broken off, and told again at once by the next one', async () => {
    people.hold = new Promise(() => undefined);
    await target('sala');
    await anaIsHandedOver();
    const ending = runner();
    ending.start();
    await until(() => people.told.length === 1);
    await ending.close();
    people.hold = undefined;

    await runner().runOnce();

    expect(people.told.length).toBe(2);
    expect(await states()).toEqual(['sent']);
  });
});

describe('dead letters', () => {
  it('of one kind are told once an hour, and each kind by itself', async () => {
    await target('chefe', { wants: ['dead-letter'] });
    const givesUp = (reason: string) =>
      database.db.transaction().execute((tx) =>
        recordDeadLetter(
          tx,
          {
            tenantId: bakery.id,
            stage: 'delivery',
            subjectId: randomUUID(),
            conversationId: undefined,
            reason,
            payload: {},
          },
          log,
        ),
      );
    for (const reason of ['GATEWAY_REFUSED', 'GATEWAY_REFUSED', 'CUSTOMER_UNREACHABLE']) await givesUp(reason);

    await runner().runOnce();

    // The hour may end between two of them.
    const hours = (await letters()).map((it) => `${it.reason} ${it.created_at.toISOString().slice(0, 13)}`);
    expect(people.told.map(({ notice }) => notice.data.reason).toSorted()).toEqual(
      [...new Set(hours)].map((it) => it.split(' ')[0]).toSorted(),
    );
  });
});

describe('what was told a month ago', () => {
  it('is found by an index, and not by reading everything that was ever told', async () => {
    const { rows } = await database.db.transaction().execute(async (tx) => {
      await sql`set local enable_seqscan = off`.execute(tx);
      return await sql<{ 'QUERY PLAN': string }>`
        explain select id from notification n where n.settled_at < now() - interval '30 days' and not n.is_alarm_open
         order by n.settled_at limit 500`.execute(tx);
    });

    expect(rows.map((it) => it['QUERY PLAN']).join('\n')).toContain('notification_settled');
  });
});

describe('a target that takes nothing', () => {
  it('is tried eight times, later and later, then given up with a dead letter that the others hear of', async () => {
    await target('quebrado', { wants: ['handoff', 'dead-letter'] });
    await target('chefe', { wants: ['dead-letter'] });
    people.refuse.set('quebrado', new Failure('NOTIFICATION_NOT_TAKEN'));
    await anaIsHandedOver();

    const waits: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      await runner().runOnce();
      waits.push(await waitOfPending());
      await makeDue();
    }
    await runner().runOnce();

    // Each wait is between the half and the whole of one that grows fourfold, until it is three hours.
    expect(waits.slice(0, 7).map((wait) => wait > 0)).toEqual(Array.from({ length: 7 }, () => true));
    expect(Math.max(...waits)).toBeGreaterThan(60 * 60_000);
    expect(await letters()).toMatchObject([{ stage: 'notification', reason: 'NOTIFICATION_NOT_TAKEN', state: 'open' }]);
    expect(people.told.map(({ to, notice }) => [to, notice.kind])).toEqual([['chefe', 'dead-letter']]);
  });

  it('that says no for good is not tried again, and a person can have it told after all', async () => {
    const handedOver = await failsForGood('sala');
    const [letter] = await letters();
    people.refuse.clear();
    await database.db.transaction().execute((tx) => reviveNotification(tx, letter?.subject_id ?? ''));
    await runner().runOnce();

    expect(people.told.map(({ notice }) => notice.data.handoffId)).toEqual([handedOver.handoffId]);
  });

  it('is not told of its own failure, and two such targets do not tell of each other for ever', async () => {
    for (const name of ['um', 'dois']) {
      await target(name, { wants: ['handoff', 'dead-letter'] });
      people.refuse.set(name, new Failure('NOTIFICATION_REFUSED'));
    }
    await anaIsHandedOver();
    for (let round = 0; round < 6; round += 1) await runner().runOnce();

    const rows = await database.db
      .selectFrom('notification')
      .select(['kind', 'state'])
      .where('tenant_id', '=', bakery.id)
      .execute();
    // Each fails once about Ana, and once about the other one; then it is quiet.
    expect(rows.filter(({ kind }) => kind === 'dead-letter').length).toBeLessThanOrEqual(2);
    expect(rows.every(({ state }) => state === 'failed')).toBe(true);
  });

  it('whose address cannot be opened is given up one day, too', async () => {
    await target('sala');
    await database.db
      .updateTable('notification_target')
      .set({ sealed_address: Buffer.alloc(40) })
      .execute();
    await anaIsHandedOver();
    for (let round = 0; round < 9; round += 1) {
      await runner().runOnce();
      await makeDue();
    }

    expect(await letters()).toMatchObject([{ stage: 'notification', reason: 'UNEXPECTED' }]);
    expect(await states()).toEqual(['failed']);
  });

  it('that asks us to wait is left alone with everything that is for it', async () => {
    await target('sala');
    people.refuse.set('sala', new Failure('NOTIFICATION_THROTTLED', { retryAfterMs: 600_000 }));
    // A round takes four of a target.
    for (let nth = 0; nth < 6; nth += 1) await note('handoff', { key: `n${nth}`, handoffId: undefined });

    await runner().runOnce();

    expect(await waitOfPending()).toBeGreaterThan(500_000);
  });
});

describe('quiet hours', () => {
  it('hold a notice back until they end, and lose none', async () => {
    await target('sala', { quietHours: aroundNow() });
    await anaIsHandedOver();
    await runner().runOnce();
    const before = people.told.length;
    const wait = await waitOfPending();
    await database.db.updateTable('notification_target').set({ quiet_hours: 'null' }).execute();
    await makeDue();
    await runner().runOnce();

    expect(before).toBe(0);
    expect(wait).toBeGreaterThan(50 * 60_000);
    expect(people.told.length).toBe(1);
  });

  it('drop a handoff that somebody has taken by the time they end', async () => {
    await target('sala', { quietHours: aroundNow() });
    const { conversationId } = await anaIsHandedOver();
    await runner().runOnce();
    await brunoTakes(conversationId);
    await makeDue();
    await runner().runOnce();

    expect(people.told).toEqual([]);
    expect(await states()).toEqual(['moot']);
  });

  it('let an urgent breach pass where the target wants that, and nothing else', async () => {
    await target('acorde-me', { wants: ['sla-breach'], quietHours: aroundNow(), urgentPasses: true });
    await target('durmo', { wants: ['sla-breach'], quietHours: aroundNow() });
    for (const priority of ['urgent', 'normal']) {
      await note('sla-breach', { key: `sla:${priority}`, payload: { priority, clock: 'first-response' } });
    }

    await runner().runOnce();

    expect(people.told.map(({ to, notice }) => [to, notice.data.priority])).toEqual([['acorde-me', 'urgent']]);
  });
});

describe('an alarm', () => {
  it('stops when the handoff is taken, and not before', async () => {
    await target('R0UT1NGKEY0F4TEST0000000000000AB', { kind: 'pagerduty' });
    const { conversationId, handoffId } = await anaIsHandedOver();
    await runner().runOnce();
    await runner().runOnce();
    const before = people.told.map(({ notice }) => notice.action);
    await brunoTakes(conversationId);
    await runner().runOnce();
    await runner().runOnce();

    expect(before).toEqual(['tell']);
    expect(people.told.map(({ notice }) => [notice.action, notice.alarmKey])).toEqual([
      ['tell', `plantao-handoff:${handoffId}`],
      ['resolve', `plantao-handoff:${handoffId}`],
    ]);
  });

  it('of which nobody knows whether it rings is stopped too', async () => {
    const key = 'R0UT1NGKEY0F4TEST0000000000000AB';
    await target(key, { kind: 'pagerduty' });
    people.refuse.set(key, new Failure('NOTIFICATION_NOT_TAKEN', { error: 'ETIMEDOUT' }));
    const { conversationId } = await anaIsHandedOver();
    await runner().runOnce();
    people.refuse.clear();
    await brunoTakes(conversationId);
    await makeDue();
    await runner().runOnce();
    await runner().runOnce();

    expect(people.told.map(({ notice }) => notice.action)).toEqual(['resolve']);
  });

  it('does not stand in the way of who deletes its target at that moment', async () => {
    await target('R0UT1NGKEY0F4TEST0000000000000AB', { kind: 'pagerduty' });
    const { conversationId } = await anaIsHandedOver();
    await runner().runOnce();
    await brunoTakes(conversationId);
    const ended = await database.db.transaction().execute(async (tx) => {
      // A deletion locks the target first, and its notifications then.
      await tx.selectFrom('notification_target').select('id').forUpdate().execute();
      const count = await endAlarms(database.db);
      await tx.deleteFrom('notification_target').execute();
      return count;
    });

    expect(ended).toBe(0);
  });
});

function runner(): NotificationRunner {
  return new NotificationRunner({
    db: database.db,
    notifier: people,
    tenantOf: (id) => town.tenants.get(id),
    keysOf: (id) => town.tenants.keysOf(id),
    excerptOf: () => Promise.resolve(undefined),
    recordDeadLetter: (tx, { notificationId, ...letter }) =>
      recordDeadLetter(tx, { ...letter, stage: 'notification', subjectId: notificationId }, log),
    publicUrl: 'https://plantao.example',
    log,
  });
}

interface TargetWishes {
  readonly kind?: 'webhook' | 'pagerduty';
  readonly wants?: readonly NotificationKind[];
  readonly quietHours?: QuietHours | null;
  readonly urgentPasses?: boolean;
}

/** Known by the last part of its address, or by its key. */
async function target(name: string, wishes: TargetWishes = {}): Promise<void> {
  const id = randomUUID();
  const { kind = 'webhook' } = wishes;
  const address: SealedAddress =
    kind === 'webhook'
      ? { kind, url: `https://people.example/${name}`, secret: 'whsec_AAAA' }
      : { kind, routingKey: name };
  const { sealing } = await town.tenants.keysOf(bakery.id);
  await database.db
    .insertInto('notification_target')
    .values({
      id,
      tenant_id: bakery.id,
      name,
      kind,
      shown_as: shownAs(address),
      sealed_address: seal(sealing, JSON.stringify(address), addressPlace({ tenantId: bakery.id, id })),
      wants: [...(wishes.wants ?? ['handoff'])],
      quiet_hours: JSON.stringify(wishes.quietHours ?? null),
      urgent_passes: wishes.urgentPasses ?? false,
    })
    .execute();
}

function knownAs(address: TargetAddress): string {
  if (address.kind === 'webhook') return address.url.reveal().split('/').at(-1) ?? '';
  return address.kind === 'pagerduty' ? address.routingKey.reveal() : address.kind;
}

function newNotification(
  kind: NotificationKind,
  changes: { subjectId?: string; key: string; handoffId?: string | undefined; payload?: Record<string, string> },
) {
  const subjectId = changes.subjectId ?? randomUUID();
  return { tenantId: bakery.id, kind, payload: { reason: 'customer-asked' }, ...changes, subjectId };
}

async function note(kind: NotificationKind, changes: Parameters<typeof newNotification>[1]): Promise<void> {
  await database.db.transaction().execute((tx) => recordNotification(tx, newNotification(kind, changes)));
}

async function anaIsHandedOver(): Promise<{ conversationId: string; handoffId: string }> {
  const conversationId = await town.meets(bakery, 'Ana');
  await database.db
    .transaction()
    .execute((tx) => changeOwner(tx, { conversationId, to: 'human', handoff: 'waiting', reason: 'customer-asked' }));
  const { id } = await database.db
    .selectFrom('handoff')
    .select('id')
    .where('conversation_id', '=', conversationId)
    .executeTakeFirstOrThrow();
  return { conversationId, handoffId: id };
}

async function brunoTakes(conversationId: string): Promise<void> {
  await database.db
    .transaction()
    .execute((tx) => changeOwner(tx, { conversationId, to: 'human', reason: 'taken-over' }));
}

async function failsForGood(name: string, code: FailureCode = 'NOTIFICATION_REFUSED') {
  await target(name);
  people.refuse.set(name, new Failure(code));
  const handedOver = await anaIsHandedOver();
  await runner().runOnce();
  await makeDue();
  await runner().runOnce();
  return handedOver;
}

/** The time that rows wait for comes. */
async function makeDue(): Promise<void> {
  await database.db
    .updateTable('notification')
    .set({ due_at: new Date(Date.now() - 1_000) })
    .where('tenant_id', '=', bakery.id)
    .where('state', '=', 'pending')
    .execute();
}

/** The shortest wait of what is pending, in milliseconds; nothing pending is no wait. */
async function waitOfPending(): Promise<number> {
  const rows = await database.db
    .selectFrom('notification')
    .select('due_at')
    .where('tenant_id', '=', bakery.id)
    .where('state', '=', 'pending')
    .execute();
  return rows.length === 0 ? 0 : Math.min(...rows.map((row) => row.due_at.getTime())) - Date.now();
}

async function states(): Promise<readonly string[]> {
  const rows = await database.db
    .selectFrom('notification')
    .select('state')
    .where('tenant_id', '=', bakery.id)
    .execute();
  return rows.map(({ state }) => state);
}

async function letters() {
  return await database.db.selectFrom('dead_letter').selectAll().where('tenant_id', '=', bakery.id).execute();
}

/** From an hour ago until in an hour, by the tenant's clock. */
function aroundNow(): QuietHours {
  const now = DateTime.now().setZone(ZONE);
  return { from: now.minus({ hours: 1 }).toFormat('HH:mm'), until: now.plus({ hours: 1 }).toFormat('HH:mm') };
}
