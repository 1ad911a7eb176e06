import type { Turn } from './conversation.ts';

/** What a turn that is only thought through is about. */
type Thought = Pick<
  Turn,
  | 'conversationId'
  | 'tenantId'
  | 'channelId'
  | 'contactId'
  | 'owner'
  | 'epoch'
  | 'messages'
  | 'episodeStartedAt'
  | 'now'
>;

/**
 * A turn under no lease, for a rehearsal or a suggestion: nothing can be committed with it. Nothing stands in its way, and
 * the customer counts as introduced, so that what is drafted is the answer alone.
 */
export function unleasedTurn(thought: Thought): Turn {
  return {
    ...thought,
    contactTags: [],
    courtesy: { isOptedOut: false, introducedAt: thought.now, awaySaidAt: undefined, surveyId: undefined },
    ownerLapsesAt: undefined,
    fence: '0',
    attempts: 1,
    deaths: 0,
    unsureInARow: 0,
    knownUpTo: '0',
    lastSaidAt: thought.now,
    counts: { answeredLastMinute: 0, answeredLastDay: 0, turnsLastTenMinutes: 0, spentLastDay: 0 },
  };
}
