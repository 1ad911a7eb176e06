import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { ReceivedEvent } from '../vocabulary/message.ts';
import { dedupeKey, waitForRestMs } from './inbound.ts';

const MINUTE_MS = 60_000;
const NOW = new Date('2026-08-01T12:00:00Z');
const INDEX_KEY = createSecretKey(Buffer.alloc(32, 1));

describe('the wait for the rest of a burst', () => {
  it.each<[number, string | undefined]>([
    [800, 'Qual é a taxa de entrega?'],
    [800, 'Obrigada!'],
    [800, 'Quero saber o preço.'],
    [800, 'ele disse "amanhã?"'],
    [2_400, 'quero saber'],
    [2_400, 'Oi'],
    [2_400, 'Oi!'],
    [2_400, 'Bom dia, tudo bem?'],
    [2_400, 'Olá.'],
    [2_400, 'oiii'],
    [2_400, ''],
    [2_400, undefined],
  ])('is %i ms after %p', (waitMs, text) => {
    expect(waitForRestMs(text, { minMs: 800, maxMs: 6_000 })).toBe(waitMs);
  });

  it('is never longer than the longest, and nothing where nobody wants to wait', () => {
    expect(waitForRestMs('oi', { minMs: 800, maxMs: 1_000 })).toBe(1_000);
    expect(waitForRestMs('oi', { minMs: 0, maxMs: 0 })).toBe(0);
  });
});

type Message = Extract<ReceivedEvent, { type: 'message' }>;

function message(more: Partial<Message> = {}): Message {
  return {
    type: 'message',
    providerMessageId: '3EB0A1B2C3D4E5F60718',
    occurredAt: NOW,
    isSelfDating: true,
    addresses: [{ kind: 'phone', value: '5511988887777' }],
    contactName: 'Ana',
    ticketId: undefined,
    kind: 'text',
    text: 'sim',
    quotedText: undefined,
    ...more,
  };
}

function keyOf(event: ReceivedEvent, more: { raw?: string; receivedAt?: Date; webhookId?: string } = {}): string {
  const { raw = '{}', receivedAt = NOW, webhookId } = more;
  return dedupeKey({ event, raw: Buffer.from(raw), receivedAt, webhookId }, INDEX_KEY);
}

describe('what makes two webhooks the same event', () => {
  it('is the provider’s id within its chat, whenever and in whatever bytes it comes again', () => {
    const again = keyOf(message({ text: 'SIM' }), {
      raw: '{"other":"bytes"}',
      receivedAt: new Date(NOW.getTime() + 24 * 60 * MINUTE_MS),
      webhookId: 'another-delivery',
    });

    expect(again).toBe(keyOf(message()));
    expect(keyOf(message({ addresses: [{ kind: 'phone', value: '551188887777' }] }))).toBe(keyOf(message()));
  });

  it.each<[string, ReceivedEvent]>([
    ['another id', message({ providerMessageId: '3EB0FFFF' })],
    ['another chat', message({ addresses: [{ kind: 'phone', value: '5511988886666' }] })],
    ['an echo', { ...message(), type: 'echo', isAutomatic: false }],
    [
      'a reaction',
      { type: 'reaction', providerMessageId: '3EB0A1B2C3D4E5F60718', occurredAt: NOW, isSelfDating: true },
    ],
  ])('is not so for %s', (...[, event]) => {
    expect(keyOf(event)).not.toBe(keyOf(message()));
  });

  it('tells the steps of a message’s way apart', () => {
    const status = { type: 'status', providerMessageId: 'x', occurredAt: NOW, isSelfDating: true } as const;

    expect(keyOf({ ...status, state: 'delivered' })).not.toBe(keyOf({ ...status, state: 'read' }));
  });

  it('are the bytes, where there is no id but a time in them', () => {
    const dated = message({ providerMessageId: undefined });
    const aDayLater = new Date(NOW.getTime() + 24 * 60 * MINUTE_MS);

    expect(keyOf(dated, { raw: 'a', receivedAt: aDayLater })).toBe(keyOf(dated, { raw: 'a' }));
    expect(keyOf(dated, { raw: 'b' })).not.toBe(keyOf(dated, { raw: 'a' }));
  });

  it('is the sender’s id of the delivery, where the bytes hold neither id nor time', () => {
    const bare = message({ providerMessageId: undefined, occurredAt: undefined, isSelfDating: false });
    const later = new Date(NOW.getTime() + MINUTE_MS);

    expect(keyOf(bare, { webhookId: 'd1', receivedAt: later })).toBe(keyOf(bare, { webhookId: 'd1' }));
    expect(keyOf(bare, { webhookId: 'd2' })).not.toBe(keyOf(bare, { webhookId: 'd1' }));
  });

  it('are equal bytes within seconds, where there is nothing else: a customer may say "sim" twice', () => {
    const bare = message({ providerMessageId: undefined, occurredAt: undefined, isSelfDating: false });

    expect(keyOf(bare)).toBe(keyOf(bare, { receivedAt: new Date(NOW.getTime() + 1_000) }));
    expect(keyOf(bare)).not.toBe(keyOf(bare, { receivedAt: new Date(NOW.getTime() + MINUTE_MS) }));
  });

  it('tells nothing about the person: another tenant’s key gives another fingerprint', () => {
    const other = dedupeKey(
      { event: message(), raw: Buffer.from('{}'), receivedAt: NOW, webhookId: undefined },
      createSecretKey(Buffer.alloc(32, 2)),
    );

    expect(other).not.toBe(keyOf(message()));
    expect(keyOf(message())).not.toContain('8888');
  });
});
