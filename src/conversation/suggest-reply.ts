import type { FoundPassage } from '../knowledge/knowledge.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { MessageId } from '../vocabulary/ids.ts';
import { composeDraft } from './compose-reply.ts';
import type { Turn } from './conversation.ts';
import { prepare } from './decide-turn.ts';
import type { DecideNeeds } from './decide-turn.ts';
import { offlineAnswer } from './offline-answer.ts';
import { phrasesFor } from './phrases.ts';

/** A draft for a person, who sends it, changes it or leaves it. */
export interface Suggestion {
  readonly text: string;
  /** By the model's own account; null where no model wrote it. */
  readonly confidence: number | null;
  /** The model that wrote it; null where none did. */
  readonly model: string | null;
  /** The customer's messages that it answers. */
  readonly answers: readonly MessageId[];
  readonly found: readonly FoundPassage[];
}

/**
 * Drafts an answer to what the customer said last, with the search, the prompt and the models of a turn. It settles, sends
 * and stores nothing, so it is safe to repeat.
 *
 * @param time.deadline on the monotonic clock.
 */
export async function suggestReply(
  needs: DecideNeeds,
  { turn, tenant }: { turn: Turn; tenant: Tenant },
  time: { deadline: number; signal: AbortSignal },
): Promise<Suggestion> {
  const { question, passages, request } = await prepare(needs, { turn, tenant });
  const { draft } = await composeDraft(needs, request, time);
  const answers = turn.messages.map(({ id }) => id);
  if (draft === undefined) {
    const { text } = offlineAnswer(question, passages, { phrases: phrasesFor(tenant.locale), company: tenant.name });
    return { text, confidence: null, model: null, answers, found: passages };
  }
  const { reply: text, confidence, usage } = draft;
  return { text, confidence, model: usage.model, answers, found: passages };
}
