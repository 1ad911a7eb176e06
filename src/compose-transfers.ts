import type { Base } from './composition.ts';
import { changeOwner } from './conversation/ownership-store.ts';
import { lapseAfter } from './conversation/ownership.ts';
import { findRecipient } from './delivery/recipient-store.ts';
import { GuardedTickets } from './handoff/guarded-tickets.ts';
import { returnTicket } from './handoff/ticket-return.ts';
import type { ReturnNeeds } from './handoff/ticket-return.ts';
import { TicketReturnStore } from './handoff/ticket-return-store.ts';
import { observeTicket } from './handoff/ticket-store.ts';
import type { TicketNeeds, TicketOwnerChange } from './handoff/ticket-store.ts';
import { TicketWatch } from './handoff/ticket-watch.ts';
import { transferTicket } from './handoff/transfer-ticket.ts';
import type { TransferNeeds } from './handoff/transfer-ticket.ts';
import { TransferRunner } from './handoff/transfer-runner.ts';
import { TransferStore } from './handoff/transfer-store.ts';
import { createHttpClient } from './platform/http-client.ts';
import { Rounds } from './platform/rounds.ts';
import { systemClock } from './platform/time.ts';
import { recordDeadLetter } from './recovery/dead-letters.ts';
import { createWhaticketTickets } from './vendors/whaticket/whaticket-tickets.ts';
import { handoffRequested } from './vocabulary/events.ts';

/** A ticket is moved while its customer waits for a person, not for us: one that is slow is merely slow. */
const TICKETS_HTTP = { timeoutMs: 10_000, responseBytesMax: 65_536, connectionsMax: 50 };
const TRANSFERS_EVERY_MS = 500;
const RETURNS_EVERY_MS = 500;
const LOOKS_EVERY_MS = 10_000;

/** What follows when a gateway shows a ticket, in the service and in the workers. */
export function ticketNeeds({ db, tenants, bell, log }: Base): TicketNeeds {
  const lapseOf = async ({ tenantId, reason, open }: TicketOwnerChange): Promise<Date | undefined> => {
    if (reason !== 'ticket-assigned' || open === 'waiting') return undefined;
    return lapseAfter((await tenants.get(tenantId)).settings.humanIdleMinutes, systemClock.now());
  };
  return {
    db,
    changeOwner: async (tx, change) => {
      const { conversationId, to, reason, open } = change;
      const lapsesAt = await lapseOf(change);
      // Somebody is there already. What they were given to answer in stays as it is, and does not become endless.
      if (reason === 'ticket-assigned' && open === 'taken' && lapsesAt === undefined) return;
      const { moved } = await changeOwner(tx, { conversationId, to, reason, lapsesAt });
      if (moved && reason === 'ticket-assigned') handoffRequested(log, { conversationId, reason });
    },
    ringTurn: (id) => {
      bell.ringTurn(id, 0);
    },
    log,
  };
}

/**
 * Gets the tickets of called persons to where people work, and back from there, and looks at what people do there.
 *
 * @returns looks at the tickets that are due now, as is done every ten seconds.
 */
export function openTransfers(
  privateHosts: readonly string[],
  base: Base,
  packetTextFor: TransferNeeds['packetTextFor'],
): () => Promise<number> {
  const { db, tenants, channels, closing, log } = base;
  const unguarded = createWhaticketTickets(createHttpClient({ ...TICKETS_HTTP, privateHosts }), log);
  const tickets = closing.keep('gateways of tickets', new GuardedTickets(unguarded, log), (it) => {
    it.close();
  });
  const seeing = ticketNeeds(base);
  const common: Pick<TransferNeeds, 'db' | 'tickets' | 'channelOf' | 'recipientOf' | 'noteTicket' | 'log'> = {
    db,
    tickets,
    channelOf: (id) => channels.find(id),
    recipientOf: async (tenantId, conversationId) =>
      await findRecipient(db, await tenants.keysOf(tenantId), { tenantId, conversationId }),
    noteTicket: async (conversationId, seen, { isOurDoing }) => {
      await observeTicket(seeing, { conversationId, seen, isEvent: false, isOurDoing });
    },
    log,
  };
  const transfers = new TransferStore(db);
  const needs: TransferNeeds = {
    ...common,
    // As it is now: a transfer that is replayed has just had its channel corrected.
    channelOf: (id) => channels.findFresh(id),
    transfers,
    packetTextFor,
    recordDeadLetter: (tx, { handoffId, ...letter }) =>
      recordDeadLetter(tx, { ...letter, stage: 'handoff', subjectId: handoffId, payload: { handoffId } }, log),
  };
  const runner = new TransferRunner(transfers, (claim, stopping) => transferTicket(needs, claim, stopping), log);
  const returns = new TicketReturnStore(db);
  const returnNeeds: ReturnNeeds = { ...common, channelOf: needs.channelOf, returns };
  const returner = new TransferRunner(returns, (claim, stopping) => returnTicket(returnNeeds, claim, stopping), log);
  const returning = { name: 'ticket returns', everyMs: RETURNS_EVERY_MS, run: () => returner.round(), log };
  const moving = { name: 'transfers', everyMs: TRANSFERS_EVERY_MS, run: () => runner.round(), log };
  const watch = new TicketWatch({ ...common, observe: (shown) => observeTicket(seeing, shown) });
  const looking = { name: 'looks at tickets', everyMs: LOOKS_EVERY_MS, run: () => watch.round(), log };
  closing.keep('transfers under way', runner, (it) => it.close());
  closing.keep('ticket returns under way', returner, (it) => it.close());
  closing.keep('looks at tickets under way', watch, (it) => it.close());
  for (const options of [moving, returning, looking]) {
    const rounds = closing.keep(options.name, new Rounds(options), (it) => it.close());
    rounds.start();
  }
  return () => watch.look();
}
