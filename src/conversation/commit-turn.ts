import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { SEND_WITHIN_MS } from '../delivery/delivery.ts';
import { tellOfCalled } from '../handoff/handoff.ts';
import { sha256 } from '../platform/crypto.ts';
import { currentTraceparent } from '../platform/tracing.ts';
import { MessageId, newId, OutboxId } from '../vocabulary/ids.ts';
import type { TurnId } from '../vocabulary/ids.ts';
import { normalisedText } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { opensEpisode, outcomeOf, wordsOf } from './conversation.ts';
import type { Decision, RecordedReason, Turn } from './conversation.ts';
import { contactLock, courtesyColumns, courtesySteps, isConsentAsRead, isContactLocked } from './commit-courtesies.ts';

/** What one turn writes. */
export interface TurnCommit {
  readonly turnId: TurnId;
  readonly decision: Decision;
  readonly trace: Readonly<Record<string, unknown>>;
  readonly startedAt: Date;
  /** The messages that the decision settles. */
  readonly settles: readonly MessageId[];
  /** Whether to commit although newer messages have arrived, because the customer has waited long enough. */
  readonly evenIfNewer: boolean;
}

export type CommitOutcome =
  | { readonly committed: true; readonly knownUpTo: string; readonly isMoreWaiting: boolean }
  /** Newer messages arrived, or the lease or the owner moved. Nothing at all was written. */
  | { readonly committed: false };

/**
 * Commits a decision: the reply, its way out, the trace, the marks on what it settles, the owner, and the end of the
 * lease, all in one statement that does nothing at all if the lease or the epoch has moved.
 *
 * What it settles must still be unsettled and as it was read: a customer may have corrected or taken back something
 * meanwhile. And a lease that was taken right after another turn's commit may have been given a
 * mailbox from before it (READ COMMITTED looks at the row anew, and at the rest of the statement's snapshot as it was).
 *
 * Safe to repeat: the second time the lease is gone.
 */
export async function commitTurn(db: Kysely<Schema>, turn: Turn, commit: TurnCommit): Promise<CommitOutcome> {
  const { decision } = commit;
  const bubbles = wordsOf(decision).map((text) => ({
    id: newId(MessageId),
    outboxId: newId(OutboxId),
    text,
    hash: sha256(normalisedText(text)),
  }));
  const isHandOver = decision.kind === 'hand-over';
  const newerAllowed = commit.evenIfNewer ? sql`true` : sql`not exists (${newerThan(turn, commit)})`;
  const { rows } = await sql<{ held: boolean; known_up_to: string | null; more: boolean }>`
    with ${contactLock(turn, decision)}held as (
      update conversation set lease_owner = null, lease_until = null, attempts = 0, deaths = 0, ${ownerColumns(turn, decision)}
       where id = ${turn.conversationId} and fence = ${turn.fence} and epoch = ${turn.epoch}
         and lease_owner is not null and ${newerAllowed}
         and not exists (
           select from message s where s.id = any(${commit.settles}::uuid[]) and (s.settled_at is not null or s.edited_at > ${turn.now}))
         and ${isConsentAsRead(turn)}${isContactLocked(decision)}
      returning id, tenant_id, channel_id, epoch
    ), said as (
      insert into message (id, tenant_id, conversation_id, author, kind, text, said_at, request_id)
      select b.id, held.tenant_id, held.id, 'bot', 'text', b.text, clock_timestamp(), ${requestIdOf(turn)}
        from held, unnest(${bubbles.map((it) => it.id)}::uuid[], ${bubbles.map((it) => it.text)}::text[])
             with ordinality as b (id, text, part) order by b.part
      returning seq
    ), queued as (
      insert into outbox (id, tenant_id, channel_id, conversation_id, message_id, turn_id, part, text_hash, epoch,
                          deadline_at, request_id, traceparent, asked_at, calls_person)
      select b.id, held.tenant_id, held.channel_id, held.id, b.message_id, ${commit.turnId}, b.part, b.hash, held.epoch,
             now() + ${SEND_WITHIN_MS} * interval '1 millisecond', ${requestIdOf(turn)},
             ${currentTraceparent() ?? null}::text, ${askedAt(turn)}::timestamptz, ${decision.kind !== 'record'}
        from held, unnest(${bubbles.map((it) => it.outboxId)}::uuid[], ${bubbles.map((it) => it.id)}::uuid[],
             ${bubbles.map((it) => it.hash)}::bytea[]) with ordinality as b (id, message_id, hash, part) order by b.part
    ), settled as (
      update message set settled_at = now(), settled_turn_id = ${commit.turnId}, ${settledColumns(decision, bubbles[0]?.id)}
        from held where message.id = any(${commit.settles}::uuid[]) and message.settled_at is null
      returning message.seq
    ), traced as (
      insert into turn (id, tenant_id, conversation_id, outcome, owner_epoch, fence, trace, started_at)
      select ${commit.turnId}, held.tenant_id, held.id, ${outcomeOf(decision)}, ${turn.epoch}, ${turn.fence},
             ${JSON.stringify(commit.trace)}::jsonb, ${commit.startedAt}
        from held
    )${courtesySteps(turn, decision)}${isHandOver ? handoffInsert(decision) : sql``}
    select exists (select from held) as held,
           (select max(seq) from (select seq from said union all select seq from settled) all_of_it) as known_up_to,
           exists (${newerThan(turn, commit)}) as more`.execute(db);
  const [row] = rows;
  return row?.held === true
    ? { committed: true, knownUpTo: row.known_up_to ?? turn.knownUpTo, isMoreWaiting: row.more }
    : { committed: false };
}

