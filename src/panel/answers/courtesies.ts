import { csatSummary } from '../../handoff/csat-store.ts';
import { readConsent } from '../../privacy/consent-store.ts';
import { MessageId } from '../../vocabulary/ids.ts';
import { getConsent, getCsat } from '../contract/courtesies.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

/** What customers have said about being written to, and about the service. */
export function courtesyRoutes(): readonly Route[] {
  return [
    tenantRoute(getCsat, async ({ tenantId, query, inTenant }) => {
      const { mean = null, ...summary } = await inTenant((tx) => csatSummary(tx, tenantId, query));
      return { ...summary, mean, distribution: [...summary.distribution] };
    }),
    tenantRoute(getConsent, async ({ tenantId, params, inTenant }) => {
      const events = await inTenant((tx) => readConsent(tx, tenantId, params.conversationId));
      return {
        optedOut: events[0]?.kind === 'opt-out',
        events: events.map(({ messageId, at, ...event }) => ({
          ...event,
          messageId: messageId === undefined ? null : MessageId.parse(messageId),
          at: at.toISOString(),
        })),
      };
    }),
  ];
}
