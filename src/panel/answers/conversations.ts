import { sql } from 'kysely';
import { unseal } from '../../platform/crypto.ts';
import type { Logger } from '../../platform/logger.ts';
import { openClocks } from '../../handoff/sla-store.ts';
import type { TenantKeys } from '../../tenants/tenants.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { ConversationId, TenantId } from '../../vocabulary/ids.ts';
import type { Tx } from '../../vocabulary/schema.ts';
import { Conversation, listConversations, listMessages, listTurns, Message } from '../contract/conversations.ts';
import type { ConversationQuery } from '../contract/conversations.ts';
import type { PanelNeeds } from '../needs.ts';
import { exactTime, olderThan, pageOf, rowsFor, spokenAfter } from '../pages.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';
import { shownClock } from '../shown-clock.ts';

/** What people read about conversations. */
export function conversationRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    tenantRoute(listConversations, async ({ tenantId, query, inTenant }) => {
      const keys = await needs.tenants.keysOf(tenantId);
      const { rows, clocks } = await inTenant(async (tx) => {
        const rows = await conversationRows(tx, tenantId, query);
        const ids = rows.map(({ id }) => id);
        return { rows, clocks: Map.groupBy(await openClocks(tx, ids), (clock) => clock.conversationId) };
      });
      return pageOf(rows, {
        limit: query.limit,
        placeOf: ({ at, id }) => ({ at, id }),
        itemOf: (row) => ({
          ...conversationFromRow(row, contactName(needs.log, keys, { ...row, tenantId })),
          sla: (clocks.get(row.id) ?? []).map(shownClock),
        }),
      });
    }),
    tenantRoute(listMessages, async ({ tenantId, params, query, inTenant }) => {
      const rows = await inTenant(async (tx) => {
        await assertConversation(tx, tenantId, params.conversationId);
        return await messageRows(tx, { ...params, ...query });
      });
      return pageOf(rows, {
        limit: query.limit,
        placeOf: ({ at, seq }) => ({ at, seq }),
        itemOf: messageFromRow,
      });
    }),
    tenantRoute(listTurns, async ({ tenantId, params, query, inTenant }) => {
      const rows = await inTenant(async (tx) => {
        await assertConversation(tx, tenantId, params.conversationId);
        return await turnRows(tx, { ...params, ...query });
      });
      return pageOf(rows, {
        limit: query.limit,
        placeOf: ({ at, id }) => ({ at, id }),
        itemOf: (row) => ({
          id: row.id,
          outcome: row.outcome,
          ownerEpoch: row.owner_epoch,
          startedAt: row.started_at.toISOString(),
          finishedAt: row.finished_at.toISOString(),
          trace: row.trace,
        }),
      });
    }),
  ];
}

async function assertConversation(tx: Tx, tenantId: TenantId, id: ConversationId): Promise<void> {
  const row = await tx
    .selectFrom('conversation')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { conversationId: id });
}

type ConversationRow = Awaited<ReturnType<typeof conversationRows>>[number];

function conversationRows(tx: Tx, tenantId: TenantId, { cursor, limit, state }: ConversationQuery) {
  const base = tx
    .selectFrom('conversation')
    .innerJoin('contact', 'contact.id', 'conversation.contact_id')
    .leftJoin('handoff', (on) =>
      on.onRef('handoff.conversation_id', '=', 'conversation.id').on('handoff.state', 'in', ['waiting', 'taken']),
    )
    .leftJoin('handoff_transfer', 'handoff_transfer.handoff_id', 'handoff.id')
    .leftJoin('ticket_return', (on) =>
      on.onRef('ticket_return.conversation_id', '=', 'conversation.id').on('conversation.owner', '<>', 'human'),
    )
    .select((is) => [
      'conversation.id',
      'conversation.channel_id',
      'conversation.contact_id',
      'conversation.owner',
      'conversation.owner_reason',
      'conversation.owner_since',
      'conversation.epoch',
      'conversation.created_at',
      'contact.sealed_name',
      'contact.tags',
      'handoff.state as handoff',
      'handoff_transfer.state as transfer',
      'handoff_transfer.reason as transfer_reason',
      'handoff_transfer.attempts as transfer_attempts',
      'handoff_transfer.note_state as transfer_note',
      'ticket_return.goal as return_goal',
      'ticket_return.state as return_state',
      'ticket_return.reason as return_reason',
      'ticket_return.attempts as return_attempts',
      exactTime('conversation.created_at').as('at'),
      sql<Date | null>`least(${is
        .selectFrom('message')
        .select((min) => min.fn.min('message.received_at').as('received_at'))
        .whereRef('message.conversation_id', '=', 'conversation.id')
        .where('message.author', '=', 'customer')
        .where('message.settled_at', 'is', null)}, case handoff.state when 'waiting' then handoff.requested_at end)`.as(
        'waiting_since',
      ),
      is
        .selectFrom('message')
        .select('message.said_at')
        .whereRef('message.tenant_id', '=', 'conversation.tenant_id')
        .whereRef('message.conversation_id', '=', 'conversation.id')
        .orderBy('message.said_at', 'desc')
        .limit(1)
        .as('last_message_at'),
    ])
    .where('conversation.tenant_id', '=', tenantId)
    .where(olderThan(cursor, 'conversation.created_at', 'conversation.id'))
    .orderBy('conversation.created_at', 'desc')
    .orderBy('conversation.id', 'desc')
    .limit(rowsFor(limit));
  if (state === undefined) return base.execute();
  if (state === 'waiting') return base.where('handoff.state', '=', state).execute();
  return base.where('conversation.owner', '=', state).execute();
}

