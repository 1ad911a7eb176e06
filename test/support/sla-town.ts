import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { changeOwner } from '../../src/conversation/ownership-store.ts';
import type { OwnerChange } from '../../src/conversation/ownership-store.ts';
import { keepSla, noSlaFailures } from '../../src/handoff/keep-sla.ts';
import type { KeepSlaNeeds } from '../../src/handoff/keep-sla.ts';
import { recordNotification } from '../../src/handoff/notification-store.ts';
import { asTenant } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { TenantSettings } from '../../src/tenants/tenants.ts';
import type { BusinessCalendarSetting } from '../../src/vocabulary/business-calendar.ts';
import type { PanelTown, TownTenant } from './panel-town.ts';
import { z } from 'zod';

/** Ana, who was given to people, and the clocks that run for her. Time passes when a test says so: the rows move back. */
export class SlaTown {
  readonly town: PanelTown;
  readonly tenant: TownTenant;
  readonly conversationId: string;
  readonly needs: KeepSlaNeeds;

  constructor(town: PanelTown, tenant: TownTenant, conversationId: string) {
    this.town = town;
    this.tenant = tenant;
    this.conversationId = conversationId;
    this.needs = {
      db: town.db,
      tell: recordNotification,
      tenantOf: town.tenants.get.bind(town.tenants),
      failing: noSlaFailures(),
      log: createLogger({ level: 'silent', process: 'test' }),
    };
  }

  /** A tenant that promises this, and tells a target about everything. */
  static async promising(town: PanelTown, settings: z.input<typeof TenantSettings>): Promise<SlaTown> {
    const tenant = await town.opens(`bakery-${randomUUID()}`);
    const it = new SlaTown(town, tenant, await town.meets(tenant, 'Ana'));
    await it.set(settings);
    await it.addsTarget();
    return it;
  }

  async set(settings: z.input<typeof TenantSettings>): Promise<void> {
    const { id } = this.tenant;
    await asTenant(this.town.db, id, (tx) => this.town.tenants.saveSettings(tx, id, TenantSettings.parse(settings)));
  }

  /** @returns the id of a target that wants to know of everything. */
  async addsTarget(): Promise<string> {
    const id = randomUUID();
    await this.town.db
      .insertInto('notification_target')
      .values({
        id,
        tenant_id: this.tenant.id,
        name: 'Everybody',
        kind: 'webhook',
        shown_as: 'https://people.example',
        sealed_address: Buffer.from('sealed'),
        wants: ['sla-warning', 'sla-breach'],
      })
      .execute();
    return id;
  }

  async owner(change: Omit<OwnerChange, 'conversationId'>): Promise<void> {
    const { conversationId } = this;
    await this.town.db.transaction().execute((tx) => changeOwner(tx, { conversationId, ...change }));
  }

  /** The bot calls a person for Ana. */
  async calls(): Promise<void> {
    await this.owner({ to: 'human', handoff: 'waiting', reason: 'customer-asked' });
  }

  async says(author: 'customer' | 'human', text: string): Promise<void> {
    await this.town.says(this.tenant, { conversationId: this.conversationId, author, text });
  }

  /** One round of a worker. */
  async look(needs: Partial<KeepSlaNeeds> = {}): Promise<void> {
    await keepSla({ ...this.needs, failing: noSlaFailures(), ...needs });
  }

  /** So much time goes by: everything that has happened lies further back. Less than nothing: the clock jumps back. */
  async minutesPass(minutes: number): Promise<void> {
    const back = sql`make_interval(mins => ${minutes})`;
    for (const [table, columns] of MOVED) {
      const moved = sql.join(columns.map((column) => sql`${sql.ref(column)} = ${sql.ref(column)} - ${back}`));
      await sql`update ${sql.table(table)} set ${moved} where conversation_id = ${this.conversationId}`.execute(
        this.town.db,
      );
    }
  }

  /** The clocks, oldest first: kind and state. */
  async clocks(): Promise<readonly string[]> {
    const rows = await this.town.db
      .selectFrom('sla_clock')
      .select(['kind', 'state'])
      .where('conversation_id', '=', this.conversationId)
      .orderBy('started_at')
      .orderBy('kind')
      .execute();
    return rows.map(({ kind, state }) => `${kind} ${state}`);
  }

  async dueAt(kind: string): Promise<Date | null> {
    const row = await this.town.db
      .selectFrom('sla_clock')
      .select('due_at')
      .where('conversation_id', '=', this.conversationId)
      .where('kind', '=', kind)
      .orderBy('started_at', 'desc')
      .executeTakeFirstOrThrow();
    return row.due_at;
  }

  /** What people were told, in order: clock and step. */
  async told(): Promise<readonly string[]> {
    const rows = await this.town.db
      .selectFrom('notification')
      .select('payload')
      .where('conversation_id', '=', this.conversationId)
      .orderBy('created_at')
      .orderBy(sql`payload->>'dueAt'`)
      .orderBy(sql`array_position(array['warning', 'breach'], payload->>'step') nulls last`)
      .orderBy(sql`payload->>'step'`)
      .execute();
    return rows.map((row) => {
      const { clock, step } = Payload.parse(row.payload);
      return `${clock} ${step}`;
    });
  }

  /** How often each step was taken, however often people were told. */
  async stepsTaken(): Promise<number> {
    const { steps } = await this.town.db
      .selectFrom('sla_step')
      .select((count) => count.fn.countAll<string>().as('steps'))
      .where('tenant_id', '=', this.tenant.id)
      .executeTakeFirstOrThrow();
    return Number(steps);
  }
}

const Payload = z.object({ clock: z.string(), step: z.string() });

/** Every time by which clocks are kept. */
const MOVED: readonly (readonly [table: string, columns: readonly string[]])[] = [
  ['handoff', ['requested_at', 'taken_at', 'ended_at']],
  ['message', ['said_at', 'received_at']],
  ['sla_watch', ['look_again_at', 'ended_at']],
  ['sla_clock', ['started_at', 'due_at', 'paused_since', 'stopped_at', 'next_step_at']],
];

const OFFICE = { from: '09:00', to: '17:00' };

/** A zone in which it is about noon now, so that a working day lies around every run of a test. */
export function zoneAtNoon(now: Date): string {
  const hours = 12 - now.getUTCHours();
  // The signs of these names are the wrong way round. Source: tz database, file etcetera.
  return `Etc/GMT${hours > 0 ? '-' : '+'}${String(Math.abs(hours))}`;
}

/** Every day from nine to five around a lunch break, told in minutes from now. */
export function officeWithLunch(now: Date, lunch: { from: number; to: number }): BusinessCalendarSetting {
  const minuteOfDay = 12 * 60 + now.getUTCMinutes();
  const time = (fromNow: number): string => {
    const minutes = minuteOfDay + fromNow;
    return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
  };
  const day = [
    { from: OFFICE.from, to: time(lunch.from) },
    { from: time(lunch.to), to: OFFICE.to },
  ];
  return {
    timeZone: zoneAtNoon(now),
    week: { sunday: day, monday: day, tuesday: day, wednesday: day, thursday: day, friday: day, saturday: day },
    holidays: { national: false, optionalDays: false, own: [] },
  };
}
