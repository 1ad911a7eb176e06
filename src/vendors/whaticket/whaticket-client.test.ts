import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { describeGatewayContract } from '../../../sandbox/whaticket/gateway-contract.ts';
import type { Connection } from '../../../sandbox/whaticket/connection.ts';
import { WhaticketStandIn } from '../../../sandbox/whaticket/whaticket-stand-in.ts';
import { createHttpClient } from '../../platform/http-client.ts';
import { createLogger } from '../../platform/logger.ts';
import { Secret } from '../../platform/secret.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { Gateway, GatewayConnection, GatewayProfile } from '../../vocabulary/gateway.ts';
import type { Address } from '../../vocabulary/message.ts';
import { createWhaticketGateway, withoutTemplates } from './whaticket-client.ts';

const log = createLogger({ level: 'silent', process: 'test' });
const limits = { responseBytesMax: 256 * 1024, connectionsMax: 8, privateHosts: ['127.0.0.1'] };
// Tests beside it have held this process up for half a second: only who waits in vain is in a hurry.
const gateway = createWhaticketGateway(createHttpClient({ ...limits, timeoutMs: 10_000 }), log);
const hasty = createWhaticketGateway(createHttpClient({ ...limits, timeoutMs: 500 }), log);
const never = new AbortController().signal;

const PHONE = '5511988887777';
const TOKEN = 'token-da-conexao';

describeGatewayContract({
  profile: 'community',
  gateway,
  hasty,
  notOnWhatsApp: 'CUSTOMER_UNREACHABLE',
  garbage: 'sent',
  readsBack: 'all',
});
describeGatewayContract({
  profile: 'launcherbr',
  gateway,
  hasty,
  notOnWhatsApp: 'GATEWAY_SESSION_DOWN',
  garbage: 'GATEWAY_OUTCOME_UNKNOWN',
  readsBack: 'all',
});
describeGatewayContract({
  profile: 'ticketz',
  gateway,
  hasty,
  notOnWhatsApp: 'GATEWAY_SESSION_DOWN',
  garbage: 'GATEWAY_OUTCOME_UNKNOWN',
  readsBack: 'in-ticket',
});
describeGatewayContract({
  profile: 'hosted',
  gateway,
  hasty,
  notOnWhatsApp: 'GATEWAY_SESSION_DOWN',
  garbage: 'GATEWAY_OUTCOME_UNKNOWN',
  readsBack: 'none',
});

function connectionTo(baseUrl: string, changes: Partial<GatewayConnection> = {}): GatewayConnection {
  const token = Secret.of(TOKEN);
  return { profile: 'launcherbr', baseUrl, token, login: undefined, connectionId: undefined, ...changes };
}

async function failureOf(sending: Promise<unknown>): Promise<Failure> {
  const error: unknown = await sending.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Failure) return error;
  throw new Error('This was meant to fail', { cause: error });
}

function send(
  connection: GatewayConnection,
  changes: { addresses?: readonly Address[]; ticketId?: string; through?: Gateway } = {},
) {
  const { addresses = [{ kind: 'phone', value: PHONE }], ticketId, through = gateway } = changes;
  return through.sendText(connection, { addresses, ticketId, text: 'Olá!' }, never);
}

