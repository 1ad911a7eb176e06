import type { Secret } from '../platform/secret.ts';
import type { Address } from './message.ts';
import type { TicketState } from './ticket.ts';

export const GATEWAY_PROFILES = ['community', 'launcherbr', 'ticketz', 'hosted'] as const;
export type GatewayProfile = (typeof GATEWAY_PROFILES)[number];

/** How to reach one connection of a gateway. */
export interface GatewayConnection {
  readonly profile: GatewayProfile;
  readonly baseUrl: string;
  readonly token: Secret;
  /** The token before this one, which the gateway may still want while a rotation is under way. */
  readonly previousToken?: Secret | undefined;
  /** A user of the gateway, for what a token cannot do. */
  readonly login: { readonly email: string; readonly password: Secret } | undefined;
  /** The gateway's number for the connection, where a token does not imply it. */
  readonly connectionId: string | undefined;
}

/** Somebody on the other end of a connection. */
export interface Recipient {
  /** Best address first. */
  readonly addresses: readonly Address[];
  readonly ticketId: string | undefined;
}

export interface OutgoingText extends Recipient {
  readonly text: string;
}

/**
 * Sends through a gateway.
 *
 * `sendText` makes one attempt. It resolves when the gateway said yes and throws a `Failure` otherwise. The one that
 * matters is `GATEWAY_OUTCOME_UNKNOWN`: bytes may have reached the gateway and no answer came, so the text may or may not
 * be on the customer's phone, and sending again may say it twice. Every other code means it was not sent.
 *
 * `readBack` tells what our side has said to a customer lately, oldest first, for when a send is unknown. It is undefined
 * where this fork, or what we know of this customer and channel, does not let us look; that our words are not in it proves
 * nothing. It throws a `Failure` when the gateway could not be asked.
 */
export interface Gateway {
  sendText(connection: GatewayConnection, message: OutgoingText, signal: AbortSignal): Promise<SentText>;
  readBack(
    connection: GatewayConnection,
    recipient: Recipient,
    signal: AbortSignal,
  ): Promise<readonly SaidByUs[] | undefined>;
}

/**
 * Asks after a connection without sending anything, for those who watch.
 *
 * Undefined where this fork, or what we know of the channel, does not let us ask. It throws a `Failure` when the gateway
 * could not be asked.
 */
export interface GatewayStates {
  connectionState(connection: GatewayConnection, signal: AbortSignal): Promise<ConnectionState | undefined>;
}

export interface ConnectionState {
  readonly isConnected: boolean;
  /** The gateway’s own word for it, e.g. `CONNECTED`. */
  readonly said: string;
}

/** A message that the gateway shows as said by our side, by whoever of us. */
export interface SaidByUs {
  readonly providerMessageId: string;
  readonly text: string;
  /** How long ago it was said when the gateway answered, by the gateway's own clock: its clock and ours may differ. */
  readonly saidMsAgo: number;
}

export interface SentText {
  /** The provider's id, where a gateway tells it. */
  readonly providerMessageId: string | undefined;
}

/** Where a ticket shall go: into a queue, to wait for anybody, or to one user. At least one of the two is there. */
export interface TicketDestination {
  readonly queueId: number | undefined;
  readonly userId: number | undefined;
}

/** What became of a note, which only the people on our side see. */
export type NoteOutcome = 'written' | 'there-already' | 'not-possible';

export interface TicketNote {
  readonly ticketId: string;
  readonly text: string;
  /** A short text that is part of `text` and of no other note. */
  readonly mark: string;
  /** Whether it may have been written before: where notes cannot be read it is not written then. */
  readonly wasTried: boolean;
}

/**
 * Looks at tickets and moves them.
 *
 * Nothing that a gateway answers to a move proves anything: forks answer 500 after doing it, and 200 without doing it. Who
 * moves a ticket reads it afterwards. Every call throws a `Failure` when the gateway could not be asked or said no.
 */
export interface GatewayTickets {
  /** Why tickets of this channel cannot be moved at all; undefined when they can. */
  refusal(connection: GatewayConnection): 'no-login' | undefined;
  /** The customer's ticket where no webhook has named it. */
  findTicket(
    connection: GatewayConnection,
    recipient: Recipient,
    signal: AbortSignal,
  ): Promise<TicketState | undefined>;
  readTicket(
    connection: GatewayConnection,
    ticketId: string,
    signal: AbortSignal,
  ): Promise<TicketState | 'not-there' | 'of-another-company'>;
  /** Looks first whether a note with this mark is there, where notes can be read. */
  writeNote(connection: GatewayConnection, note: TicketNote, signal: AbortSignal): Promise<NoteOutcome>;
  moveTicket(
    connection: GatewayConnection,
    move: { readonly ticketId: string; readonly to: TicketDestination },
    signal: AbortSignal,
  ): Promise<void>;
  /** Ends the matter of the ticket, with as few words of the fork's own to the customer as it allows. */
  closeTicket(connection: GatewayConnection, ticketId: string, signal: AbortSignal): Promise<void>;
  /** What of a destination this gateway does not have; undefined where all is there, or nobody can tell. */
  findMissing(
    connection: GatewayConnection,
    to: TicketDestination,
    signal: AbortSignal,
  ): Promise<'unknown-queue' | 'unknown-user' | undefined>;
}
