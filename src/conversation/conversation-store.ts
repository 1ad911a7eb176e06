import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { z } from 'zod';
import { CSAT_ANSWERED_WITHIN_HOURS } from '../handoff/handoff.ts';
import { ChannelId, ContactId, ConversationId, MessageId, TenantId } from '../vocabulary/ids.ts';
import { MESSAGE_KINDS } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { HOURS_KEPT } from './contact-spending.ts';
import type { RememberedMessage, Turn, UnansweredMessage } from './conversation.ts';

/** How long a lease lasts by the database's clock, and how often a process renews all of its leases. */
export const LEASE_MS = 5_000;
export const RENEW_EVERY_MS = 1_500;
/** A lease with less than this left was not renewed when it should have been: its holder is frozen, cut off or dead. */
const SILENT_MS = 2_500;

/** One turn answers at most this many bubbles; the rest waits for the next turn. */
export const MESSAGES_PER_TURN = 50;
/** What is read back to rebuild a context. More would not fit into it. */
const MESSAGES_REMEMBERED = 60;
/**
 * Deaths of processes after which a turn is not tried any more. The first was among other turns and may be anybody's fault,
 * two were among few, of which one may be somebody's kill -9, and in the last the turn was alone.
 */
export const DEATHS_MAX = 4;
/** Why there is no turn to take right now. */
export type NoTurn =
  | { readonly none: 'nothing-to-answer' }
  | { readonly none: 'busy' }
  /** Its last holder died or froze, perhaps because of it. */
  | { readonly none: 'suspect' }
  | { readonly none: 'not-due'; readonly dueInMs: number };

export interface OpenOptions {
  /** Which process asks: a lease names its holder. */
  readonly holder: string;
  /** The age of the oldest unanswered bubble at which nobody waits for the rest of a burst any longer. */
  readonly coalesceMaxMs: number;
  readonly purpose: OpenPurpose;
}

/**
 * `answer` leaves suspects alone; `answer-among-suspects` takes those that have not died among few twice; `answer-alone` takes all; `give-up` takes
 * them unread, to call a person.
 */
export type OpenPurpose = 'answer' | 'answer-among-suspects' | 'answer-alone' | 'give-up';

/** How many deaths a turn may have behind it and still be taken so. */
const DEATHS_ALLOWED: Readonly<Record<OpenPurpose, number>> = {
  answer: 0,
  'answer-among-suspects': 2,
  'answer-alone': DEATHS_MAX,
  'give-up': DEATHS_MAX,
};

/**
 * Conversations and their turns. The one place where a lease is taken, renewed and given up.
 *
 * Each step is one statement: nothing holds a transaction open over a network call, and a process that freezes between
 * two steps holds no lock.
 */
