import type { StoredBubble } from './history.ts';
import { GIVEN_UP_STATES, nameOfBubble, SENT_STATES } from './story.ts';
import type { Story } from './story.ts';
import type { Violation } from './violation.ts';

/** What settled the sends of which nothing was known for a while. */
export const SETTLERS = ['echo', 'read-back', 'late-answer', 'resend', 'hand-over', 'another-reason'] as const;
export type Settler = (typeof SETTLERS)[number];

/** Sends of which the gateway gave no sign, in the channels where nothing can be known: promised to be counted, not to be avoided. */
export interface Unsettled {
  /** Said once more by the channel's policy, and how many of those the customer then had twice. */
  readonly resent: number;
  readonly secondCopies: number;
  /** Given to a person by the channel's policy, and how many of those the customer had all the same. */
  readonly handedOver: number;
  readonly handedOverYetReceived: number;
}

/** Only where nothing else can be known does a channel say something once more, and only if it wants to. */
export function copiesAllowed(story: Story, bubble: StoredBubble): number {
  const channel = story.channelOf(bubble.conversationId);
  const canBeKnown = channel === undefined || channel.hasEcho || channel.hasLogin;
  return !canBeKnown && channel.onUnknown === 'resend' ? bubble.resentAt.length : 0;
}

/** What was unknown and has an end must say what settled it: a sign, the policy, or why it was given up. */
export function* unknownWithoutReason(story: Story): Generator<Violation> {
  for (const { bubble } of story.told) {
    const hasEnd = SENT_STATES.includes(bubble.state) || GIVEN_UP_STATES.includes(bubble.state);
    if (bubble.wasUnknown && hasEnd && settlerOf(bubble) === undefined) {
      yield { kind: 'lost', detail: `${nameOfBubble(bubble)} was unknown, and nothing is recorded of what settled it` };
    }
  }
}

/** How many of the sends that were unknown each of them settled, all channels together. */
export function countSettlers(story: Story): Readonly<Record<Settler, number>> {
  const unknown = story.told.filter(({ bubble }) => bubble.wasUnknown).map(({ bubble }) => settlerOf(bubble));
  const counts = SETTLERS.map((settler) => [settler, unknown.filter((it) => it === settler).length] as const);
  return Object.fromEntries(counts) as Record<Settler, number>;
}

function settlerOf({ state, settledBy, failure, resentAt }: StoredBubble): Settler | undefined {
  if (resentAt.length > 0) return 'resend';
  if (SENT_STATES.includes(state)) return SETTLERS.find((settler) => settler === settledBy);
  if (failure === undefined) return undefined;
  return failure === 'GATEWAY_OUTCOME_UNKNOWN' ? 'hand-over' : 'another-reason';
}

export function countUnsettled(story: Story): Unsettled {
  const blind = story.told.filter(({ bubble }) => {
    const channel = story.channelOf(bubble.conversationId);
    return channel?.hasEcho === false && !channel.hasLogin && bubble.wasUnknown;
  });
  const resent = blind.filter(({ bubble }) => bubble.resentAt.length > 0);
  const handedOver = blind.filter(
    ({ bubble }) => bubble.resentAt.length === 0 && GIVEN_UP_STATES.includes(bubble.state),
  );
  return {
    resent: resent.length,
    secondCopies: resent.reduce((total, { copies }) => total + Math.max(0, copies.length - 1), 0),
    handedOver: handedOver.length,
    handedOverYetReceived: handedOver.filter(({ copies }) => copies.length > 0).length,
  };
}
