import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/platform/secret.ts';
import type { FailureCode } from '../../src/vocabulary/failures.ts';
import { Failure } from '../../src/vocabulary/failures.ts';
import type { Gateway, GatewayConnection, GatewayProfile } from '../../src/vocabulary/gateway.ts';
import { normalisedText } from '../../src/vocabulary/message.ts';
import { WhaticketStandIn } from './whaticket-stand-in.ts';

export interface GatewayContract {
  readonly profile: GatewayProfile;
  /** A gateway that may call 127.0.0.1 and waits for an answer no longer than 500 ms. */
  readonly gateway: Gateway;
  /** What becomes of a number that nobody has: some forks do not say that it is the number. */
  readonly notOnWhatsApp: FailureCode;
  /** What becomes of a 200 that says nothing: where success has no body, there is nothing to miss. */
  readonly garbage: FailureCode | 'sent';
}

const PHONE = '5511988887777';
const NOBODY = '5511900000000';
const TOKEN = 'token-da-conexao';

/** The slow answer comes well after the client has given up. */
const SLOW_MS = 3_000;

/** Every fork's send, by whoever implements it: what was sent is sent once, and what was not is said not to be. */
export function describeGatewayContract({ profile, gateway, ...expected }: GatewayContract): void {
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
      options: { phone?: string; to?: GatewayConnection; signal?: AbortSignal } = {},
    ): Promise<{ outcome: unknown; received: readonly string[] }> {
      const before = whaticket.sent.length;
      const addresses = [{ kind: 'phone', value: options.phone ?? PHONE }] as const;
      const signal = options.signal ?? new AbortController().signal;
      const outcome = await gateway
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

      expect((await sending('oi')).outcome).toBe('GATEWAY_OUTCOME_UNKNOWN');
    });

    it('makes of an answer without sense what the fork allows', async () => {
      whaticket.faults.set({ mode: 'garbage' });

      expect(await sending('oi')).toEqual({ outcome: expected.garbage, received: ['oi'] });
    });

    it('says that a gateway is out of reach when nobody listens there', async () => {
      const closed = await WhaticketStandIn.start();
      await closed.close();

      expect((await sending('oi', { to: connection({ baseUrl: closed.url }) })).outcome).toBe('GATEWAY_UNREACHABLE');
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

function outcomeOf(error: unknown): unknown {
  return error instanceof Failure ? error.code : error;
}
