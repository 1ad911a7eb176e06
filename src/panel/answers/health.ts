import { Failure } from '../../vocabulary/failures.ts';
import { getChannelHealth, getHealth } from '../contract/health.ts';
import type { PanelNeeds } from '../needs.ts';
import { route, tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

export function healthRoutes({ deepHealth }: PanelNeeds): readonly Route[] {
  return [
    route(getHealth, async () => {
      const { status, checkedAt, checks } = await deepHealth.report();
      return { status, checkedAt: checkedAt.toISOString(), checks: [...checks] };
    }),
    tenantRoute(getChannelHealth, async ({ params: { channelId }, inTenant }) => {
      // Only who sees the row may ask, and no transaction is open while the gateway is.
      const row = await inTenant((tx) =>
        tx.selectFrom('channel').select('id').where('id', '=', channelId).executeTakeFirst(),
      );
      const health = row && (await deepHealth.ofChannel(channelId));
      if (health === undefined) throw new Failure('NOT_FOUND', { channelId });
      return health;
    }),
  ];
}
