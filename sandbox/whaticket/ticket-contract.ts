import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/platform/secret.ts';
import { Failure } from '../../src/vocabulary/failures.ts';
import type { GatewayConnection, GatewayProfile, GatewayTickets } from '../../src/vocabulary/gateway.ts';
import type { Connection } from './connection.ts';
import type { Ticket } from './tickets.ts';
import { WhaticketStandIn } from './whaticket-stand-in.ts';

export interface TicketContract {
  readonly profile: GatewayProfile;
  /** Tickets that may be asked of 127.0.0.1. */
  readonly tickets: GatewayTickets;
  readonly hasNotes: boolean;
  /** Whether a user of the gateway asks, or the connection's own token. */
  readonly asksAs: 'user' | 'token';
}

const PHONE = '5511988887777';
const TOKEN = 'token-da-conexao';
const PEOPLE = { queueId: 5, userId: undefined };
const BRUNO = { queueId: 5, userId: 12 };

/** Every fork's tickets: looked at, noted in and moved, by whoever implements it. */
export function describeTicketContract({ profile, tickets, hasNotes, asksAs }: TicketContract): void {
  describe(`a ticket at a ${profile} Whaticket`, () => {
    const never = new AbortController().signal;
    let whaticket: WhaticketStandIn;
    let suporte: Connection;
    let ticket: Ticket;
    beforeEach(async () => {
      whaticket = await WhaticketStandIn.start();
      const webhook = { url: 'http://127.0.0.1:9/', shape: 'W1', auth: { kind: 'hmac', secret: 'x' } } as const;
      suporte = whaticket.addConnection({ name: 'Suporte', profile, token: TOKEN, echoes: false, webhook });
      ticket = suporte.ticket(PHONE);
    });
    afterEach(() => whaticket.close());

    function connection(changes: Partial<GatewayConnection> = {}): GatewayConnection {
      const login = { email: whaticket.login.email, password: Secret.of(whaticket.login.password) };
      const given = asksAs === 'user' ? login : undefined;
      const base = { profile, baseUrl: whaticket.url, token: Secret.of(TOKEN), login: given, connectionId: undefined };
      return { ...base, ...changes };
    }
    const id = (): string => String(ticket.id);
    const read = (ticketId = id()) => tickets.readTicket(connection(), ticketId, never);
    const move = (to: typeof PEOPLE | typeof BRUNO) => tickets.moveTicket(connection(), { ticketId: id(), to }, never);

    it('is shown as it is', async () => {
      const pending = { id: id(), status: 'pending', said: 'pending', queueId: 3, userId: undefined };

      expect(await read()).toEqual(pending);
      suporte.ticket(PHONE).status = 'paused';
      expect(await read()).toEqual({ ...pending, status: 'unknown', said: 'paused' });
    });

    it('goes into a queue, where it waits for anybody', async () => {
      await suporte.agentAccepts(PHONE, 13);

      await move(PEOPLE);

      expect(ticket).toMatchObject({ status: 'pending', queueId: 5, userId: null });
      expect(await read()).toMatchObject({ status: 'pending', queueId: 5, userId: undefined });
    });

    it('goes to a person', async () => {
      await move(BRUNO);

      expect(await read()).toMatchObject({ status: 'open', queueId: 5, userId: 12 });
    });

    it('is closed', async () => {
      await tickets.closeTicket(connection(), id(), never);

      expect(await read()).toMatchObject({ status: 'closed' });
    });

    it('may have gone although the gateway says that something went wrong, which only a look tells', async () => {
      whaticket.lies.tell('error-after-doing', 1);

      await expect(move(PEOPLE)).rejects.toMatchObject({ code: 'GATEWAY_OUTCOME_UNKNOWN' });
      expect(await read()).toMatchObject({ queueId: 5 });
    });

    it('may have stayed although the gateway says that all is well, which only a look tells', async () => {
      whaticket.lies.tell('yes-without-doing', 1);

      await move(PEOPLE);

      expect(await read()).toMatchObject({ queueId: 3 });
    });

    it('is not there when it was deleted, and nobody’s when it is another company’s', async () => {
      expect(await read('99')).toBe('not-there');
      ticket.isForeign = true;
      expect(await read()).toBe('of-another-company');
      await expect(move(PEOPLE)).rejects.toBeInstanceOf(Failure);
    });

    it(hasNotes ? 'gets the note for its people once' : 'has no place for notes', async () => {
      const note = { ticketId: id(), text: 'Ana quer um bolo.\n\n[0a1b2c3d]', mark: '[0a1b2c3d]' };
      const first = await tickets.writeNote(connection(), { ...note, wasTried: false }, never);
      const second = await tickets.writeNote(connection(), { ...note, wasTried: true }, never);

      expect([first, second]).toEqual(hasNotes ? ['written', 'there-already'] : ['not-possible', 'not-possible']);
      expect(ticket.notes.map((it) => it.note)).toEqual(hasNotes ? [note.text] : []);
      expect(whaticket.sent).toEqual([]);
    });

    it('cannot be reached by who may not log in', async () => {
      const bad =
        asksAs === 'user'
          ? { login: { email: whaticket.login.email, password: Secret.of('errada') } }
          : { token: Secret.of('outro') };

      await expect(tickets.readTicket(connection(bad), id(), never)).rejects.toMatchObject({
        code: 'GATEWAY_CREDENTIALS_REFUSED',
      });
      expect(tickets.refusal(connection({ login: undefined }))).toBe(asksAs === 'user' ? 'no-login' : undefined);
    });

    if (asksAs === 'token') return;

    it('is looked at by a user whose token has run out, who logs in again', async () => {
      await read();
      whaticket.expireLogins();

      expect(await read()).toMatchObject({ id: id() });
      expect(whaticket.logins).toBe(2);
    });

    it('is found by the number where nobody has named it', async () => {
      const addresses = [{ kind: 'phone', value: PHONE }] as const;
      const stranger = [{ kind: 'phone', value: '5521900000000' }] as const;

      expect(await tickets.findTicket(connection(), { addresses, ticketId: undefined }, never)).toMatchObject({
        id: id(),
      });
      expect(
        await tickets.findTicket(connection(), { addresses: stranger, ticketId: undefined }, never),
      ).toBeUndefined();
    });

    it.each([
      ['a queue that is not there', { queueId: 99, userId: undefined }, 'unknown-queue'],
      ['a user who was deleted', { queueId: 5, userId: 77 }, 'unknown-user'],
      ['what is there', BRUNO, undefined],
    ] as const)('cannot go to what is missing: %s', async (_case, to, missing) => {
      expect(await tickets.findMissing(connection(), to, never)).toBe(missing);
    });
  });
}
