import express from 'express';
import type { Express } from 'express';
import { webhookRoutes } from './inbound/webhook-routes.ts';
import type { ReceiveWebhookNeeds } from './inbound/receive-webhook.ts';
import { panelRoutes } from './panel/panel-routes.ts';
import type { PanelNeeds } from './panel/needs.ts';
import type { Health } from './platform/health.ts';
import { requestMetrics } from './platform/http-metrics.ts';
import type { Logger } from './platform/logger.ts';
import { problemResponses, requestIds, unknownRoute } from './platform/problem.ts';
import { FAILURES } from './vocabulary/failures.ts';

export interface HttpAppNeeds {
  readonly health: Health;
  readonly webhook: ReceiveWebhookNeeds;
  readonly panel: PanelNeeds;
  /** Express's `trust proxy`: which proxies may say who the client is. Nobody, unless configured. */
  readonly trustProxy: string | undefined;
  readonly log: Logger;
}

/** Every route of the service, grouped by who calls it. */
export function createHttpApp(needs: HttpAppNeeds): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  if (needs.trustProxy !== undefined) app.set('trust proxy', trustedProxies(needs.trustProxy));
  app.use(requestMetrics());
  app.use(requestIds());

  // The platform that runs us.
  app.use(needs.health.routes());
  // Gateways.
  app.use(webhookRoutes(needs.webhook));
  // People and their programs.
  app.use(panelRoutes(needs.panel));

  app.use(unknownRoute(FAILURES));
  app.use(problemResponses(FAILURES, needs.log));
  return app;
}

/** `1` is a number of hops; anything else is a list of addresses or of Express's names for them. */
function trustedProxies(setting: string): number | string {
  return /^\d+$/.test(setting) ? Number(setting) : setting;
}