/** Customer messages that the turn has not read. */
function newerThan(turn: Turn, commit: TurnCommit): RawBuilder<unknown> {
  return sql`select from message n where n.conversation_id = ${turn.conversationId} and n.author = 'customer'
    and n.settled_at is null and n.id <> all(${commit.settles}::uuid[])`;
}

/** What is heard and changes nothing: who answers next stays as it was, and a closed conversation stays closed. */
const OPENS_NOTHING: ReadonlySet<RecordedReason> = new Set(['opted-out', 'closing-thanks', 'csat-answer']);

function ownerColumns(turn: Turn, decision: Decision): RawBuilder<unknown> {
  return sql`${ownerAndEpisode(turn, decision)}${courtesyColumns(decision)}`;
}

function ownerAndEpisode(turn: Turn, decision: Decision): RawBuilder<unknown> {
  const unsure = decision.kind === 'reply' && decision.isUnsure ? turn.unsureInARow + 1 : 0;
  const episode = opensEpisode(turn) ? sql`, episode_started_at = ${turn.messages[0]?.receivedAt ?? turn.now}` : sql``;
  switch (decision.kind) {
    case 'hand-over':
      return sql`owner = 'human', owner_reason = ${decision.reason}, owner_since = now(), owner_lapses_at = null,
        epoch = epoch + 1, unsure_in_a_row = 0${episode}`;
    case 'record':
      if (OPENS_NOTHING.has(decision.reason)) return sql`unsure_in_a_row = unsure_in_a_row`;
      return sql`owner = 'bot', unsure_in_a_row = ${unsure}${episode}`;
    case 'reply':
      return sql`owner = 'bot', unsure_in_a_row = ${unsure}${episode}`;
    case 'leave-to-human':
      return sql`unsure_in_a_row = unsure_in_a_row`;
  }
}

function settledColumns(decision: Decision, firstBubble: MessageId | undefined): RawBuilder<unknown> {
  switch (decision.kind) {
    case 'reply':
      return sql`settled_kind = 'reply', settled_by_message_id = ${firstBubble ?? null}`;
    case 'hand-over':
      return sql`settled_kind = 'human', settled_reason = ${decision.reason}`;
    case 'leave-to-human':
      return sql`settled_kind = 'human'`;
    case 'record':
      return sql`settled_kind = 'recorded', settled_reason = ${decision.reason}`;
  }
}

function handoffInsert({ reason, routing }: Extract<Decision, { kind: 'hand-over' }>): RawBuilder<unknown> {
  return sql`, called as (
        insert into handoff (id, tenant_id, conversation_id, state, reason, rule, destination, priority)
        select gen_random_uuid(), held.tenant_id, held.id, 'waiting', ${reason}, ${routing?.rule ?? null},
               ${routing?.destination ?? null}, ${routing?.priority ?? 'normal'} from held
        on conflict (conversation_id) where state in ('waiting', 'taken') do nothing
        returning id, tenant_id, conversation_id, reason, priority
      ), told as (${tellOfCalled})`;
}

/** When the customer who has waited longest was heard. */
function askedAt(turn: Turn): Date {
  return new Date(Math.min(...turn.messages.map((message) => message.receivedAt.getTime())));
}

function requestIdOf(turn: Turn): string | null {
  return turn.messages.at(-1)?.requestId ?? null;
}
