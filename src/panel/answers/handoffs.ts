import { findPacket } from '../../handoff/packet-store.ts';
import { openClocks } from '../../handoff/sla-store.ts';
import { packetText } from '../../handoff/packet.ts';
import { moodOf } from '../../conversation/mood.ts';
import { Failure } from '../../vocabulary/failures.ts';
import { changeContact, getHandoff, Handoff } from '../contract/handoffs.ts';
import type { PanelNeeds } from '../needs.ts';
import { tenantRoute } from '../route.ts';
import { shownClock } from '../shown-clock.ts';
import type { Route } from '../route.ts';

/** What people read about a customer who was given to them, and what they write on the customer's card. */
export function handoffRoutes(needs: PanelNeeds): readonly Route[] {
  const reading = { tenantOf: needs.tenants.get.bind(needs.tenants), moodOf };
  return [
    tenantRoute(getHandoff, async ({ tenantId, params, inTenant }) =>
      inTenant(async (tx) => {
        const row = await tx
          .selectFrom('handoff')
          .select(['id', 'state', 'reason', 'rule', 'destination', 'priority', 'requested_at', 'taken_at'])
          .where('tenant_id', '=', tenantId)
          .where('conversation_id', '=', params.conversationId)
          .where('state', 'in', ['waiting', 'taken'])
          .executeTakeFirst();
        const found = row && (await findPacket(tx, reading, row.id));
        if (found === undefined) throw new Failure('NOT_FOUND', params);
        return Handoff.parse({
          id: row?.id,
          conversationId: params.conversationId,
          state: row?.state,
          reason: row?.reason,
          rule: row?.rule,
          destination: row?.destination,
          priority: row?.priority,
          requestedAt: row?.requested_at.toISOString(),
          takenAt: row?.taken_at?.toISOString() ?? null,
          sla: (await openClocks(tx, [params.conversationId])).map(shownClock),
          packet: found.packet,
          packetText: packetText(found.packet, found.facts.locale),
        });
      }),
    ),
    tenantRoute(changeContact, async ({ tenantId, params, body, inTenant }) =>
      inTenant(async (tx) => {
        const tags = [...new Set(body.tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))];
        const row = await tx
          .updateTable('contact')
          .set({ tags })
          .where('tenant_id', '=', tenantId)
          .where('id', '=', params.contactId)
          .returning(['id', 'tags'])
          .executeTakeFirst();
        if (row === undefined) throw new Failure('NOT_FOUND', params);
        return { id: params.contactId, tags: row.tags };
      }),
    ),
  ];
}
