import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/platform/secret.ts';
import type { FailureCode } from '../../src/vocabulary/failures.ts';
import { Failure } from '../../src/vocabulary/failures.ts';
import type { Gateway, GatewayConnection, GatewayProfile, Recipient } from '../../src/vocabulary/gateway.ts';
import { normalisedText } from '../../src/vocabulary/message.ts';
import type { Connection } from './connection.ts';
import { WhaticketStandIn } from './whaticket-stand-in.ts';

export interface GatewayContract {
  readonly profile: GatewayProfile;
  /** A gateway that may call 127.0.0.1, and waits for an answer longer than a test is ever held up. */
  readonly gateway: Gateway;
  /** One that waits no longer than 500 ms. */
  readonly hasty: Gateway;
  /** What becomes of a number that nobody has: some forks do not say that it is the number. */
  readonly notOnWhatsApp: FailureCode;
  /** What becomes of a 200 that says nothing: where success has no body, there is nothing to miss. */
  readonly garbage: FailureCode | 'sent';
  /** Which sends can be found again in the customer's ticket, by a user of the gateway. */
  readonly readsBack: 'all' | 'in-ticket' | 'none';
}

const PHONE = '5511988887777';
const NOBODY = '5511900000000';
const TOKEN = 'token-da-conexao';

/** The slow answer comes well after the client has given up. */
const SLOW_MS = 3_000;

/** Every fork's send and read-back, by whoever implements it: what was sent is sent once, and what was not is said not to be. */
export function describeGatewayContract(contract: GatewayContract): void {
  describeSending(contract);
  describeReadingBack(contract);
}

function describeSending({ profile, gateway, hasty, ...expected }: GatewayContract): void {
  describe(`the gateway to a ${profile} Whaticket`, () => {
    let whaticket: WhaticketStandIn;
    beforeAll(async () => {
      whaticket = await WhaticketStandIn.start();
      const auth = { kind: 'hmac', secret: 'segredo-de-teste' } as const;
      const webhook = { url: 'http://127.0.0.1:9/', shape: 'W1', auth } as const;
      whaticket.addConnection({ name: 'Suporte', profile, token: TOKEN, echoes: false, webhook });
      whaticket.phonesNotOnWhatsApp.add(NOBODY);
    });
    afterAll(() => whaticket.close());
    afterEach(() => {
      whaticket.faults.set({ mode: 'none' });
    });

    function connection(changes: Partial<GatewayConnection> = {}): GatewayConnection {
      const token = Secret.of(TOKEN);
      return { profile, baseUrl: whaticket.url, token, login: undefined, connectionId: undefined, ...changes };
    }

    /** How it ended, and what the customer got of it. */
    async function sending(
      text: string,
      options: { phone?: string; to?: GatewayConnection; signal?: AbortSignal; through?: Gateway } = {},
    ): Promise<{ outcome: unknown; received: readonly string[] }> {
      const before = whaticket.sent.length;
      const addresses = [{ kind: 'phone', value: options.phone ?? PHONE }] as const;
      const signal = options.signal ?? new AbortController().signal;
      const outcome = await (options.through ?? gateway)
        .sendText(options.to ?? connection(), { addresses, ticketId: undefined, text }, signal)
        .then(() => 'sent', outcomeOf);
      return { outcome, received: whaticket.sent.slice(before).map((message) => message.text) };
    }

    it.each([
      ['plain words', 'Olá! Seu pedido saiu para entrega.'],
      ['characters that HTML escapes', `<b>D'Ávila & "Filhos"</b> / 2 = 1`],
      ['emoji and lines', 'Bom dia 👩‍👩‍👧\n\n*Itens*:\n- pão'],
    ])('brings %s unharmed', async (_case, text) => {
      expect(await sending(text)).toEqual({ outcome: 'sent', received: [text] });
    });

    it.each(['Use {{name}} no texto', 'Feche com {{#se x', 'Só {{', '{{{protocol}}}', '{{{{'])(
      'brings %j as it reads, whatever the template engine makes of it',
      async (text) => {
        const { outcome, received } = await sending(text);

        expect(outcome).toBe('sent');
        expect(received.map((it) => it.replaceAll('\u200B', ''))).toEqual([text]);
        expect(received.map(normalisedText)).toEqual([normalisedText(text)]);
      },
    );

    it('says that the credentials are refused', async () => {
      const to = connection({ token: Secret.of('outro-token') });

      expect(await sending('oi', { to })).toEqual({ outcome: 'GATEWAY_CREDENTIALS_REFUSED', received: [] });
    });

    it('says what it knows of a number that nobody has', async () => {
      expect(await sending('oi', { phone: NOBODY })).toEqual({ outcome: expected.notOnWhatsApp, received: [] });
    });

    it.each([
      ['session-down', 'GATEWAY_SESSION_DOWN'],
      ['credentials-refused', 'GATEWAY_CREDENTIALS_REFUSED'],
      ['throttled', 'GATEWAY_THROTTLED'],
      ['server-error', 'GATEWAY_OUTCOME_UNKNOWN'],
      ['drop-before-accepting', 'GATEWAY_OUTCOME_UNKNOWN'],
      ['redirect', 'GATEWAY_REFUSED'],
      ['down', 'GATEWAY_OUTCOME_UNKNOWN'],
    ] as const)('when the gateway is %s says %s, and nothing was sent', async (mode, code) => {
      whaticket.faults.set({ mode });

      expect(await sending('oi')).toEqual({ outcome: code, received: [] });
    });

    it('says that nobody listens where nobody listens', async () => {
      const gone = await WhaticketStandIn.start();
      await gone.close();

      expect(await sending('oi', { to: connection({ baseUrl: gone.url }) })).toEqual({
        outcome: 'GATEWAY_UNREACHABLE',
        received: [],
      });
    });

    it('says that the outcome is unknown when the line drops after the customer got it', async () => {
      whaticket.faults.set({ mode: 'drop-after-accepting' });

      expect(await sending('oi')).toEqual({ outcome: 'GATEWAY_OUTCOME_UNKNOWN', received: ['oi'] });
    });

    it('says that the outcome is unknown when no answer comes in time', async () => {
      whaticket.faults.set({ mode: 'slow', delayMs: SLOW_MS });

      expect((await sending('oi', { through: hasty })).outcome).toBe('GATEWAY_OUTCOME_UNKNOWN');
    });

    it('makes of an answer without sense what the fork allows', async () => {
      whaticket.faults.set({ mode: 'garbage' });

      expect(await sending('oi')).toEqual({ outcome: expected.garbage, received: ['oi'] });
    });

    it('hands on a cancellation that came before anything was written', async () => {
      const reason = new Error('The epoch moved');

      expect(await sending('oi', { signal: AbortSignal.abort(reason) })).toEqual({ outcome: reason, received: [] });
    });

    it('says that the outcome is unknown when it is cancelled while it waits for the answer', async () => {
      whaticket.faults.set({ mode: 'drop-after-accepting' });
      const cancelling = new AbortController();
      const stop = whaticket.onSent(() => {
        cancelling.abort(new Error('Shutting down'));
      });

      const { outcome, received } = await sending('oi', { signal: cancelling.signal });
      stop();

      expect({ outcome, received }).toEqual({ outcome: 'GATEWAY_OUTCOME_UNKNOWN', received: ['oi'] });
    });
  });
}

