import { LRUCache } from 'lru-cache';
import { Gauge } from 'prom-client';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import type { Tenant } from '../tenants/tenants.ts';
import { slaStepTaken } from '../vocabulary/events.ts';
import { TenantId } from '../vocabulary/ids.ts';
import { countOpenClocks, findSlaWork, keepSlaClocks } from './sla-store.ts';
import type { SlaNeeds, SlaWork } from './sla-store.ts';

export interface KeepSlaNeeds extends SlaNeeds {
  readonly tenantOf: (id: TenantId) => Promise<Tenant>;
  /** Handoffs that could not be kept, by their ids: left out for a while, so that the others get their turn. */
  readonly failing: SlaFailures;
  readonly log: Logger;
}

export type SlaFailures = LRUCache<string, true>;

/** One round keeps this many handoffs of each kind of work; the others follow with the next. */
const FOUND_MAX = 200;
const FAILING_MAX = 1_000;
const FAILING_FOR_MS = 30_000;
/** Clocks that have been stopped are not among those that people look at. */
const OPEN_STATES = ['running', 'paused', 'breached'] as const;

const openClocks = new Gauge({
  name: 'plantao_sla_clocks',
  help: 'Clocks of customers who wait for people, by how they stand; the same number in every worker.',
  labelNames: ['state'],
  registers: [registry],
});

export function noSlaFailures(): SlaFailures {
  return new LRUCache({ max: FAILING_MAX, ttl: FAILING_FOR_MS });
}

/**
 * One round of keeping what tenants have promised to customers who wait for people: sets and stops clocks from what the
 * database says has happened, and takes the steps whose time has come.
 *
 * Every worker does it. Nothing is kept in memory, so a restart loses nothing, and two that keep the same handoff do it once.
 *
 * @returns how many handoffs it has brought up to date.
 */
export async function keepSla(needs: KeepSlaNeeds): Promise<number> {
  let kept = 0;
  const without = [...needs.failing.keys()];
  for (const work of await findSlaWork(needs.db, { max: FOUND_MAX, without })) kept += await keepHandoff(needs, work);
  const counted = await countOpenClocks(needs.db);
  for (const state of OPEN_STATES) openClocks.set({ state }, counted.get(state) ?? 0);
  return kept;
}

/** What goes wrong with one handoff keeps no other from being looked at. */
async function keepHandoff(needs: KeepSlaNeeds, { handoffId, tenantId }: SlaWork): Promise<number> {
  try {
    const tenant = await needs.tenantOf(TenantId.parse(tenantId));
    const taken = await keepSlaClocks(needs, handoffId, tenant);
    for (const step of taken ?? []) slaStepTaken(needs.log, step);
    return taken === undefined ? 0 : 1;
  } catch (error) {
    needs.failing.set(handoffId, true);
    needs.log.error({ err: error, handoffId }, 'The clocks of a handoff could not be kept; they will be tried again');
    return 0;
  }
}