function conversationFromRow(row: ConversationRow, name: string | null): Omit<Conversation, 'sla'> {
  return Conversation.omit({ sla: true }).parse({
    id: row.id,
    channelId: row.channel_id,
    contactId: row.contact_id,
    contactName: name,
    contactTags: row.tags,
    owner: row.owner,
    ownerReason: row.owner_reason,
    ownerSince: row.owner_since.toISOString(),
    epoch: row.epoch,
    handoff: row.handoff,
    transfer:
      row.transfer === null
        ? null
        : {
            state: row.transfer,
            reason: row.transfer_reason,
            attempts: row.transfer_attempts,
            note: row.transfer_note,
          },
    ticketReturn:
      row.return_state === null
        ? null
        : {
            goal: row.return_goal,
            state: row.return_state,
            reason: row.return_reason,
            attempts: row.return_attempts,
          },
    waitingSince: row.waiting_since?.toISOString() ?? null,
    lastMessageAt: row.last_message_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  });
}

interface SealedName {
  readonly tenantId: TenantId;
  readonly contact_id: string;
  readonly sealed_name: Buffer | null;
}

/** A name that does not open is missing from the list and noted; it must not hide the other conversations. */
function contactName(log: Logger, keys: TenantKeys, { tenantId, contact_id, sealed_name }: SealedName): string | null {
  if (sealed_name === null) return null;
  try {
    const place = { tenantId, table: 'contact', column: 'sealed_name', rowId: contact_id };
    return unseal([keys.sealing], sealed_name, place).toString();
  } catch (error) {
    log.error({ err: error, contactId: contact_id }, "A contact's name does not open");
    return null;
  }
}

interface ListOfConversation {
  readonly tenantId: TenantId;
  readonly conversationId: ConversationId;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

type MessageRow = Awaited<ReturnType<typeof messageRows>>[number];

function messageRows(tx: Tx, { tenantId, conversationId, cursor, limit }: ListOfConversation) {
  return (
    tx
      .selectFrom('message')
      // Of several ways out, after a replay, the last one tells.
      .leftJoinLateral(
        (from) =>
          from
            .selectFrom('outbox')
            .select(['outbox.state', 'outbox.failure'])
            .whereRef('outbox.message_id', '=', 'message.id')
            .orderBy('outbox.seq', 'desc')
            .limit(1)
            .as('delivery'),
        (on) => on.onTrue(),
      )
      .select([
        'message.id',
        'message.seq',
        'message.author',
        'message.kind',
        'message.text',
        'message.said_at',
        'message.settled_kind',
        'message.settled_reason',
        'message.settled_by_message_id',
        'delivery.state as delivery',
        'delivery.failure as delivery_failure',
        exactTime('message.said_at').as('at'),
      ])
      .where('message.tenant_id', '=', tenantId)
      .where('message.conversation_id', '=', conversationId)
      .where(spokenAfter(cursor))
      .orderBy('message.said_at')
      .orderBy('message.seq')
      .limit(rowsFor(limit))
      .execute()
  );
}

function messageFromRow(row: MessageRow): Message {
  return Message.parse({
    id: row.id,
    author: row.author,
    kind: row.kind,
    text: row.text,
    at: row.said_at.toISOString(),
    delivery: row.delivery ?? undefined,
    deliveryFailure: row.delivery_failure ?? undefined,
    settled: row.author === 'customer' ? settledOf(row) : undefined,
  });
}

function settledOf(row: MessageRow): unknown {
  if (row.settled_kind === null) return null;
  return { kind: row.settled_kind, messageId: row.settled_by_message_id, reason: row.settled_reason };
}

function turnRows(tx: Tx, { tenantId, conversationId, cursor, limit }: ListOfConversation) {
  return tx
    .selectFrom('turn')
    .select(['id', 'outcome', 'owner_epoch', 'started_at', 'finished_at', 'trace'])
    .select(exactTime('finished_at').as('at'))
    .where('tenant_id', '=', tenantId)
    .where('conversation_id', '=', conversationId)
    .where(olderThan(cursor, 'finished_at', 'id'))
    .orderBy('finished_at', 'desc')
    .orderBy('id', 'desc')
    .limit(rowsFor(limit))
    .execute();
}
