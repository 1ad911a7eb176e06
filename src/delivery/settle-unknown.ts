import type { Logger } from '../platform/logger.ts';
import { sha256 } from '../platform/crypto.ts';
import { monotonicMs } from '../platform/time.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import { readBackMade, unknownSendSettled } from '../vocabulary/events.ts';
import type { ReadBackMade, UnknownSendSettled } from '../vocabulary/events.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { Gateway, SaidByUs } from '../vocabulary/gateway.ts';
import type { ChannelId, ConversationId, TenantId } from '../vocabulary/ids.ts';
import { normalisedText } from '../vocabulary/message.ts';
import { READ_BACK_SLACK_MS, READ_BACK_TIMEOUT_MS } from './delivery.ts';
import { giveUp } from './give-up.ts';
import type { GiveUpNeeds } from './give-up.ts';
import type { OpenBubble, OutboxStore } from './outbox-store.ts';
import { beginReadBack, findClaimedIds, markReadBack } from './read-back-store.ts';
import type { SoughtBubble } from './read-back-store.ts';
import { openAddresses } from './sealed-addresses.ts';

/** What the settling of an unknown send needs from the rest of the system, and nothing more. */
export interface SettleUnknownNeeds extends GiveUpNeeds {
  readonly outbox: Pick<OutboxStore, 'resend'>;
  readonly gateway: Pick<Gateway, 'readBack'>;
  readonly channelOf: (id: ChannelId) => Promise<Channel | undefined>;
  readonly keysOf: (tenantId: TenantId) => Promise<TenantKeys>;
  readonly log: Logger;
}

/** Copies of one text that the policy may send, after which it is nobody's to send again. */
const RESENDS_MAX = 1;
/**
 * Looks for one send. The first that ends decides; another one is for whoever died looking, or lost the database with the
 * answer in hand. Each may cost an unread badge.
 */
const READ_BACKS_MAX = 3;

/**
 * Settles a send whose echo has not come in time: by looking for it at the gateway, where that can be done, and else by the
 * channel's policy. Its words are never sent again before one of the two has decided so.
 *
 * Safe to run again, and by several at once: one of them looks, and each step is taken only from the state it was decided in.
 */
export async function settleUnknown(needs: SettleUnknownNeeds, id: ConversationId, head: OpenBubble): Promise<void> {
  const channel = await needs.channelOf(head.channelId);
  const settledBy = (by: UnknownSendSettled['settledBy']): void => {
    unknownSendSettled(needs.log, { conversationId: id, outboxId: head.id, settledBy: by });
  };
  // Whoever has taken over reads the chat there, and must not lose the badge to us; and nothing is said again for us anyway.
  if (channel !== undefined && head.readBacks < READ_BACKS_MAX && !head.isOfOlderEpoch) {
    const sought = await beginReadBack(needs.db, head);
    // Somebody else is looking, or the send is settled.
    if (sought === undefined) return;
    const said = await find(needs, { id, head, channel, sought });
    if (said !== undefined) {
      if (await markReadBack(needs.db, head, said.providerMessageId)) settledBy('read-back');
      return;
    }
  }
  if (channel?.onUnknown === 'resend' && head.resends < RESENDS_MAX && !head.isOfOlderEpoch) {
    if (await needs.outbox.resend(head)) settledBy('resend');
    return;
  }
  if (await giveUp(needs, { id, row: head, reason: 'GATEWAY_OUTCOME_UNKNOWN' })) settledBy('hand-over');
}

interface Search {
  readonly id: ConversationId;
  readonly head: OpenBubble;
  readonly channel: Channel;
  readonly sought: SoughtBubble;
}

/** Looks for a send at the gateway. Never throws: what cannot be read is not found, and the policy decides. */
async function find(needs: SettleUnknownNeeds, { id, head, channel, sought }: Search): Promise<SaidByUs | undefined> {
  const made = (outcome: ReadBackMade['outcome'], failure?: string): void => {
    const event = { conversationId: id, outboxId: head.id, outcome };
    readBackMade(needs.log, failure === undefined ? event : { ...event, failure });
  };
  const startedAt = monotonicMs();
  const signal = AbortSignal.timeout(READ_BACK_TIMEOUT_MS);
  try {
    const { ticketId } = sought;
    const recipient = { addresses: openAddresses(sought, await needs.keysOf(sought.tenantId)), ticketId };
    const said = await needs.gateway.readBack(channel.gateway, recipient, signal);
    if (said === undefined) {
      made('not-possible');
      return undefined;
    }
    const candidates = sameWords(said, sought, monotonicMs() - startedAt);
    const claimed = await findClaimedIds(
      needs.db,
      head,
      candidates.map((candidate) => candidate.providerMessageId),
    );
    const found = candidates.filter((candidate) => !claimed.has(candidate.providerMessageId)).at(sought.twins);
    made(found === undefined ? 'not-found' : 'found');
    return found;
  } catch (error) {
    const isExpected = error instanceof Failure || signal.aborted;
    made('failed', error instanceof Failure ? error.code : isExpected ? 'timeout' : 'unexpected');
    if (!isExpected) needs.log.warn({ err: error, outboxId: head.id }, 'A send could not be read back');
    return undefined;
  }
}

/** What may be this send: its words, and not said before it began. Oldest first. */
export function sameWords(
  said: readonly SaidByUs[],
  sought: Pick<SoughtBubble, 'textHash' | 'sentMsAgo'>,
  elapsedMs: number,
): readonly SaidByUs[] {
  const oldestMs = sought.sentMsAgo + elapsedMs + READ_BACK_SLACK_MS;
  return said
    .filter(({ text, saidMsAgo }) => saidMsAgo <= oldestMs && sha256(normalisedText(text)).equals(sought.textHash))
    .toSorted((left, right) => right.saidMsAgo - left.saidMsAgo);
}