export class ConversationStore {
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /**
   * Takes the lease, if there is something due to answer and nobody else holds it, and reads the mailbox.
   *
   * The attempt is written with the lease. Whoever ends a turn takes their name off the lease, however it ended, so a lease
   * that has ended and still names somebody is the mark of a process that died or froze: {@link DIED}.
   */
  async openTurn(id: ConversationId, options: OpenOptions): Promise<Turn | NoTurn> {
    const { rows } = await sql<LeasedRow>`
      with leased as (
        update conversation set fence = fence + 1, lease_owner = ${options.holder},
               attempts = case when lease_owner is null then attempts + 1 else greatest(attempts, 1) end,
               deaths = deaths + ${DIED},
               lease_until = clock_timestamp() + ${LEASE_MS} * interval '1 millisecond'
         where id = ${id} and (lease_until is null or lease_until < clock_timestamp())
           and (deaths + ${DIED} <= ${DEATHS_ALLOWED[options.purpose]} or deaths + ${DIED} >= ${DEATHS_MAX})
           and exists (
             select from message where conversation_id = ${id} and author = 'customer' and settled_at is null
             having max(answer_after) <= clock_timestamp()
                 or min(received_at) + ${options.coalesceMaxMs} * interval '1 millisecond' <= clock_timestamp())
        returning *
      )
      select ${TURN_COLUMNS}, ${messageColumns(options.purpose)}
        from leased c, ${LAST_KNOWN}, ${COUNTS}, lateral (${mailbox(sql`c.id`)}) m
       order by m.said_at, m.seq`.execute(this.#db);
    return turnFromRows(rows) ?? (await this.#whyNot(id, options));
  }

  /** The mailbox again, under a lease that is still held; undefined when it is not. */
  async reopenTurn(turn: Turn): Promise<Turn | undefined> {
    const { rows } = await sql<LeasedRow>`
      select ${TURN_COLUMNS}, ${messageColumns('answer')}
        from conversation c, ${LAST_KNOWN}, ${COUNTS}, lateral (${mailbox(sql`c.id`)}) m
       where c.id = ${turn.conversationId} and c.fence = ${turn.fence} and c.epoch = ${turn.epoch}
         and c.lease_until > clock_timestamp()
       order by m.said_at, m.seq`.execute(this.#db);
    return turnFromRows(rows);
  }

  /** Renews all leases of one process in one statement. Returns those that are still held. */
  async renewLeases(
    holder: string,
    held: readonly { conversationId: string; fence: string }[],
  ): Promise<ReadonlySet<string>> {
    const { rows } = await sql<{ id: string }>`
      update conversation c set lease_until = clock_timestamp() + ${LEASE_MS} * interval '1 millisecond'
        from unnest(${held.map((it) => it.conversationId)}::uuid[], ${held.map((it) => it.fence)}::bigint[]) as held (id, fence)
       where c.id = held.id and c.fence = held.fence and c.lease_owner = ${holder}
      returning c.id`.execute(this.#db);
    return new Set(rows.map((row) => row.id));
  }

  /**
   * Gives leases back that their turns could not, or would not: the process lives, so nothing is suspected of it. Until now
   * they were in somebody's hands, which the watchdog reads from when they ended.
   */
  async giveBackLeases(holder: string, held: readonly { conversationId: string; fence: string }[]): Promise<void> {
    await sql`
      update conversation c set lease_owner = null, lease_until = clock_timestamp()
        from unnest(${held.map((it) => it.conversationId)}::uuid[], ${held.map((it) => it.fence)}::bigint[]) as held (id, fence)
       where c.id = held.id and c.fence = held.fence and c.lease_owner = ${holder}`.execute(this.#db);
  }

  /** Gives leases back that were given to this process without its knowledge. Returns the conversations where that was so. */
  async giveBackUnheard(holder: string, ids: readonly ConversationId[]): Promise<readonly ConversationId[]> {
    const { rows } = await sql<{ id: string }>`
      update conversation set lease_owner = null, lease_until = clock_timestamp()
       where id = any(${ids}::uuid[]) and lease_owner = ${holder} returning id`.execute(this.#db);
    return rows.map((row) => ConversationId.parse(row.id));
  }

  /** Ends a lease without a decision, because the process ends or another owner came. A suspect stays one. */
  async releaseTurn(turn: Turn): Promise<void> {
    await this.#release(turn, sql`lease_until = null, attempts = 0`);
  }

  /** Ends a lease after an error of ours. The attempt counts, and nobody tries again before `retryInMs`. */
  async releaseFailedTurn(turn: Turn, retryInMs: number): Promise<void> {
    await this.#release(turn, leaseEndingIn(retryInMs));
  }

  /** Puts the whole mailbox off, e.g. because the customer's minute is used up. The messages keep their places. */
  async postponeTurn(turn: Turn, ms: number): Promise<void> {
    await this.#release(turn, sql`${leaseEndingIn(ms)}, attempts = 0`);
  }

  /**
   * A takeover that was only seen has lapsed: the bot owns the conversation again, in a new epoch.
   *
   * What a person says meanwhile puts the lapse off without a new epoch. Then it stays the person's, and the lease ends.
   */
  async takeBack(turn: Turn): Promise<void> {
    const { rows } = await sql<{ lapsed: boolean }>`
      with lapsed as (
        update conversation set owner = 'bot', owner_reason = 'lapsed', owner_since = now(), owner_lapses_at = null,
               epoch = epoch + 1, lease_owner = null, lease_until = null, attempts = 0
         where id = ${turn.conversationId} and fence = ${turn.fence} and epoch = ${turn.epoch}
           and owner = 'human' and owner_lapses_at <= clock_timestamp()
        returning id
      ), returned as (
        update handoff set state = 'returned', ended_at = now() from lapsed
         where handoff.conversation_id = lapsed.id and handoff.state in ('waiting', 'taken')
      )
      select exists (select from lapsed) as lapsed`.execute(this.#db);
    if (rows[0]?.lapsed !== true) await this.releaseTurn(turn);
  }

  /** The past of the current episode, oldest first, bounded. */
  async readPast(turn: Turn): Promise<readonly RememberedMessage[]> {
    const rows = await this.#db
      .selectFrom('message')
      .select(['author', 'kind', 'text', 'said_at'])
      .where('tenant_id', '=', turn.tenantId)
      .where('conversation_id', '=', turn.conversationId)
      .where('received_at', '>=', turn.episodeStartedAt)
      .where('seq', '<=', turn.knownUpTo)
      .where((is) => is.or([is('author', '!=', 'customer'), is('settled_at', 'is not', null)]))
      .orderBy('seq', 'desc')
      .limit(MESSAGES_REMEMBERED)
      .execute();
    return rows.reverse().map((row) => ({
      author: Author.parse(row.author),
      kind: Kind.parse(row.kind),
      text: row.text ?? undefined,
      saidAt: row.said_at,
    }));
  }

  /** Conversations with something due that nobody is answering, oldest first; and whether somebody who is has fallen silent. */
  async findForgotten(options: {
    coalesceMaxMs: number;
    graceMs: number;
    limit: number;
  }): Promise<{ readonly ids: readonly ConversationId[]; readonly isHolderSilent: boolean }> {
    const { rows } = await sql<{ conversation_id: string; is_held: boolean }>`
      select m.conversation_id, coalesce(c.lease_until >= clock_timestamp(), false) as is_held
        from message m join conversation c on c.id = m.conversation_id
       where m.author = 'customer' and m.settled_at is null
         and (c.lease_until is null or c.lease_until < clock_timestamp()
              or c.lease_owner is not null and c.lease_until < clock_timestamp() + ${SILENT_MS} * interval '1 millisecond')
       group by m.conversation_id, c.lease_until
      having least(max(m.answer_after), min(m.received_at) + ${options.coalesceMaxMs} * interval '1 millisecond')
             <= clock_timestamp() - ${options.graceMs} * interval '1 millisecond'
       order by is_held, min(m.received_at) limit ${options.limit}`.execute(this.#db);
    const free = rows.filter((row) => !row.is_held);
    return {
      ids: free.map((row) => ConversationId.parse(row.conversation_id)),
      isHolderSilent: free.length < rows.length,
    };
  }

  /** Whether nobody who has turns in hand and renews their leases in time has a smaller id. */
  async isFirstHolder(holder: string): Promise<boolean> {
    const { rows } = await sql<{ is_first: boolean }>`
      select not exists (
        select from message m join conversation c on c.id = m.conversation_id
         where m.author = 'customer' and m.settled_at is null and c.lease_owner < ${holder}
           and c.lease_until >= clock_timestamp() + ${SILENT_MS} * interval '1 millisecond') as is_first`.execute(
      this.#db,
    );
    return rows[0]?.is_first ?? true;
  }

  async #release(turn: Turn, columns: RawBuilder<unknown>): Promise<void> {
    await sql`update conversation set lease_owner = null, ${columns}
      where id = ${turn.conversationId} and fence = ${turn.fence}`.execute(this.#db);
  }

  async #whyNot(id: ConversationId, options: OpenOptions): Promise<NoTurn> {
    const { rows } = await sql<{ due_in_ms: number | null; busy_ms: number | null; suspect: boolean | null }>`
      select extract(epoch from least(max(m.answer_after), min(m.received_at) + ${options.coalesceMaxMs} * interval '1 millisecond')
               - clock_timestamp())::float8 * 1000 as due_in_ms,
             extract(epoch from max(c.lease_until) - clock_timestamp())::float8 * 1000 as busy_ms,
             bool_or(c.lease_owner is not null or c.deaths > 0) as suspect
        from conversation c join message m on m.conversation_id = c.id and m.author = 'customer' and m.settled_at is null
       where c.id = ${id}`.execute(this.#db);
    const { due_in_ms: dueInMs = null, busy_ms: busyMs = null, suspect = null } = rows[0] ?? {};
    if (dueInMs === null) return { none: 'nothing-to-answer' };
    if (dueInMs > 0) return { none: 'not-due', dueInMs };
    if (busyMs !== null && busyMs > 0) return { none: 'busy' };
    // The lease may have ended between the two statements: a wake too many then, never one too few.
    const mayBeSuspect = DEATHS_ALLOWED[options.purpose] < DEATHS_MAX;
    return suspect === true && mayBeSuspect ? { none: 'suspect' } : { none: 'not-due', dueInMs: 0 };
  }
}

const Author = z.enum(['customer', 'bot', 'human']);
const Kind = z.enum(MESSAGE_KINDS);
const OwnerKind = z.enum(['bot', 'human', 'nobody']);

const TURN_COLUMNS = sql`
  c.id, c.tenant_id, c.channel_id, c.contact_id, c.owner, c.owner_lapses_at, c.epoch, c.fence, c.attempts, c.deaths,
  c.unsure_in_a_row, c.episode_started_at, last_known.seq as known_up_to, last_known.said_at as last_said_at,
  clock_timestamp() as now, c.introduced_at, c.away_said_at,
  coalesce((select e.kind = 'opt-out' from consent_event e where e.tenant_id = c.tenant_id and e.contact_id = c.contact_id
             order by e.seq desc limit 1), false) as is_opted_out,
  (select s.id from csat_survey s where s.conversation_id = c.id and s.epoch = c.epoch and c.owner = 'nobody'
      and s.score is null and s.asked_at > now() - ${sql.lit(CSAT_ANSWERED_WITHIN_HOURS)} * interval '1 hour') as survey_id,
  (select k.tags from contact k where k.id = c.contact_id) as contact_tags,
  counts.answered_last_minute, counts.answered_last_day, counts.turns_last_ten_minutes, counts.spent_last_day`;

/**
 * What a contact has had of us in a day, over all of the tenant's channels. The money of committed turns is in their rows, which are
 * read here anyway; the rest (see keepSpending) is in at most twenty-five rows of the contact's own, and mostly in none.
 *
 * Until tables have statistics the planner takes any index that begins with the tenant for as good as another, and plans are
 * kept: it would read all conversations or all turns of the tenant. So there is one way in, by the contact, and "offset 0"
 * keeps it.
 */
const COUNTS = sql`lateral (
    select count(*) filter (where t.is_reply and t.finished_at > now() - interval '1 minute') as answered_last_minute,
           count(*) filter (where t.is_reply) as answered_last_day,
           count(*) filter (where t.is_reply and t.conversation_id = c.id and t.finished_at > now() - interval '10 minutes')
             as turns_last_ten_minutes,
           coalesce(sum(t.cost_micro_usd), 0) + (
             select coalesce(sum(s.micro_usd), 0) from contact_spending s
              where s.tenant_id = c.tenant_id and s.contact_id = c.contact_id
                and s.hour > now() - ${sql.lit(HOURS_KEPT)} * interval '1 hour') as spent_last_day
      from conversation k, lateral (
             select d.conversation_id, d.finished_at, d.cost_micro_usd, d.outcome in ('replied', 'asked-back') as is_reply
               from turn d
              where d.tenant_id = k.tenant_id and d.conversation_id = k.id and d.finished_at > now() - interval '1 day'
             offset 0) t
     where k.contact_id = c.contact_id and k.tenant_id is not distinct from c.tenant_id) counts`;

/** 1 where the lease has ended without having been given back, else 0. */
const DIED = sql`(lease_owner is not null)::int`;

/** What has killed process after process is not even read: only who it is from and when counts for giving up. */
function messageColumns(purpose: OpenPurpose): RawBuilder<unknown> {
  const isUnread = purpose === 'give-up' ? sql`true` : sql`c.deaths >= ${sql.lit(DEATHS_MAX)}`;
  return sql`m.id as message_id, m.kind, m.said_at, m.received_at, m.request_id, m.traceparent,
    case when ${isUnread} then null else m.text end as text,
    case when ${isUnread} then null else m.quoted_text end as quoted_text`;
}

/** The newest message that is part of the past. */
const LAST_KNOWN = sql`lateral (
    select coalesce(max(p.seq), 0) as seq, max(p.said_at) as said_at from (
      select seq, said_at from message p where p.conversation_id = c.id and (p.author <> 'customer' or p.settled_at is not null)
       order by p.seq desc limit 1) p) last_known`;

interface LeasedRow {
  id: string;
  tenant_id: string;
  channel_id: string;
  contact_id: string;
  introduced_at: Date | null;
  away_said_at: Date | null;
  is_opted_out: boolean;
  survey_id: string | null;
  contact_tags: string[];
  owner: string;
  owner_lapses_at: Date | null;
  epoch: number;
  fence: string;
  attempts: number;
  deaths: number;
  unsure_in_a_row: number;
  episode_started_at: Date;
  known_up_to: string;
  last_said_at: Date | null;
  now: Date;
  answered_last_minute: string;
  answered_last_day: string;
  turns_last_ten_minutes: string;
  spent_last_day: string;
  message_id: string;
  kind: string;
  text: string | null;
  quoted_text: string | null;
  said_at: Date;
  received_at: Date;
  request_id: string | null;
  traceparent: string | null;
}

/** A lease that nobody holds keeps everybody away until it ends. */
function leaseEndingIn(ms: number): RawBuilder<unknown> {
  return sql`lease_until = clock_timestamp() + ${ms} * interval '1 millisecond'`;
}

function mailbox(conversationId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`select * from message where conversation_id = ${conversationId} and author = 'customer' and settled_at is null
    order by said_at, seq limit ${sql.lit(MESSAGES_PER_TURN)}`;
}

function turnFromRows(rows: readonly LeasedRow[]): Turn | undefined {
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    conversationId: ConversationId.parse(row.id),
    tenantId: TenantId.parse(row.tenant_id),
    channelId: ChannelId.parse(row.channel_id),
    contactId: ContactId.parse(row.contact_id),
    contactTags: row.contact_tags,
    owner: OwnerKind.parse(row.owner),
    ownerLapsesAt: row.owner_lapses_at ?? undefined,
    epoch: row.epoch,
    fence: row.fence,
    attempts: row.attempts,
    deaths: row.deaths,
    unsureInARow: row.unsure_in_a_row,
    messages: rows.map(messageFromRow),
    knownUpTo: row.known_up_to,
    lastSaidAt: row.last_said_at ?? undefined,
    episodeStartedAt: row.episode_started_at,
    courtesy: {
      isOptedOut: row.is_opted_out,
      introducedAt: row.introduced_at ?? undefined,
      awaySaidAt: row.away_said_at ?? undefined,
      surveyId: row.survey_id ?? undefined,
    },
    now: row.now,
    counts: {
      answeredLastMinute: Number(row.answered_last_minute),
      answeredLastDay: Number(row.answered_last_day),
      turnsLastTenMinutes: Number(row.turns_last_ten_minutes),
      spentLastDay: Number(row.spent_last_day),
    },
  };
}

function messageFromRow(row: LeasedRow): UnansweredMessage {
  return {
    id: MessageId.parse(row.message_id),
    kind: Kind.parse(row.kind),
    text: row.text ?? undefined,
    quotedText: row.quoted_text ?? undefined,
    saidAt: row.said_at,
    receivedAt: row.received_at,
    requestId: row.request_id ?? undefined,
    traceparent: row.traceparent ?? undefined,
  };
}
