import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { z } from 'zod';
import { ChannelId, ConversationId, OutboxId, TenantId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { CLAIM_GOOD_FOR_MS, SEND_TIMEOUT_MS } from './delivery.ts';
import { historyEntry } from './outbox-history.ts';
import { ALIASES, aliasesFromRow } from './sealed-addresses.ts';
import type { SealedAlias } from './sealed-addresses.ts';

/** How long a row may say `sending`: by then the call has begun or never will, and has ended. Whoever made it is gone. */
const SENDING_MS = SEND_TIMEOUT_MS + CLAIM_GOOD_FOR_MS;
/** How long an unconfirmed send may wait for its echo. A later part waits no longer than this. */
const UNKNOWN_MS = 10_000;
/**
 * What a send whose sender is gone waits at least, once that is seen: a sender that is only late may still record its
 * answer, as after an outage of the database, and an echo that has come may still be looked at.
 */
const LAST_WORD_MS = 1_000;

/** A row that is ours to send now. */
export interface ClaimedBubble {
  readonly id: OutboxId;
  readonly conversationId: ConversationId;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly turnId: string;
  readonly part: number;
  readonly attempt: number;
  readonly text: string;
  readonly ticketId: string | undefined;
  readonly aliases: readonly SealedAlias[];
  /** When the oldest message of the turn was accepted. */
  readonly askedAt: Date | undefined;
  readonly requestId: string | undefined;
  /** The span that decided on it, where somebody records spans. */
  readonly traceparent: string | undefined;
}

/** The first open row of a conversation that cannot be sent right now, and why. */
export interface OpenBubble {
  readonly id: OutboxId;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly turnId: string;
  readonly state: 'pending' | 'sending' | 'unknown';
  readonly attempts: number;
  /** Copies that were sent because of the channel's policy. */
  readonly resends: number;
  readonly dueInMs: number;
  readonly isOfOlderEpoch: boolean;
  readonly hasExpired: boolean;
  /** Times that somebody began to look for this unknown send at the gateway. */
  readonly readBacks: number;
}

/** The outbox: what is to be said, and how far it has come. */
export class OutboxStore {
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /**
   * Takes the first open row of the conversation, if it may be sent now: due, in time, and of the owner's epoch.
   *
   * The conversation is locked for this one statement, so a change of owner comes either before it, and the row is not
   * taken, or after it, and sees the row as being sent. The question how the service was is dropped instead once the
   * customer has written again: what was closed is open.
   *
   * @param claimId a new UUID, by which a claim can be taken back whose answer was never heard.
   */
  async claim(id: ConversationId, claimId: string): Promise<ClaimedBubble | undefined> {
    const { rows } = await sql<ClaimedRow>`
      with c as (
        select id, tenant_id, epoch, contact_id, gateway_ticket_id, owner, owner_since from conversation
         where id = ${id} for no key update
      ), head as (
        select id from outbox where conversation_id = ${id} and state in ('pending', 'sending', 'unknown') order by seq limit 1
      ), withdrawn as (
        update outbox o set state = 'dropped', failure = 'customer-wrote' from c, head
         where o.id = head.id and o.state = 'pending' and not o.calls_person
           and exists (select from csat_survey s where s.tenant_id = c.tenant_id and s.conversation_id = c.id and s.question_id = o.message_id)
           and (c.owner <> 'nobody' or exists (
             select from message m where m.conversation_id = c.id and m.author = 'customer'
                and (m.settled_at is null or m.received_at > c.owner_since)))
        returning o.id
      )
      update outbox o set state = 'sending', attempts = attempts + 1, sending_since = clock_timestamp(), read_backs = 0,
             claim_id = ${claimId},
             due_at = clock_timestamp() + ${SENDING_MS} * interval '1 millisecond'
        from c, head
       where o.id = head.id and o.state = 'pending' and o.due_at <= clock_timestamp() and o.epoch = c.epoch
         and o.deadline_at > clock_timestamp() and not exists (select from withdrawn)
      returning o.id, o.conversation_id, o.tenant_id, o.channel_id, o.turn_id, o.part, o.attempts, o.request_id, o.traceparent, o.asked_at,
        c.gateway_ticket_id,
        (select text from message m where m.id = o.message_id) as text, ${ALIASES} as aliases`.execute(this.#db);
    const [row] = rows;
    return row === undefined ? undefined : claimedFromRow(row);
  }

  /**
   * Gives the conversation's first row its place in the channel's pace, once.
   *
   * The pace is kept in the database because the processes that send share it, and a gateway bans who exceeds it.
   */
  async reserveSlot(id: ConversationId, pacingMs: number): Promise<void> {
    const pace = sql`${pacingMs} * interval '1 millisecond'`;
    await sql`
      with head as (
        select id, channel_id, tenant_id from outbox
         where conversation_id = ${id} and state in ('pending', 'sending', 'unknown') order by seq limit 1
      ), unpaced as (
        select head.* from head join outbox o on o.id = head.id where o.paced_at is null and o.state = 'pending'
      ), slot as (
        insert into channel_pacing as p (channel_id, tenant_id, next_send_at)
        select channel_id, tenant_id, clock_timestamp() + ${pace} from unpaced
        on conflict (channel_id) do update set next_send_at = greatest(p.next_send_at, clock_timestamp()) + ${pace}
        returning next_send_at - ${pace} as at
      )
      update outbox o set paced_at = slot.at, due_at = greatest(o.due_at, slot.at) from unpaced, slot
       where o.id = unpaced.id and o.paced_at is null`.execute(this.#db);
  }

  /** The first open row, for when it could not be claimed. */
  async findHead(id: ConversationId): Promise<OpenBubble | undefined> {
    const { rows } = await sql<HeadRow>`
      select o.id, o.tenant_id, o.channel_id, o.turn_id, o.state, o.attempts, o.resends, o.epoch < c.epoch as older,
             o.read_backs, o.deadline_at <= clock_timestamp() as expired,
             greatest(0, extract(epoch from o.due_at - clock_timestamp()) * 1000)::float8 as due_in_ms
        from outbox o join conversation c on c.id = o.conversation_id
       where o.conversation_id = ${id} and o.state in ('pending', 'sending', 'unknown') order by o.seq limit 1`.execute(
      this.#db,
    );
    const [row] = rows;
    return row === undefined
      ? undefined
      : {
          id: OutboxId.parse(row.id),
          tenantId: TenantId.parse(row.tenant_id),
          channelId: ChannelId.parse(row.channel_id),
          turnId: row.turn_id,
          state: OpenState.parse(row.state),
          attempts: row.attempts,
          resends: row.resends,
          dueInMs: row.due_in_ms,
          isOfOlderEpoch: row.older,
          hasExpired: row.expired,
          readBacks: row.read_backs,
        };
  }

  /** @returns whether the conversation has more to send, and whether the send had been taken for unknown meanwhile. */
  async markSent(
    bubble: ClaimedBubble,
    providerMessageId: string | undefined,
  ): Promise<{ isMore: boolean; wasUnknown: boolean }> {
    const { rows } = await sql<{ more: boolean; settled_by: string | null }>`
      with sent as (
        update outbox set state = 'sent', sent_at = clock_timestamp(),
               settled_by = case when state = 'unknown' then 'late-answer' else 'answer' end,
               provider_message_id = coalesce(provider_message_id, ${providerMessageId ?? null})
         where id = ${bubble.id} and attempts = ${bubble.attempt} and state in ('sending', 'unknown')
        returning settled_by
      )
      select (select settled_by from sent),
             exists (select from outbox where conversation_id = ${bubble.conversationId} and id <> ${bubble.id}
                        and state in ('pending', 'sending', 'unknown')) as more`.execute(this.#db);
    return { isMore: rows[0]?.more ?? true, wasUnknown: rows[0]?.settled_by === 'late-answer' };
  }

  /** It was certainly not sent: it waits for another attempt, and for a new place in the pace. */
  async markForRetry(bubble: ClaimedBubble, again: { inMs: number; failure: string }): Promise<void> {
    await this.#setBack(
      bubble,
      sql`state = 'pending', paced_at = null, failure = ${again.failure},
        due_at = clock_timestamp() + ${again.inMs} * interval '1 millisecond', ${historyEntry('retry', again.failure)}`,
    );
  }

  /** The claim came to nothing before a byte was written. It does not count as an attempt. */
  async unclaim(bubble: ClaimedBubble, againInMs: number): Promise<void> {
    await this.#setBack(
      bubble,
      sql`state = 'pending', attempts = attempts - 1,
        due_at = clock_timestamp() + ${againInMs} * interval '1 millisecond'`,
    );
  }

  /** Takes back a claim that was made without its maker's knowledge, so that nothing was sent under it. */
  async unclaimUnheard(id: ConversationId, claimId: string): Promise<boolean> {
    const { numAffectedRows = 0n } = await sql`
      update outbox set state = 'pending', attempts = attempts - 1, due_at = clock_timestamp()
       where conversation_id = ${id} and claim_id = ${claimId} and state = 'sending'`.execute(this.#db);
    return numAffectedRows > 0n;
  }

  /**
   * Bytes may have reached the gateway and no answer came.
   *
   * Its echo is waited for from now on. Where the sender is gone it is from the claim on, so that a crash costs the customer
   * no more time than a line that drops.
   *
   * @returns `confirmed` when an echo had confirmed the send before its own call ended so; `moved` when it is not ours any
   *   more. Each can be told once.
   */
  async markUnknown(
    row: { id: OutboxId; attempts: number },
    failure: string,
    sender: 'alive' | 'gone',
  ): Promise<'unknown' | 'confirmed' | 'moved'> {
    const dueAt =
      sender === 'alive'
        ? sql`clock_timestamp() + ${UNKNOWN_MS} * interval '1 millisecond'`
        : sql`greatest(sending_since + ${UNKNOWN_MS} * interval '1 millisecond',
                       clock_timestamp() + ${LAST_WORD_MS} * interval '1 millisecond')`;
    const { rows } = await sql<{ state: string }>`
      update outbox set state = case when state = 'sending' then 'unknown' else state end, unknown_since = clock_timestamp(),
             failure = case when state = 'sending' then ${failure} else failure end, due_at = ${dueAt},
             ${historyEntry('unknown', failure)}
       where id = ${row.id} and attempts = ${row.attempts}
         and (state = 'sending' or (settled_by = 'echo' and unknown_since is null))
      returning state`.execute(this.#db);
    if (rows[0] === undefined) return 'moved';
    return rows[0].state === 'unknown' ? 'unknown' : 'confirmed';
  }

  /** Sends an unconfirmed text once more, by the channel's policy. */
  async resend(row: OpenBubble): Promise<boolean> {
    const { numAffectedRows = 0n } = await sql`
      update outbox set state = 'pending', resends = resends + 1, paced_at = null, due_at = clock_timestamp(),
             ${historyEntry('resend', 'policy')}
       where id = ${row.id} and attempts = ${row.attempts} and state = 'unknown'`.execute(this.#db);
    return numAffectedRows > 0n;
  }

  async #setBack(bubble: ClaimedBubble, columns: RawBuilder<unknown>): Promise<void> {
    await sql`update outbox set ${columns}
      where id = ${bubble.id} and attempts = ${bubble.attempt} and state = 'sending'`.execute(this.#db);
  }

  /**
   * Conversations whose next part is due, or that have something to settle, and nobody has looked after. Oldest first. A part
   * that waits for an earlier one is not forgotten. A claim that has run out gets no grace: whoever made it is gone, and
   * rings nobody.
   */
  async findForgotten(options: { graceMs: number; limit: number }): Promise<readonly ConversationId[]> {
    const { rows } = await sql<{ conversation_id: string }>`
      (select o.conversation_id from outbox o where o.state in ('pending', 'sending', 'unknown')
          and o.due_at <= clock_timestamp()
          and (o.state = 'sending' or o.due_at <= clock_timestamp() - ${options.graceMs} * interval '1 millisecond')
          and not exists (select from outbox e where e.conversation_id = o.conversation_id
                             and e.state in ('pending', 'sending', 'unknown') and e.seq < o.seq)
        order by o.due_at limit ${options.limit})
      union
      (select conversation_id from echo where settled_at is null
          and received_at <= clock_timestamp() - ${options.graceMs} * interval '1 millisecond' limit ${options.limit})`.execute(
      this.#db,
    );
    return rows.map((row) => ConversationId.parse(row.conversation_id));
  }
}

const OpenState = z.enum(['pending', 'sending', 'unknown']);
interface ClaimedRow {
  id: string;
  conversation_id: string;
  tenant_id: string;
  channel_id: string;
  turn_id: string;
  part: number;
  attempts: number;
  request_id: string | null;
  traceparent: string | null;
  gateway_ticket_id: string | null;
  text: string | null;
  asked_at: Date | null;
  aliases: unknown;
}

interface HeadRow {
  id: string;
  tenant_id: string;
  channel_id: string;
  turn_id: string;
  state: string;
  attempts: number;
  resends: number;
  older: boolean;
  expired: boolean;
  read_backs: number;
  due_in_ms: number;
}

function claimedFromRow(row: ClaimedRow): ClaimedBubble {
  return {
    id: OutboxId.parse(row.id),
    conversationId: ConversationId.parse(row.conversation_id),
    tenantId: TenantId.parse(row.tenant_id),
    channelId: ChannelId.parse(row.channel_id),
    turnId: row.turn_id,
    part: row.part,
    attempt: row.attempts,
    text: row.text ?? '',
    ticketId: row.gateway_ticket_id ?? undefined,
    askedAt: row.asked_at ?? undefined,
    requestId: row.request_id ?? undefined,
    traceparent: row.traceparent ?? undefined,
    aliases: aliasesFromRow(row.aliases),
  };
}