describe('an answer that some fork gives', () => {
  let server: Server;
  let url: string;
  let answer: (res: ServerResponse) => void;
  let request: { path: string | undefined; authorization: string | undefined; body: unknown };
  beforeAll(async () => {
    server = createServer((req, res) => {
      let body = '';
      req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      req.on('end', () => {
        request = { path: req.url, authorization: req.headers.authorization, body: JSON.parse(body) };
        answer(res);
      });
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => {
      resolve(undefined);
    });
    await promise;
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  function answers(status: number, body: string, headers: Record<string, string> = {}): void {
    answer = (res) => {
      res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
    };
  }

  it.each<[GatewayProfile, string | undefined, unknown]>([
    ['community', undefined, { number: PHONE, body: 'Olá!' }],
    ['community', '12', { number: PHONE, body: 'Olá!', whatsappId: 12 }],
    ['community', 'principal', { number: PHONE, body: 'Olá!' }],
    ['launcherbr', '12', { number: PHONE, body: 'Olá!' }],
    ['ticketz', undefined, { number: PHONE, body: 'Olá!' }],
    ['hosted', undefined, { number: PHONE, openTicket: '0', queueId: '0', body: 'Olá!' }],
  ])('%s with the connection %p is asked in its own words', async (profile, connectionId, body) => {
    answers(200, '{"mensagem":"Mensagem enviada"}');

    await send(connectionTo(`${url}/`, { profile, connectionId }));

    expect(request).toEqual({ path: '/api/messages/send', authorization: `Bearer ${TOKEN}`, body });
  });

  it.each<[GatewayProfile, number, string, string]>([
    ['launcherbr', 401, '{"error":"Acesso não permitido"}', 'GATEWAY_CREDENTIALS_REFUSED'],
    ['launcherbr', 403, '{"error":"ERR_PLAN_FEATURE_DISABLED"}', 'GATEWAY_PLAN_REFUSED'],
    ['launcherbr', 403, '{"error":"ERR_COMPANY_DELINQUENT"}', 'GATEWAY_PLAN_REFUSED'],
    ['launcherbr', 400, '{"error":"ERR_NO_DEF_WAPP_FOUND in COMPANY 7"}', 'GATEWAY_SESSION_DOWN'],
    ['launcherbr', 400, '{"error":"ERR_MESSAGE_SEND_FAILED"}', 'GATEWAY_SESSION_DOWN'],
    ['launcherbr', 400, '{"error":"algo de novo"}', 'GATEWAY_REFUSED'],
    ['launcherbr', 200, '{"error":"ERR_WAPP_NOT_INITIALIZED"}', 'GATEWAY_SESSION_DOWN'],
    ['launcherbr', 200, '', 'GATEWAY_OUTCOME_UNKNOWN'],
    ['launcherbr', 502, '<html>Bad gateway</html>', 'GATEWAY_OUTCOME_UNKNOWN'],
    ['launcherbr', 404, '<html>Not found</html>', 'GATEWAY_REFUSED'],
    ['launcherbr', 408, '', 'GATEWAY_UNREACHABLE'],
    ['launcherbr', 413, '', 'GATEWAY_REFUSED'],
    ['community', 400, '{"error":"Invalid number format. Only numbers is allowed."}', 'CUSTOMER_UNREACHABLE'],
    ['community', 400, '{"error":"whatsapp #9 not found"}', 'GATEWAY_REFUSED'],
    ['community', 200, '<!doctype html><html></html>', 'GATEWAY_OUTCOME_UNKNOWN'],
    ['ticketz', 402, '{"error":"ERR_SUBSCRIPTION_EXPIRED"}', 'GATEWAY_PLAN_REFUSED'],
    ['ticketz', 500, '{"error":"ERR_INTERNAL_ERROR"}', 'GATEWAY_SESSION_DOWN'],
    ['hosted', 200, '{"mensagem":"x","error":"falhou"}', 'GATEWAY_OUTCOME_UNKNOWN'],
  ])('%s %i %s', async (...[profile, status, body, code]) => {
    answers(status, body);

    expect((await failureOf(send(connectionTo(url, { profile })))).code).toBe(code);
  });

  it.each([
    [{}, 60_000],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '999999' }, 600_000],
    [{ 'retry-after': '-1' }, 60_000],
    [{ 'retry-after': 'Sat, 01 Aug 2026 12:00:30 GMT', date: 'Sat, 01 Aug 2026 12:00:00 GMT' }, 30_000],
    [{ 'retry-after': 'logo' }, 60_000],
  ])('429 with %j asks us to wait %i ms', async (headers, retryAfterMs) => {
    answers(429, '{"error":"ERR_RATE_LIMIT_EXCEEDED"}', headers);

    const failure = await failureOf(send(connectionTo(url)));

    expect([failure.code, failure.retryAfterMs]).toEqual(['GATEWAY_THROTTLED', retryAfterMs]);
  });

  it('shows nothing of the customer and no secret, whatever the fork repeats', async () => {
    answers(400, JSON.stringify({ error: `ERR for ${PHONE} and +55 (11) 98888-7777 ${'x'.repeat(500)}` }));

    const failure = await failureOf(send(connectionTo(url)));

    expect(failure.detail.error).toMatch(/^ERR for \*{8} and \+\*{8} x+$/);
    expect(String(failure.detail.error)).toHaveLength(120);
  });

  it.each(['drop', 'endless'])('that is %s leaves no trace of the call in the failure', async (kind) => {
    answer = (res) => {
      if (kind === 'drop') res.socket?.destroy();
      else res.writeHead(200).end('x'.repeat(limits.responseBytesMax + 1));
    };

    const failure = await failureOf(send(connectionTo(url)));

    expect(failure.code).toBe('GATEWAY_OUTCOME_UNKNOWN');
    const { cause, detail, message } = failure;
    const shown = JSON.stringify([detail, message, inspect(cause, { showHidden: true, depth: 8 })]);
    expect(shown).not.toMatch(/5511988887777|token-da-conexao|Olá/);
  });

  it('that trickles in without end is cut off at the time limit', async () => {
    let trickling: NodeJS.Timeout | undefined;
    answer = (res) => {
      res.writeHead(200);
      trickling = setInterval(() => res.write(' '), 20);
    };

    const failure = await failureOf(send(connectionTo(url), { through: hasty }));
    clearInterval(trickling);

    expect(failure).toMatchObject({ code: 'GATEWAY_OUTCOME_UNKNOWN', detail: { error: 'ETIMEDOUT' } });
  });
});

describe('a gateway that must not or cannot be called', () => {
  it.each([
    ['a private address', 'http://10.0.0.1'],
    ['a loopback address', 'http://127.0.0.1:9'],
    ['a name of this machine', 'http://localhost:9'],
    ['a name nobody has', 'http://whaticket.invalid'],
    ['no address', 'whaticket'],
  ])('by %s is out of reach, and nothing was sent', async (_case, baseUrl) => {
    const strict = createWhaticketGateway(createHttpClient({ ...limits, timeoutMs: 10_000, privateHosts: [] }), log);
    const message = { addresses: [{ kind: 'phone', value: PHONE }], ticketId: undefined, text: 'Olá!' } as const;

    const failure = await failureOf(strict.sendText(connectionTo(baseUrl), message, never));

    expect(failure.code).toBe('GATEWAY_UNREACHABLE');
  });
});

describe('a customer whose number is not known', () => {
  let whaticket: WhaticketStandIn;
  let suporte: Connection;
  beforeEach(async () => {
    whaticket = await WhaticketStandIn.start();
    const webhook = { url: 'http://127.0.0.1:9/', shape: 'W1', auth: { kind: 'hmac', secret: 'x' } } as const;
    suporte = whaticket.addConnection({ name: 'Suporte', profile: 'ticketz', token: TOKEN, echoes: false, webhook });
    // Nobody listens for the webhook; the ticket is there all the same.
    await expect(suporte.customerWrites({ lid: '201122334455667', text: 'oi' })).rejects.toThrow();
  });
  afterEach(() => whaticket.close());

  const lid = { kind: 'lid', value: '201122334455667' } as const;
  const ticket = { kind: 'ticket', value: '4711' } as const;

  function login(password = whaticket.login.password): NonNullable<GatewayConnection['login']> {
    return { email: whaticket.login.email, password: Secret.of(password) };
  }

  it('is reached by the LID where the fork takes one', async () => {
    await send(connectionTo(whaticket.url, { profile: 'ticketz' }), { addresses: [lid] });

    expect(whaticket.sent).toMatchObject([{ phone: lid.value, text: 'Olá!' }]);
  });

  it('is reached in the ticket elsewhere, by a user who logs in once for all', async () => {
    const connection = connectionTo(whaticket.url, { login: login() });

    await Promise.all([1, 2, 3, 4].map(() => send(connection, { addresses: [lid], ticketId: '4711' })));
    await send(connection, { addresses: [ticket] });

    expect(whaticket.sent.map((message) => message.ticketId)).toEqual([4711, 4711, 4711, 4711, 4711]);
    expect(whaticket.logins).toBe(1);
  });

  it('is reached by a user whose token has run out, who logs in again', async () => {
    const connection = connectionTo(whaticket.url, { login: login() });
    await send(connection, { addresses: [ticket] });
    whaticket.expireLogins();

    await send(connection, { addresses: [ticket] });

    expect([whaticket.sent.length, whaticket.logins]).toEqual([2, 2]);
  });

  it.each([
    ['nor a ticket', [lid]],
    ['and in whose ticket nobody may write', [ticket]],
  ])('%s cannot be reached', async (_case, addresses) => {
    const failure = await failureOf(send(connectionTo(whaticket.url), { addresses }));

    expect([failure.code, typeof failure.detail.reason]).toEqual(['CUSTOMER_UNREACHABLE', 'string']);
  });

  it('cannot be reached in a ticket that is not there', async () => {
    const connection = connectionTo(whaticket.url, { login: login() });
    const addresses = [{ kind: 'ticket', value: '99/../1' }] as const;

    expect((await failureOf(send(connection, { addresses }))).code).toBe('CUSTOMER_UNREACHABLE');
  });

  it('waits for nobody when the user cannot log in', async () => {
    const connection = connectionTo(whaticket.url, { login: login('errada') });

    const failure = await failureOf(send(connection, { addresses: [ticket] }));

    expect(failure).toMatchObject({ code: 'GATEWAY_CREDENTIALS_REFUSED', detail: { step: 'login' } });
  });

  it('was sent nothing when the gateway is out of reach at the login', async () => {
    const connection = connectionTo(whaticket.url, { login: login() });
    whaticket.faults.set({ mode: 'down' });

    const failure = await failureOf(send(connection, { addresses: [ticket] }));

    expect(failure).toMatchObject({ code: 'GATEWAY_UNREACHABLE', detail: { step: 'login' } });
  });

  it('may have got what was cut off in the ticket', async () => {
    const connection = connectionTo(whaticket.url, { login: login() });
    whaticket.faults.set({ mode: 'drop-after-accepting' });

    expect((await failureOf(send(connection, { addresses: [ticket] }))).code).toBe('GATEWAY_OUTCOME_UNKNOWN');
    expect(whaticket.sent).toHaveLength(1);
  });
});

describe('withoutTemplates', () => {
  it.each([
    ['{{name}}', '{\u200B{name}}'],
    ['{{{name}}}', '{\u200B{\u200B{name}}}'],
    ['{ a: { b } }', '{ a: { b } }'],
  ])('turns %j into %j', (text, safe) => {
    expect(withoutTemplates(text)).toBe(safe);
  });
});
