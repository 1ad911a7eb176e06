import pLimit from 'p-limit';
import { openModels } from './compose-models.ts';
import type { ModelsConfig } from './compose-models.ts';
import type { Base } from './composition.ts';
import { keepSpending, PaidModels } from './conversation/contact-spending.ts';
import { emptyContext, remember } from './conversation/conversation-context.ts';
import type { DecideNeeds } from './conversation/decide-turn.ts';
import { rehearseTurn } from './conversation/rehearse-turn.ts';
import { suggestReply } from './conversation/suggest-reply.ts';
import { findPassages } from './knowledge/passage-store.ts';
import type { PanelNeeds } from './panel/needs.ts';
import { RateLimiter } from './platform/rate-limiter.ts';
import { monotonicMs, systemClock } from './platform/time.ts';
import { Failure } from './vocabulary/failures.ts';

/** Of a tenant: people who try out and who draft, not traffic. */
const ASSISTANT_CALLS = { name: 'assistant', points: 60, perSeconds: 60 };
/** Calls of the API that ask a model. The workers have their own. */
const ASSISTANT_AT_ONCE = 8;
const ASSISTANT_WAITING_MAX = 40;
/** A person waits for it. */
const ASSISTANT_DEADLINE_MS = 15_000;
const BUSY_RETRY_MS = 5_000;

/** The bot as people ask it: what it would do, and what it would suggest. It sends nothing, and stores nothing but what it cost for whom. */
export function openAssistant(config: ModelsConfig, base: Base): PanelNeeds['assistant'] {
  const { db, redis, redisHealth, closing, log } = base;
  const models = openModels(config, base, { callsMax: ASSISTANT_AT_ONCE });
  const needs: Pick<DecideNeeds, 'knowledge' | 'models' | 'log'> = {
    knowledge: { find: (tenantId, question) => findPassages(db, tenantId, question) },
    models,
    log,
  };
  const stopping = closing.keep('assistant', new AbortController(), (it) => {
    it.abort(new Error('The process is ending'));
  });
  const limit = pLimit(ASSISTANT_AT_ONCE);
  const inLine = async <Result>(
    ask: (time: { deadline: number; signal: AbortSignal }) => Promise<Result>,
  ): Promise<Result> => {
    if (limit.pendingCount >= ASSISTANT_WAITING_MAX) {
      throw new Failure('TOO_MANY_REQUESTS', { retryAfterMs: BUSY_RETRY_MS });
    }
    const deadline = monotonicMs() + ASSISTANT_DEADLINE_MS;
    return await limit(() => ask({ deadline, signal: stopping.signal }));
  };
  return {
    limiter: new RateLimiter(ASSISTANT_CALLS, redis, redisHealth),
    rehearse: (tenant, rehearsal) =>
      inLine((time) => rehearseTurn(needs, { tenant, rehearsal, now: systemClock.now() }, time)),
    suggest: (tenant, { turn, past }) =>
      inLine(async (time) => {
        const contextOf = () => Promise.resolve(remember(emptyContext(), past, turn.knownUpTo));
        const paid = new PaidModels(models);
        try {
          return await suggestReply({ ...needs, models: paid.models, contextOf }, { turn, tenant }, time);
        } finally {
          await keepSpending(base, turn, paid.usd);
        }
      }),
  };
}
