import express from 'express';
import type { Request, RequestHandler, Response, Router } from 'express';
import { withContext } from '../platform/context.ts';
import { asTenant } from '../platform/database.ts';
import { Failure } from '../vocabulary/failures.ts';
import { TenantId } from '../vocabulary/ids.ts';
import { apiKeyRoutes } from './answers/api-keys.ts';
import { assistantRoutes } from './answers/assistant.ts';
import { channelRoutes } from './answers/channels.ts';
import { conversationRoutes } from './answers/conversations.ts';
import { courtesyRoutes } from './answers/courtesies.ts';
import { deadLetterRoutes } from './answers/dead-letters.ts';
import { handoffRoutes } from './answers/handoffs.ts';
import { healthRoutes } from './answers/health.ts';
import { knowledgeRoutes } from './answers/knowledge.ts';
import { notificationTargetRoutes } from './answers/notification-targets.ts';
import { ownershipRoutes } from './answers/ownership.ts';
import { tenantRoutes } from './answers/tenants.ts';
import { getOpenApi, takesBody } from './contract.ts';
import { jsonBody } from './json-body.ts';
import type { PanelNeeds } from './needs.ts';
import { openApiDocument } from './openapi.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { assertMayCall, signIn } from './sign-in.ts';

/** The API for people, `/api/v1`. Errors are left to the application's `problemResponses`. */
export function panelRoutes(needs: PanelNeeds): Router {
  const router = express.Router({ caseSensitive: true });
  for (const [path, routes] of Map.groupBy(allRoutes(needs), (it) => it.operation.path)) {
    const place = router.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    for (const known of routes) place[known.operation.method](...handlersOf(needs, known));
    place.all(otherMethods(routes));
  }
  return router;
}

/** Every operation of the contract with who answers it. */
export function allRoutes(needs: PanelNeeds): readonly Route[] {
  const openApi = openApiDocument();
  return [
    ...tenantRoutes(needs),
    ...channelRoutes(needs),
    ...healthRoutes(needs),
    ...knowledgeRoutes(needs),
    ...conversationRoutes(needs),
    ...ownershipRoutes(needs),
    ...handoffRoutes(needs),
    ...assistantRoutes(needs),
    ...courtesyRoutes(),
    ...deadLetterRoutes(needs),
    ...notificationTargetRoutes(needs),
    ...apiKeyRoutes(),
    route(getOpenApi, () => Promise.resolve(openApi)),
  ];
}

/** Who calls is known before a byte of the body is read. */
function handlersOf(needs: PanelNeeds, { operation, answer }: Route): RequestHandler[] {
  const admit: RequestHandler = async (req, _res, next) => {
    if (operation.access.to !== 'everyone') {
      const tenantId = TenantId.safeParse(req.params.tenantId).data;
      assertMayCall(await signIn(needs, req), operation.access, tenantId);
      // A tenant that is not there answers as one: without this, its lists would only be empty.
      if (tenantId !== undefined) await needs.tenants.get(tenantId);
    }
    next();
  };
  const respond: RequestHandler = async (req, res) => {
    const answered = await inContext(req, () =>
      answer({
        params: req.params,
        query: req.query,
        body: takesBody(operation) ? req.body : undefined,
        publicUrl: needs.publicUrl(req),
        asTenant: (tenantId, work) => asTenant(needs.db, tenantId, work),
      }),
    );
    send(res.status(operation.status), answered);
  };
  return takesBody(operation) ? [admit, ...jsonBody, respond] : [admit, respond];
}

function inContext<Result>(req: Request, work: () => Promise<Result>): Promise<Result> {
  const { tenantId, conversationId } = req.params;
  return withContext(
    {
      ...(typeof tenantId === 'string' ? { tenantId } : {}),
      ...(typeof conversationId === 'string' ? { conversationId } : {}),
    },
    work,
  );
}

function send(res: Response, answered: unknown): void {
  // Answers hold customers' words, and once a key: no cache on the way may keep them.
  res.set('Cache-Control', 'no-store');
  if (answered === undefined) res.end();
  else res.json(answered);
}

function otherMethods(routes: readonly Route[]): RequestHandler {
  const methods = routes.map((it) => it.operation.method.toUpperCase());
  const allowed = methods.includes('GET') ? ['HEAD', ...methods] : methods;
  return (_req, res) => {
    res.set('Allow', allowed.toSorted().join(', '));
    throw new Failure('METHOD_NOT_ALLOWED');
  };
}
