/** Who answers next. */
export const OWNERS = ['bot', 'human', 'nobody'] as const;
export type Owner = (typeof OWNERS)[number];

/** A handoff that is not over: somebody is called, or somebody came. */
export type OpenHandoff = 'waiting' | 'taken';

export interface Ownership {
  readonly owner: Owner;
  readonly handoff: OpenHandoff | undefined;
}

/** Who shall answer next; for a human, whether one is merely called or is there. */
export type WantedOwner =
  { readonly to: 'human'; readonly handoff: OpenHandoff } | { readonly to: 'bot' } | { readonly to: 'nobody' };

export interface OwnerDecision {
  readonly owner: Owner;
  /** What becomes of the handoff; undefined when there is none and none begins. */
  readonly handoff: OpenHandoff | 'returned' | 'closed' | undefined;
  /** Whether this is a change at all. Only a change raises the epoch and takes back what is not yet sent. */
  readonly moves: boolean;
}

/** When a takeover lapses that nobody renews; undefined for 0 minutes, which is never. */
export function lapseAfter(minutes: number, now: Date): Date | undefined {
  return minutes === 0 ? undefined : new Date(now.getTime() + minutes * 60_000);
}

/**
 * What a change of owner means. Pure: the store saves what this returns.
 *
 * Calling a person when one is there already changes nothing: a taken handoff is never put back to waiting.
 */
export function decideOwner(now: Ownership, wanted: WantedOwner): OwnerDecision {
  const handoff = handoffAfter(now.handoff, wanted);
  return { owner: wanted.to, handoff, moves: wanted.to !== now.owner || handoff !== now.handoff };
}

function handoffAfter(open: OpenHandoff | undefined, wanted: WantedOwner): OwnerDecision['handoff'] {
  switch (wanted.to) {
    case 'human':
      return open === 'taken' ? open : wanted.handoff;
    case 'bot':
      return open && 'returned';
    case 'nobody':
      return open && 'closed';
  }
}
