import { addressKey } from '../inbound/inbound.ts';
import { blindIndex } from '../platform/crypto.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { ReceivedEvent } from '../vocabulary/message.ts';
import { conversationsOfTicket, followTicket, isAsBefore, observeTicket } from './ticket-store.ts';
import type { TicketNeeds } from './ticket-store.ts';

export interface TicketEvent {
  readonly channel: Channel;
  readonly event: Extract<ReceivedEvent, { type: 'ticket' }>;
  /** For one that is applied late, when it was recorded by the database's clock. */
  readonly recordedAt?: Date | undefined;
}

export interface TicketEventNeeds {
  readonly keysOf: (id: TenantId) => Promise<TenantKeys>;
  readonly tickets: TicketNeeds;
}

/** Somebody has done something to a ticket. About a ticket of nobody whom we know there is nothing to do. Safe to repeat. */
export async function applyTicketChange(
  { keysOf, tickets }: TicketEventNeeds,
  { channel, event, recordedAt }: TicketEvent,
): Promise<void> {
  if (event.change === undefined) return;
  const { ticket: seen, addresses } = event.change;
  const keys = await keysOf(channel.tenantId);
  const blindIndexes = addresses.map((address) => blindIndex(keys.index, addressKey(address, channel.id)));
  const which = { channelId: channel.id, ticketId: seen.id, blindIndexes };
  for (const conversationId of await conversationsOfTicket(tickets.db, which)) {
    await observeTicket(tickets, { conversationId, seen, isEvent: true, at: recordedAt });
  }
}

/**
 * A customer's message names its ticket, and with some forks shows it. A person to whom it is assigned answers, and not the
 * bot, which may be thinking already: the epoch moves under its draft.
 */
export async function noteTicketOf(
  needs: TicketNeeds,
  conversationId: ConversationId,
  message: Extract<ReceivedEvent, { type: 'message' }>,
): Promise<void> {
  const { ticketId, ticket } = message;
  if (ticket !== undefined) {
    if (await isAsBefore(needs.db, conversationId, ticket)) return;
    await observeTicket(needs, { conversationId, seen: ticket, isEvent: false });
    return;
  }
  if (ticketId !== undefined) await followTicket(needs.db, { conversationId, ticketId });
}
