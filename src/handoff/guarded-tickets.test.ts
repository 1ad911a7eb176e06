import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Connection } from '../../sandbox/whaticket/connection.ts';
import { WhaticketStandIn } from '../../sandbox/whaticket/whaticket-stand-in.ts';
import { until } from '../../test/support/until.ts';
import { createHttpClient } from '../platform/http-client.ts';
import { createLogger } from '../platform/logger.ts';
import { Secret } from '../platform/secret.ts';
import { createWhaticketGateway } from '../vendors/whaticket/whaticket-client.ts';
import { createWhaticketTickets } from '../vendors/whaticket/whaticket-tickets.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { GatewayConnection } from '../vocabulary/gateway.ts';
import { GuardedTickets } from './guarded-tickets.ts';

const PHONE = '5511988887777';
const TOKEN = 'token-da-conexao';
const PEOPLE = { queueId: 5, userId: undefined };
/** What the breaker wants to have seen before it opens. */
const FEW = 5;

const log = createLogger({ level: 'silent', process: 'test' });
const limits = { responseBytesMax: 65_536, connectionsMax: 8, privateHosts: ['127.0.0.1'] };
const gateway = createWhaticketGateway(createHttpClient({ ...limits, timeoutMs: 10_000 }), log);
const never = new AbortController().signal;

let whaticket: WhaticketStandIn;
let suporte: Connection;
let tickets: GuardedTickets;
let ticketId: string;

beforeEach(async () => {
  whaticket = await WhaticketStandIn.start();
  const webhook = { url: 'http://127.0.0.1:9/', shape: 'W1', auth: { kind: 'hmac', secret: 'x' } } as const;
  suporte = whaticket.addConnection({ name: 'Suporte', profile: 'ticketz', token: TOKEN, echoes: false, webhook });
  ticketId = String(suporte.ticket(PHONE).id);
});

afterEach(async () => {
  tickets.close();
  await whaticket.close();
});

function connection(): GatewayConnection {
  const login = { email: whaticket.login.email, password: Secret.of(whaticket.login.password) };
  const token = Secret.of(TOKEN);
  return { profile: 'ticketz', baseUrl: whaticket.url, token, login, connectionId: undefined };
}

function guard({ timeoutMs = 10_000, openForMs = 60_000 }): void {
  const unguarded = createWhaticketTickets(createHttpClient({ ...limits, timeoutMs }), log);
  tickets = new GuardedTickets(unguarded, log, openForMs);
}

const read = () => tickets.readTicket(connection(), ticketId, never);
const move = () => tickets.moveTicket(connection(), { ticketId, to: PEOPLE }, never);

describe('a gateway whose tickets', () => {
  it.each([
    ['answer 500', 'server-error', 10_000],
    // Only who waits in vain is in a hurry.
    ['hang', 'slow', 100],
    ['are cut off', 'down', 10_000],
  ] as const)('%s is left alone after a few calls, while sends go on', async (...fault) => {
    const [, mode, timeoutMs] = fault;
    guard({ timeoutMs });
    whaticket.ticketFaults.set({ mode });
    for (let call = 0; call < FEW; call += 1) await expect(read()).rejects.toMatchObject({ name: 'Failure' });
    const asked = whaticket.ticketCalls;

    await expect(read()).rejects.toMatchObject({ code: 'GATEWAY_UNREACHABLE', detail: { breaker: 'open' } });
    await expect(move()).rejects.toMatchObject({ code: 'GATEWAY_UNREACHABLE', detail: { breaker: 'open' } });
    expect(whaticket.ticketCalls).toBe(asked);
    const addresses = [{ kind: 'phone', value: PHONE }] as const;
    await gateway.sendText(connection(), { addresses, ticketId: undefined, text: 'Olá!' }, never);
    expect(whaticket.sent).toHaveLength(1);
  });

  it('are well again is asked again a while later', async () => {
    guard({ openForMs: 200 });
    whaticket.ticketFaults.set({ mode: 'server-error' });
    await until(async () => {
      const error: unknown = await read().catch((reason: unknown) => reason);
      return error instanceof Failure && error.detail.breaker === 'open';
    });

    whaticket.ticketFaults.set({ mode: 'none' });
    await until(async () => (await move().catch((reason: unknown) => reason)) === undefined);

    expect(suporte.ticket(PHONE)).toMatchObject({ queueId: PEOPLE.queueId });
  });

  it('refuse every move, and are otherwise well, is not left alone', async () => {
    guard({});
    whaticket.lies.tell('error-without-doing');
    for (let call = 0; call < FEW; call += 1) {
      await read();
      await expect(move()).rejects.toMatchObject({ name: 'Failure' });
      await read();
    }

    expect(await read()).toMatchObject({ id: ticketId });
  });
});
