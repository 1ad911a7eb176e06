import type { Base } from './composition.ts';
import { keepSla, noSlaFailures } from './handoff/keep-sla.ts';
import { recordNotification } from './handoff/notification-store.ts';
import { Rounds } from './platform/rounds.ts';

/** A clock is set at most this late, and a step taken; it counts from the message all the same. */
const LOOK_EVERY_MS = 2_000;

/** Keeps what tenants have promised to customers who wait for people. */
export function openSla({ db, tenants, closing, log }: Base): void {
  const needs = { db, tell: recordNotification, tenantOf: tenants.get.bind(tenants), failing: noSlaFailures(), log };
  const rounds = new Rounds({ name: 'sla', everyMs: LOOK_EVERY_MS, run: () => keepSla(needs), log });
  closing.keep('sla', rounds, (it) => it.close());
  rounds.start();
}
