import { changeOwner, findMessageBeingSent } from '../../conversation/ownership-store.ts';
import type { OwnerChange, OwnerChanged } from '../../conversation/ownership-store.ts';
import { lapseAfter } from '../../conversation/ownership.ts';
import { noteTicketReturn } from '../../handoff/ticket-return-store.ts';
import { monotonicMs, pause, systemClock } from '../../platform/time.ts';
import { MessageId } from '../../vocabulary/ids.ts';
import type { Tx } from '../../vocabulary/schema.ts';
import { closeConversation, returnToBot, takeOver } from '../contract/conversations.ts';
import type { PanelNeeds } from '../needs.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

/** How people change who answers. */
export function ownershipRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    tenantRoute(takeOver, async ({ params: { conversationId }, body, tenantId, inTenant }) => {
      const { takeoverIdleMinutes } = (await needs.tenants.get(tenantId)).settings;
      const lapsesAt = lapseAfter(takeoverIdleMinutes, systemClock.now());
      const changed = await inTenant((tx) =>
        changeOwner(tx, { conversationId, to: 'human', reason: 'taken-over', lapsesAt, ...body }),
      );
      const sending = await awaitSilence(inTenant, { conversationId, patienceMs: SENDING_PATIENCE_MS });
      return { ...answerOf(changed), stillSending: sending };
    }),
    tenantRoute(returnToBot, async ({ params: { conversationId }, body, inTenant }) => {
      const changed = await inTenant((tx) =>
        withItsTicket(tx, { conversationId, to: 'bot', reason: 'returned', ...body }),
      );
      needs.bell.ringTurn(conversationId, 0);
      return answerOf(changed);
    }),
    tenantRoute(closeConversation, async ({ params: { conversationId }, body, inTenant }) => {
      const changed = await inTenant((tx) =>
        withItsTicket(tx, { conversationId, to: 'nobody', reason: 'closed', ...body }),
      );
      // What the customer wrote and nobody has answered begins the next episode now.
      needs.bell.ringTurn(conversationId, 0);
      return answerOf(changed);
    }),
  ];
}

/** The gateway's ticket follows later, by a worker: nobody waits for a gateway here. */
async function withItsTicket(tx: Tx, change: OwnerChange): Promise<OwnerChanged> {
  const changed = await changeOwner(tx, change);
  await noteTicketReturn(tx, change.conversationId);
  return changed;
}

function answerOf({ owner, epoch, ownerSince }: OwnerChanged) {
  return { owner, epoch, ownerSince: ownerSince.toISOString() };
}

/** A gateway that has not answered by then may take much longer, and a person waits for us. */
const SENDING_PATIENCE_MS = 5_000;
const LOOK_EVERY_MS = 50;

/**
 * Waits until nothing of the conversation is being sent. No transaction is open between two looks.
 *
 * @returns the message that is still being sent when the patience is over.
 */
export async function awaitSilence(
  inTenant: <Result>(work: (tx: Tx) => Promise<Result>) => Promise<Result>,
  { conversationId, patienceMs }: { conversationId: string; patienceMs: number },
): Promise<MessageId | undefined> {
  const patienceEndsAt = monotonicMs() + patienceMs;
  for (;;) {
    const sending = await inTenant((tx) => findMessageBeingSent(tx, conversationId));
    if (sending === undefined) return undefined;
    if (monotonicMs() >= patienceEndsAt) return MessageId.parse(sending);
    await pause(LOOK_EVERY_MS);
  }
}
