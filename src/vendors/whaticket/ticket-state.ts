import { z } from 'zod';
import type { TicketState, TicketStatus } from '../../vocabulary/ticket.ts';
import { objectIn, WireAny, WireId, WireText } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

/** A number of the gateway's own, which some forks and relays write as text. */
const WireNumber = z
  .unknown()
  .transform((value) => {
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
    return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : undefined;
  })
  .optional();

const Ticket = z.object({
  id: WireId,
  status: WireText,
  queueId: WireNumber,
  queueid: WireNumber,
  userId: WireNumber,
  userid: WireNumber,
  contactId: WireNumber,
  queue: WireAny,
  user: WireAny,
});

const STATUSES: Readonly<Record<string, TicketStatus>> = {
  pending: 'pending',
  open: 'open',
  closed: 'closed',
};

/**
 * A ticket as any fork shows it; undefined for what is none.
 *
 * `group` and every word that we have not seen is `unknown`: nothing may follow from a status nobody has thought about.
 *
 * Source: canove/whaticket-community, backend/src/models/Ticket.ts; launcherbr/whaticketsaas, the same file.
 */
export function ticketIn(shown: JsonObject | undefined): TicketState | undefined {
  if (shown === undefined) return undefined;
  const ticket = Ticket.parse(shown);
  if (ticket.id === undefined || ticket.status === undefined) return undefined;
  return {
    id: ticket.id,
    status: STATUSES[ticket.status.toLowerCase()] ?? 'unknown',
    said: printable(ticket.status),
    queueId: ticket.queueId ?? ticket.queueid ?? numberOf(ticket.queue),
    userId: ticket.userId ?? ticket.userid ?? numberOf(ticket.user),
  };
}

/** A ticket of which it is told that it was closed, whatever its row says; a fork may tell it before it saves the row. */
export function closedTicket(id: string, shown: JsonObject | undefined): TicketState {
  const { queueId, userId } = ticketIn({ status: 'closed', ...shown, id }) ?? { queueId: undefined, userId: undefined };
  return { id, status: 'closed', said: 'closed', queueId, userId };
}

/** The contact that a ticket is about, by the gateway's own number. */
export function contactIn(shown: JsonObject | undefined): number | undefined {
  return Ticket.parse(shown ?? {}).contactId;
}

/** Some versions leave the number out and show the whole row. */
function numberOf(row: unknown): number | undefined {
  return WireNumber.parse(objectIn(row)?.id);
}

function printable(said: string): string {
  return said.replace(/[^\w -]/g, '').slice(0, 30);
}