/** Which of its ways a fork has; the others say that they have none. */
function describeReadingBack({ profile, gateway, readsBack }: GatewayContract): void {
  describe(`what was sent through a ${profile} Whaticket, read back`, () => {
    let whaticket: WhaticketStandIn;
    let suporte: Connection;
    beforeEach(async () => {
      whaticket = await WhaticketStandIn.start();
      const webhook = { url: 'http://127.0.0.1:9/', shape: 'W1', auth: { kind: 'hmac', secret: 'x' } } as const;
      suporte = whaticket.addConnection({ name: 'Suporte', profile, token: TOKEN, echoes: false, webhook });
      await anaWrites();
    });
    afterEach(() => whaticket.close());

    /** Nobody listens for the webhook; the ticket has the message all the same. */
    async function anaWrites(): Promise<void> {
      await expect(suporte.customerWrites({ phone: PHONE, name: 'Ana', text: 'Quanto custa?' })).rejects.toThrow();
    }

    const ana: Recipient = { addresses: [{ kind: 'phone', value: PHONE }], ticketId: undefined };
    const inTicket: Recipient = { addresses: [{ kind: 'ticket', value: '4711' }], ticketId: undefined };
    const never = new AbortController().signal;

    function connection(changes: Partial<GatewayConnection> = {}): GatewayConnection {
      const login = { email: whaticket.login.email, password: Secret.of(whaticket.login.password) };
      const baseUrl = whaticket.url;
      return { profile, baseUrl, token: Secret.of(TOKEN), login, connectionId: undefined, ...changes };
    }

    async function say(recipient: Recipient, ...texts: readonly string[]): Promise<void> {
      for (const text of texts) await gateway.sendText(connection(), { ...recipient, text }, never);
    }

    async function heardBack(recipient: Recipient, to = connection()): Promise<readonly string[] | undefined> {
      return (await gateway.readBack(to, recipient, never))?.map(({ text }) => text);
    }

    async function failureOf(recipient: Recipient, to = connection()): Promise<unknown> {
      return await gateway.readBack(to, recipient, never).then(() => 'read', outcomeOf);
    }

    it(readsBack === 'all' ? 'is there, in its order' : 'is not to be found when it went to a number', async () => {
      await say(ana, 'Custa R$ 8,00.', 'Use {{name}}');

      const texts = await heardBack(ana);

      expect(texts?.map(normalisedText)).toEqual(readsBack === 'all' ? ['Custa R$ 8,00.', 'Use {{name}}'] : undefined);
      if (readsBack !== 'all') expect(whaticket.looks).toBe(0);
    });

    it('is not looked for where no user of the gateway is known', async () => {
      expect(await heardBack(ana, connection({ login: undefined }))).toBeUndefined();
      expect([whaticket.logins, whaticket.looks]).toEqual([0, 0]);
    });

    if (readsBack === 'none') return;

    it('is there when it was said in the ticket', async () => {
      await say(inTicket, 'Custa R$ 8,00.');

      expect(await heardBack(inTicket)).toEqual(['Custa R$ 8,00.']);
    });

    it('has an id of its own and the age that the gateway gives it', async () => {
      await say(inTicket, 'Bom dia', 'Bom dia');

      const said = (await gateway.readBack(connection(), inTicket, never)) ?? [];

      expect(new Set(said.map(({ providerMessageId }) => providerMessageId)).size).toBe(2);
      for (const { saidMsAgo } of said) expect(Math.abs(saidMsAgo)).toBeLessThan(WHOLE_SECONDS_MS);
    });

    it('costs the unread badge, except where the fork asks first', async () => {
      await say(inTicket, 'Custa R$ 8,00.');
      await anaWrites();
      const before = whaticket.unreadOf(suporte, PHONE);

      await heardBack(inTicket);

      expect([before, whaticket.unreadOf(suporte, PHONE)]).toEqual([1, profile === 'ticketz' ? 1 : 0]);
    });

    it('is read by a user whose token has run out, who logs in again', async () => {
      await heardBack(inTicket);
      whaticket.expireLogins();

      expect(await heardBack(inTicket)).toEqual([]);
      expect(whaticket.logins).toBe(2);
    });

    it.each([
      ['session-down', 'GATEWAY_SESSION_DOWN'],
      ['throttled', 'GATEWAY_THROTTLED'],
      ['drop-before-accepting', 'GATEWAY_OUTCOME_UNKNOWN'],
    ] as const)('fails where looking fails: %s is %s', async (mode, code) => {
      whaticket.lookFaults.set({ mode });

      expect(await failureOf(inTicket)).toBe(code);
    });

    it('fails where the user cannot log in', async () => {
      const login = { email: whaticket.login.email, password: Secret.of('errada') };

      expect(await failureOf(inTicket, connection({ login }))).toBe('GATEWAY_CREDENTIALS_REFUSED');
    });

    it('is nothing where the answer makes no sense', async () => {
      whaticket.lookFaults.set({ mode: 'garbage' });

      expect(await heardBack(inTicket)).toEqual([]);
    });

    if (readsBack === 'in-ticket') return;

    it('is found by the number where no ticket is known, with or without its ninth digit', async () => {
      await say(ana, 'Custa R$ 8,00.');
      const short = { ...ana, addresses: [{ kind: 'phone', value: PHONE.replace('119', '11') }] } as const;

      expect(await heardBack(short)).toEqual(['Custa R$ 8,00.']);
    });

    it('is not looked for under a number that has no ticket, nor one of somebody else', async () => {
      const bia = { ...ana, addresses: [{ kind: 'phone', value: '5521988887777' }] } as const;

      expect(await heardBack(bia)).toBeUndefined();
      expect(whaticket.looks).toBe(0);
    });

    it('is not looked for where the number has tickets on two connections, unless we know ours', async () => {
      const webhook = { url: 'http://127.0.0.1:9/', shape: 'W1', auth: { kind: 'hmac', secret: 'x' } } as const;
      const vendas = whaticket.addConnection({ name: 'Vendas', profile, token: 'outro', echoes: false, webhook });
      await expect(vendas.customerWrites({ phone: PHONE, text: 'Oi' })).rejects.toThrow();
      await say(ana, 'Custa R$ 8,00.');

      expect(await heardBack(ana)).toBeUndefined();
      expect(await heardBack(ana, connection({ connectionId: '1' }))).toEqual(['Custa R$ 8,00.']);
      expect(await heardBack(ana, connection({ connectionId: '2' }))).toEqual([]);
    });
  });
}

/** What was said just now may be this old, or so much younger than nothing, by a clock of whole seconds. */
const WHOLE_SECONDS_MS = 5_000;

function outcomeOf(error: unknown): unknown {
  return error instanceof Failure ? error.code : error;
}
