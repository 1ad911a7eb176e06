import type { FoundPassage } from '../../knowledge/knowledge.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { TenantId } from '../../vocabulary/ids.ts';
import { readForSuggestion } from '../../conversation/suggestion-store.ts';
import { dryRun, suggestReply } from '../contract/assistant.ts';
import type { PanelNeeds } from '../needs.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

/** What people ask of the bot beside the customers' turns. Each call may cost a model's, so a tenant has so many a minute. */
export function assistantRoutes(needs: PanelNeeds): readonly Route[] {
  const { assistant } = needs;
  return [
    tenantRoute(dryRun, async ({ tenantId, body: { text, history, channel: way } }) => {
      await assertMayAsk(needs, tenantId);
      const tenant = await needs.tenants.get(tenantId);
      const { decided, verdict, reply, wantsHuman } = await assistant.rehearse(tenant, { text, history, way });
      const { draft, decision } = decided;
      const routing = decision.kind === 'hand-over' ? decision.routing : undefined;
      return {
        found: foundOf(decided.found),
        draft: draft === undefined ? null : { ...draft, model: draft.usage.model },
        reply,
        claims: [],
        verdict,
        wantsHuman,
        injection: false,
        reasons: [...decided.reasons],
        rule: routing?.rule ?? null,
        destination: routing?.destination ?? null,
        priority: routing?.priority ?? null,
      };
    }),
    tenantRoute(suggestReply, async ({ tenantId, params, inTenant }) => {
      await assertMayAsk(needs, tenantId);
      const said = await inTenant((tx) => readForSuggestion(tx, tenantId, params.conversationId));
      const { text, confidence, model, answers, found } = await assistant.suggest(
        await needs.tenants.get(tenantId),
        said,
      );
      return { kind: 'suggestion' as const, text, confidence, model, answers: [...answers], found: foundOf(found) };
    }),
  ];
}

async function assertMayAsk({ assistant }: PanelNeeds, tenantId: TenantId): Promise<void> {
  const retryAfterMs = await assistant.limiter.take(tenantId);
  if (retryAfterMs !== undefined) throw new Failure('TOO_MANY_REQUESTS', { retryAfterMs });
}

function foundOf(found: readonly FoundPassage[]) {
  return found.map(({ documentId, title, score }) => ({ documentId, title, score: Number(score.toFixed(3)) }));
}
