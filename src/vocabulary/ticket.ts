/** How far a ticket is. `unknown` is a word of the gateway's that we have never seen: nothing may follow from it. */
export type TicketStatus = 'pending' | 'open' | 'closed' | 'unknown';

/** A customer's ticket as its gateway shows it. */
export interface TicketState {
  readonly id: string;
  readonly status: TicketStatus;
  /** The gateway's own word for the status, as short as its own ones are. */
  readonly said: string;
  readonly queueId: number | undefined;
  /** The person it is assigned to. */
  readonly userId: number | undefined;
}
