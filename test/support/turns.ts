import type { Turn, UnansweredMessage } from '../../src/conversation/conversation.ts';
import { ChannelId, ContactId, ConversationId, MessageId, newId, TenantId } from '../../src/vocabulary/ids.ts';

/** Noon of an ordinary day, by the database's clock. */
export const NOON = new Date('2026-08-01T12:00:00Z');

export function unanswered(text: string | undefined, more: Partial<UnansweredMessage> = {}): UnansweredMessage {
  return {
    id: newId(MessageId),
    kind: 'text',
    text,
    quotedText: undefined,
    saidAt: NOON,
    receivedAt: NOON,
    requestId: undefined,
    ...more,
  };
}

/** A turn over these messages that nothing stands in the way of. */
export function turnOver(messages: readonly UnansweredMessage[], more: Partial<Turn> = {}): Turn {
  return {
    conversationId: newId(ConversationId),
    tenantId: newId(TenantId),
    channelId: newId(ChannelId),
    contactId: newId(ContactId),
    contactTags: [],
    owner: 'bot',
    ownerLapsesAt: undefined,
    epoch: 0,
    fence: '1',
    attempts: 1,
    deaths: 0,
    unsureInARow: 0,
    messages,
    knownUpTo: '0',
    lastSaidAt: undefined,
    episodeStartedAt: NOON,
    courtesy: { isOptedOut: false, introducedAt: NOON, awaySaidAt: undefined, surveyId: undefined },
    now: NOON,
    counts: { answeredLastMinute: 0, answeredLastDay: 0, turnsLastTenMinutes: 0, spentLastDay: 0 },
    ...more,
  };
}
