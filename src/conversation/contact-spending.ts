import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { Logger } from '../platform/logger.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import type { Draft, Model } from '../vocabulary/model.ts';
import type { Schema } from '../vocabulary/schema.ts';

/**
 * Models that remember what their answers cost, whatever becomes of those: an answer that nobody can use, or that nobody
 * gets, is billed like any other.
 */
export class PaidModels {
  readonly models: readonly Model[];
  #usd = 0;

  constructor(models: readonly Model[]) {
    this.models = models.map((model) => ({
      name: model.name,
      compose: async (request, signal) => await this.#paid(model.compose(request, signal)),
    }));
  }

  /** In US dollars, as far as prices are known. */
  get usd(): number {
    return this.#usd;
  }

  /** What was paid until now stands somewhere else. */
  forget(): void {
    this.#usd = 0;
  }

  async #paid(answering: Promise<Draft>): Promise<Draft> {
    try {
      const draft = await answering;
      this.#usd += draft.usage.costUsd ?? 0;
      return draft;
    } catch (error) {
      const costUsd = error instanceof Failure ? error.detail.costUsd : undefined;
      this.#usd += typeof costUsd === 'number' ? costUsd : 0;
      throw error;
    }
  }
}

/**
 * Hours that a contact has a row for. What was paid at the end of an hour counts for a day, what was paid at its beginning an
 * hour longer; so there are twenty-five, and the next one takes the place of the first. Nothing has to be removed.
 */
export const HOURS_KEPT = 25;

/** Whose money it is: a conversation's contact. */
export type SpentOn = { readonly conversationId: ConversationId } | { readonly handoffId: string };

/**
 * Adds to what models have cost for a contact without a committed turn: suggestions, packets, and drafts that came to
 * nothing. What a turn has paid for stands in its trace, where it is committed with the turn and costs no statement; the
 * limit is held against the sum of both.
 *
 * Never throws: nobody's answer should fail because its price could not be written down. Not safe to repeat, and after a
 * commit whose outcome nobody knows the same money may stand in both places; the limit is then reached sooner.
 */
export async function keepSpending(
  { db, log }: { db: Kysely<Schema>; log: Logger },
  spent: SpentOn,
  usd: number,
): Promise<void> {
  if (usd <= 0) return;
  const id =
    'handoffId' in spent
      ? sql`(select conversation_id from handoff where id = ${spent.handoffId})`
      : sql`${spent.conversationId}`;
  try {
    await sql`
      insert into contact_spending as kept (tenant_id, contact_id, slot, hour, micro_usd)
      select tenant_id, contact_id, floor(extract(epoch from now()) / 3600)::bigint % ${HOURS_KEPT}::int,
             date_trunc('hour', now(), 'UTC'), round(${usd}::numeric * 1000000)::bigint
        from conversation where id = ${id}
      on conflict (tenant_id, contact_id, slot) do update set hour = excluded.hour,
             micro_usd = excluded.micro_usd + case when kept.hour = excluded.hour then kept.micro_usd else 0 end`.execute(
      db,
    );
  } catch (error) {
    log.error({ err: error, usd }, 'What a model cost could not be counted for its contact');
  }
}
