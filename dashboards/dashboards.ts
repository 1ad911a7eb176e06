import type { DashboardModel } from './board.ts';
import { conversations } from './conversations.ts';
import { delivery } from './delivery.ts';
import { infrastructure } from './infrastructure.ts';
import { model } from './model.ts';
import { queues } from './queues.ts';
import { service } from './service.ts';
import { tenants } from './tenants.ts';

/** Every dashboard there is, in the order in which somebody looks who was woken. */
export const DASHBOARDS: readonly DashboardModel[] = [
  service,
  conversations,
  queues,
  model,
  delivery,
  tenants,
  infrastructure,
];

/** What Grafana reads; the same bytes for the same builders. */
export function fileOf(dashboard: DashboardModel): { readonly name: string; readonly text: string } {
  return { name: `${dashboard.uid ?? ''}.json`, text: `${JSON.stringify(dashboard, null, 2)}\n` };
}
