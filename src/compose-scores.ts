import type { Base } from './composition.ts';
import { askForScores } from './handoff/csat-store.ts';
import type { CsatNeeds } from './handoff/csat-store.ts';
import { Rounds } from './platform/rounds.ts';

/** Soon enough after a closing that the customer still knows what it is about. */
const ASK_EVERY_MS = 2_000;

/** Asks customers how the service was. Apart from the sweeper: whom nobody answers does not wait for a survey. */
export function openScores({ db, tenants, closing, log }: Base, ringDelivery: CsatNeeds['ringDelivery']): void {
  const needs: CsatNeeds = { db, tenantOf: (id) => tenants.get(id), ringDelivery, log };
  const rounds = new Rounds({ name: 'scores', everyMs: ASK_EVERY_MS, run: () => askForScores(needs), log });
  closing.keep('scores', rounds, (it) => it.close());
  rounds.start();
}
