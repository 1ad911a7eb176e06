import { DateTime } from 'luxon';
import { z } from 'zod';
import { Secret } from '../platform/secret.ts';
import type { TargetAddress, TargetKind } from '../vocabulary/notification.ts';
import { isOpenAt, nextOpening } from './business-calendar.ts';
import type { BusinessCalendar } from './business-calendar.ts';

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 22:00');

/** When a target wants to hear nothing: from one wall-clock time of the tenant to another, over midnight or not. */
export const QuietHours = z.union([
  z
    .strictObject({ from: timeOfDay, until: timeOfDay })
    .refine(({ from, until }) => from !== until, 'must end at another time than it begins'),
  z.literal('outsideBusinessHours').describe("While the tenant's business calendar is closed."),
]);
export type QuietHours = z.infer<typeof QuietHours>;

/** Clocks that are put back can show the end once more: then it is looked at again after this. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Until when a target is to be left in peace; undefined when it may be told now.
 *
 * A calendar that never opens is no reason to be silent for ever.
 */
export function quietUntil(quiet: QuietHours | null, calendar: BusinessCalendar, now: Date): Date | undefined {
  if (quiet === null) return undefined;
  if (quiet === 'outsideBusinessHours') {
    return isOpenAt(calendar, now) ? undefined : nextOpening(calendar, now);
  }
  const local = DateTime.fromJSDate(now, { zone: calendar.timeZone });
  const time = local.toFormat('HH:mm');
  const isOverMidnight = quiet.from > quiet.until;
  const isQuiet = isOverMidnight ? time >= quiet.from || time < quiet.until : time >= quiet.from && time < quiet.until;
  if (!isQuiet) return undefined;
  const [hour, minute] = quiet.until.split(':').map(Number);
  const day = isOverMidnight && time >= quiet.from ? local.plus({ days: 1 }) : local;
  const end = day.set({ hour: hour ?? 0, minute: minute ?? 0, second: 0, millisecond: 0 }).toJSDate();
  return end > now ? end : new Date(now.getTime() + LOOK_AGAIN_MS);
}

/** What a target keeps sealed, as JSON. */
export const SealedAddress = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('slack'), url: z.string() }),
  z.strictObject({ kind: z.literal('pagerduty'), routingKey: z.string() }),
  z.strictObject({ kind: z.literal('email'), addresses: z.array(z.string()).min(1) }),
  z.strictObject({ kind: z.literal('webhook'), url: z.string(), secret: z.string() }),
]);
export type SealedAddress = z.infer<typeof SealedAddress>;

/** Where a sealed address lives. */
export function addressPlace(target: { readonly tenantId: string; readonly id: string }) {
  return { tenantId: target.tenantId, table: 'notification_target', column: 'sealed_address', rowId: target.id };
}

export function openedAddress(sealed: SealedAddress): TargetAddress {
  switch (sealed.kind) {
    case 'slack':
      return { kind: 'slack', url: Secret.of(sealed.url) };
    case 'pagerduty':
      return { kind: 'pagerduty', routingKey: Secret.of(sealed.routingKey) };
    case 'email':
      return sealed;
    case 'webhook':
      return { kind: 'webhook', url: Secret.of(sealed.url), secret: Secret.of(sealed.secret) };
  }
}

/** What people may see of an address: enough to know it again, too little to use it. */
export function shownAs(address: SealedAddress): string {
  switch (address.kind) {
    case 'slack':
    case 'webhook':
      return new URL(address.url).host;
    case 'pagerduty':
      return `…${address.routingKey.slice(-4)}`;
    case 'email':
      return address.addresses.map(masked).join(', ');
  }
}

function masked(address: string): string {
  const at = address.lastIndexOf('@');
  return `${address.slice(0, 1)}***${address.slice(at)}`;
}

/** Whose server it is: what is left alone when it does not work. */
export function serverOf(address: TargetAddress): string {
  const own: Readonly<Partial<Record<TargetKind, string>>> = { pagerduty: 'pagerduty', email: 'mail' };
  return 'url' in address ? new URL(address.url.reveal()).host : (own[address.kind] ?? address.kind);
}
