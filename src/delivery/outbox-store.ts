import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { z } from 'zod';
import { unseal } from '../platform/crypto.ts';
import type { TenantKeys } from '../tenants/tenants.ts';
import { ChannelId, ConversationId, OutboxId, TenantId } from '../vocabulary/ids.ts';
import type { Address } from '../vocabulary/message.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { SEND_WITHIN_MS } from './delivery.ts';

/** How long a row may say `sending` before nobody can be assumed to be sending it. Longer than one call may take. */
export const SENDING_MS = 20_000;
/** How long an unconfirmed send may wait for its echo. A later part waits no longer than this. */
const UNKNOWN_MS = 10_000;

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
}

export interface SealedAlias {
  readonly kind: Address['kind'];
  readonly blindIndex: string;
  readonly sealedAddress: Buffer;
}

/** The first open row of a conversation that cannot be sent right now, and why. */
export interface OpenBubble {
  readonly id: OutboxId;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly turnId: string;
  readonly state: 'pending' | 'sending' | 'unknown';
  readonly attempts: number;
  readonly dueInMs: number;
  readonly isOfOlderEpoch: boolean;
  readonly hasExpired: boolean;
}

/** Attempts kept in a row's history. */
const HISTORY_MAX = 20;

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
   * taken, or after it, and sees the row as being sent.
   */
  async claim(id: ConversationId): Promise<ClaimedBubble | undefined> {
    const { rows } = await sql<ClaimedRow>`
      with c as (
        select id, tenant_id, epoch, contact_id, gateway_ticket_id from conversation where id = ${id} for no key update
      ), head as (
        select id from outbox where conversation_id = ${id} and state in ('pending', 'sending', 'unknown') order by seq limit 1
      )
      update outbox o set state = 'sending', attempts = attempts + 1, sending_since = clock_timestamp(),
             due_at = clock_timestamp() + ${SENDING_MS} * interval '1 millisecond'
        from c, head
       where o.id = head.id and o.state = 'pending' and o.due_at <= clock_timestamp() and o.epoch = c.epoch
         and o.deadline_at > clock_timestamp()
      returning o.id, o.conversation_id, o.tenant_id, o.channel_id, o.turn_id, o.part, o.attempts, o.request_id, o.asked_at, c.gateway_ticket_id,
        (select text from message m where m.id = o.message_id) as text,
(select json_agg(json_build_object('kind', a.kind, 'blindIndex', encode(a.blind_index, 'hex'),
                                           'sealedAddress', encode(a.sealed_address, 'base64')) order by a.kind = 'phone' desc, a.kind)
           from contact_alias a where a.tenant_id = c.tenant_id and a.contact_id = c.contact_id) as aliases`.execute(
      this.#db,
    );
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
      select o.id, o.tenant_id, o.channel_id, o.turn_id, o.state, o.attempts, o.epoch < c.epoch as older,
             o.deadline_at <= clock_timestamp() as expired,
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
          dueInMs: row.due_in_ms,
          isOfOlderEpoch: row.older,
          hasExpired: row.expired,
        };
  }

  /** @returns whether the conversation has more to send. */
  async markSent(bubble: ClaimedBubble, providerMessageId: string | undefined): Promise<boolean> {
    const { rows } = await sql<{ more: boolean }>`
      with sent as (
        update outbox set state = 'sent', sent_at = clock_timestamp(), settled_by = 'answer',
               provider_message_id = coalesce(provider_message_id, ${providerMessageId ?? null})
         where id = ${bubble.id} and attempts = ${bubble.attempt} and state in ('sending', 'unknown')
      )
      select exists (select from outbox where conversation_id = ${bubble.conversationId} and id <> ${bubble.id}
                        and state in ('pending', 'sending', 'unknown')) as more`.execute(this.#db);
    return rows[0]?.more ?? true;
  }

  /** It was certainly not sent: it waits for another attempt, and for a new place in the pace. */
  async markForRetry(bubble: ClaimedBubble, again: { inMs: number; failure: string }): Promise<void> {
    await this.#setBack(
      bubble,
      sql`state = 'pending', paced_at = null, failure = ${again.failure},
        due_at = clock_timestamp() + ${again.inMs} * interval '1 millisecond', ${entry('retry', again.failure)}`,
    );
  }

  /** The claim came to nothing before a byte was written. It does not count as an attempt. */
  async unclaim(bubble: ClaimedBubble): Promise<void> {
    await this.#setBack(bubble, sql`state = 'pending', attempts = attempts - 1, due_at = clock_timestamp()`);
  }

  /** Bytes may have reached the gateway and no answer came. */
  async markUnknown(row: { id: OutboxId; attempts: number }, failure: string): Promise<void> {
    await sql`update outbox set state = 'unknown', unknown_since = clock_timestamp(), failure = ${failure},
        due_at = clock_timestamp() + ${UNKNOWN_MS} * interval '1 millisecond', ${entry('unknown', failure)}
      where id = ${row.id} and attempts = ${row.attempts} and state = 'sending'`.execute(this.#db);
  }

  /** Sends an unconfirmed text once more, by the channel's policy. */
  async resend(row: OpenBubble): Promise<boolean> {
    const { numAffectedRows = 0n } = await sql`
      update outbox set state = 'pending', paced_at = null, due_at = clock_timestamp(), ${entry('resend', 'policy')}
       where id = ${row.id} and attempts = ${row.attempts} and state = 'unknown'`.execute(this.#db);
    return numAffectedRows > 0n;
  }

  async #setBack(bubble: ClaimedBubble, columns: RawBuilder<unknown>): Promise<void> {
    await sql`update outbox set ${columns}
      where id = ${bubble.id} and attempts = ${bubble.attempt} and state = 'sending'`.execute(this.#db);
  }

  /**
   * Conversations whose next part is due, or that have something to settle, and nobody has looked after. Oldest first. A part
   * that waits for an earlier one is not forgotten.
   */
  async findForgotten(options: { graceMs: number; limit: number }): Promise<readonly ConversationId[]> {
    const { rows } = await sql<{ conversation_id: string }>`
      (select o.conversation_id from outbox o where o.state in ('pending', 'sending', 'unknown')
          and o.due_at <= clock_timestamp() - ${options.graceMs} * interval '1 millisecond'
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

/**
 * A dead part goes out again, with the parts that ended with it, in the conversation's present epoch: a person has decided
 * that it is still worth saying.
 *
 * @returns false when there is no such dead part.
 */
export async function reviveReply(tx: Tx, outboxId: string): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    with dead as (select turn_id, part from outbox where id = ${outboxId} and state in ('failed', 'dropped'))
    update outbox o set state = 'pending', attempts = 0, paced_at = null, due_at = clock_timestamp(), epoch = c.epoch,
           deadline_at = clock_timestamp() + ${SEND_WITHIN_MS} * interval '1 millisecond', failure = null, ${entry('replayed', 'by a person')}
      from dead, conversation c
     where c.id = o.conversation_id and o.turn_id = dead.turn_id and o.part >= dead.part
       and (o.id = ${outboxId} or o.failure = 'earlier-part-failed')`.execute(tx);
  return numAffectedRows > 0n;
}

/**
 * Ends a reply of which a part cannot be said: this part and those after it are not sent, and unless the customer has
 * already had a part of it, the messages that it answered are not answered any more.
 */
export async function endReply(
  tx: Tx,
  row: { id: string; turnId: string },
  end: { state: 'failed' | 'dropped'; failure: string; settleAs: 'human' | 'recorded' },
): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update outbox set state = ${end.state}, failure = ${end.failure}, ${entry(end.state, end.failure)}
     where id = ${row.id} and state in ('pending', 'sending', 'unknown')`.execute(tx);
  if (numAffectedRows === 0n) return false;
  await sql`update outbox set state = 'dropped', failure = 'earlier-part-failed'
     where turn_id = ${row.turnId} and state = 'pending'`.execute(tx);
  await sql`
    update message set settled_kind = ${end.settleAs}, settled_reason = ${end.failure}, settled_by_message_id = null
     where settled_kind = 'reply' and settled_turn_id = ${row.turnId}
       and conversation_id = (select conversation_id from outbox where id = ${row.id})
       and not exists (select from outbox where turn_id = ${row.turnId} and state in ('sent', 'delivered', 'read', 'unknown', 'sending'))`.execute(
    tx,
  );
  return true;
}

/** The addresses of a claimed row, opened. Best first. */
export function openAddresses(bubble: ClaimedBubble, keys: TenantKeys): readonly Address[] {
  return bubble.aliases.map(({ kind, blindIndex, sealedAddress }) => {
    const place = { tenantId: bubble.tenantId, table: 'contact_alias', column: 'sealed_address', rowId: blindIndex };
    return { kind, value: unseal([keys.sealing], sealedAddress, place).toString() };
  });
}

/** Appends to a row's history and keeps the newest entries. */
function entry(what: string, why: string): RawBuilder<unknown> {
  return sql`history = (case when jsonb_array_length(history) >= ${HISTORY_MAX} then history - 0 else history end)
    || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'what', ${what}::text, 'why', ${why}::text))`;
}

const OpenState = z.enum(['pending', 'sending', 'unknown']);
const AliasRow = z.object({
  kind: z.enum(['phone', 'lid', 'ticket']),
  blindIndex: z.string(),
  sealedAddress: z.string(),
});

interface ClaimedRow {
  id: string;
  conversation_id: string;
  tenant_id: string;
  channel_id: string;
  turn_id: string;
  part: number;
  attempts: number;
  request_id: string | null;
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
  older: boolean;
  expired: boolean;
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
    aliases: z
      .array(AliasRow)
      .parse(row.aliases ?? [])
      .map((alias) => ({ ...alias, sealedAddress: Buffer.from(alias.sealedAddress, 'base64') })),
  };
}
