import { Failure } from '../../vocabulary/failures.ts';
import { DeadLetterId, DocumentId } from '../../vocabulary/ids.ts';
import type { TenantId } from '../../vocabulary/ids.ts';
import type { Tx } from '../../vocabulary/schema.ts';
import {
  DeadLetter,
  discardDeadLetter,
  listDeadLetters,
  replayDeadLetter,
  replayDeadLetters,
} from '../contract/dead-letters.ts';
import type { DeadLetterFilter } from '../contract/dead-letters.ts';
import type { PanelNeeds } from '../needs.ts';
import { exactTime, olderThan, pageOf, rowsFor } from '../pages.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

/** One call replays this many, so that it ends before its caller gives up. */
const REPLAYS_MAX = 100;

export function deadLetterRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    tenantRoute(listDeadLetters, async ({ tenantId, query, inTenant }) => {
      const rows = await inTenant((tx) =>
        fitting(tx, tenantId, query)
          .select(exactTime('created_at').as('at'))
          .where(olderThan(query.cursor, 'created_at', 'id'))
          .orderBy('created_at', 'desc')
          .orderBy('id', 'desc')
          .limit(rowsFor(query.limit))
          .execute(),
      );
      return pageOf(rows, { limit: query.limit, placeOf: ({ at, id }) => ({ at, id }), itemOf: letterFromRow });
    }),
    tenantRoute(replayDeadLetters, async ({ tenantId, body, inTenant }) => {
      const open = await inTenant((tx) =>
        fitting(tx, tenantId, { ...body, state: 'open' })
          .orderBy('created_at')
          .orderBy('id')
          .limit(rowsFor(REPLAYS_MAX))
          .execute(),
      );
      let replayed = 0;
      // Each in its own transaction: those that were replayed stay so when a later one fails.
      for (const { id } of open.slice(0, REPLAYS_MAX)) {
        const outcome = await replay(needs, inTenant, { tenantId, id: DeadLetterId.parse(id) });
        if (outcome === 'replayed') replayed += 1;
      }
      return { replayed, hasMore: open.length > REPLAYS_MAX };
    }),
    tenantRoute(replayDeadLetter, async ({ tenantId, params: { deadLetterId: id }, inTenant }) => ({
      id,
      state: settledNow(await replay(needs, inTenant, { tenantId, id })),
    })),
    tenantRoute(discardDeadLetter, async ({ tenantId, params: { deadLetterId: id }, inTenant }) => ({
      id,
      state: settledNow(await inTenant((tx) => needs.deadLetters.discard(tx, tenantId, id))),
    })),
  ];
}

type InTenant = <Result>(work: (tx: Tx) => Promise<Result>) => Promise<Result>;

/** Replays one and rings for it, once that is committed. */
async function replay(needs: PanelNeeds, inTenant: InTenant, letter: { tenantId: TenantId; id: DeadLetterId }) {
  const { outcome, row } = await inTenant(async (tx) => ({
    outcome: await needs.deadLetters.replay(tx, letter.tenantId, letter.id),
    row: await fitting(tx, letter.tenantId, {}).where('id', '=', letter.id).executeTakeFirst(),
  }));
  if (outcome === 'replayed' && row !== undefined) ringFor(needs.bell, letterFromRow(row));
  return outcome;
}

function ringFor(bell: PanelNeeds['bell'], { stage, conversationId, subjectId }: DeadLetter): void {
  switch (stage) {
    case 'intake':
    case 'turn':
      if (conversationId !== null) bell.ringTurn(conversationId, 0);
      return;
    case 'delivery':
      if (conversationId !== null) bell.ringDelivery(conversationId);
      return;
    case 'knowledge':
      bell.ringDocument(DocumentId.parse(subjectId));
      return;
    case 'handoff':
    case 'notification':
    // Nobody rings for a transfer or a notification: the workers look all the time.
  }
}

function settledNow<State extends string>(outcome: State | 'not-found' | 'settled-already'): State {
  if (outcome === 'not-found') throw new Failure('NOT_FOUND');
  if (outcome === 'settled-already') throw new Failure('ALREADY_SETTLED');
  return outcome;
}

function fitting(tx: Tx, tenantId: TenantId, { stage, state, reason }: DeadLetterFilter) {
  let query = tx
    .selectFrom('dead_letter')
    .select(['id', 'stage', 'subject_id', 'conversation_id', 'reason', 'state', 'history'])
    .select(['created_at', 'settled_at', 'settled_by'])
    .where('tenant_id', '=', tenantId);
  if (stage !== undefined) query = query.where('stage', '=', stage);
  if (state !== undefined) query = query.where('state', '=', state);
  if (reason !== undefined) query = query.where('reason', '=', reason);
  return query;
}

type DeadLetterRow = Awaited<ReturnType<ReturnType<typeof fitting>['execute']>>[number];

function letterFromRow(row: DeadLetterRow): DeadLetter {
  return DeadLetter.parse({
    id: row.id,
    stage: row.stage,
    subjectId: row.subject_id,
    conversationId: row.conversation_id,
    reason: row.reason,
    state: row.state,
    history: row.history,
    createdAt: row.created_at.toISOString(),
    settledAt: row.settled_at?.toISOString() ?? null,
    settledBy: row.settled_by,
  });
}
