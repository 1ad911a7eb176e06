import type { z } from 'zod';
import type { OpenClock } from '../handoff/sla-store.ts';
import type { Conversation } from './contract/conversations.ts';

/** A clock as the API tells it. */
export function shownClock({ kind, dueAt, state }: OpenClock): z.input<typeof Conversation>['sla'][number] {
  return { kind, dueAt: dueAt?.toISOString() ?? null, state };
}
