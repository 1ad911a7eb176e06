import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Logger } from '../platform/logger.ts';
import { deadlineSignal } from '../platform/time.ts';
import type { Channel } from '../tenants/tenants.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { GatewayTickets, Recipient } from '../vocabulary/gateway.ts';
import { ChannelId, ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import type { TicketState } from '../vocabulary/ticket.ts';
import type { ShownTicket } from './ticket-store.ts';

/** What looking at tickets needs from the rest of the system, and nothing more. */
export interface WatchNeeds {
  readonly db: Kysely<Schema>;
  readonly tickets: GatewayTickets;
  readonly channelOf: (id: ChannelId) => Promise<Channel | undefined>;
  readonly recipientOf: (tenantId: TenantId, id: ConversationId) => Promise<Recipient>;
  readonly observe: (shown: ShownTicket) => Promise<unknown>;
  readonly log: Logger;
}

/** How often a ticket in a person's hands is looked at, at most. */
const EVERY_SECONDS = 60;
/** With a round every ten seconds that is at most 30 looks a minute for a channel: its gateway serves people. */
const PER_CHANNEL_MAX = 5;
const PER_ROUND_MAX = 100;
/** Longer than one request may take, so that a gateway which is silent is known as such. */
const LOOK_MS = 20_000;
/** Channels that are being looked at, in one process. */
const CHANNELS_AT_ONCE_MAX = 50;
/** Channels that cannot be read are left out for so long: somebody has to change their configuration first. */
const UNREADABLE_FOR_MS = 300_000;
const UNREADABLE_MAX = 10_000;

/**
 * Looks at tickets of conversations that a person owns, for forks that do not tell what people do to them: somebody accepted
 * it, closed it, or moved it back to the bot's queue.
 *
 * Several processes may do it at once: a look is claimed before it is made. One that fails is made again a minute later. No
 * channel waits for another one: a gateway that hangs is not everybody's.
 */
export class TicketWatch {
  readonly #needs: WatchNeeds;
  readonly #underWay = new Map<ChannelId, Promise<void>>();
  readonly #unreadable = new LRUCache<ChannelId, true>({ max: UNREADABLE_MAX, ttl: UNREADABLE_FOR_MS });
  #isClosed = false;

  constructor(needs: WatchNeeds) {
    this.#needs = needs;
  }

  /**
   * Begins what is due, without waiting for it.
   *
   * @returns 0: the next round has no hurry.
   */
  async round(): Promise<number> {
    if (this.#isClosed || this.#underWay.size >= CHANNELS_AT_ONCE_MAX) return 0;
    const due = await claimLooks(this.#needs.db, [...this.#underWay.keys(), ...this.#unreadable.keys()]);
    for (const [channelId, looks] of Map.groupBy(due, (look) => look.channelId)) {
      const done = this.#lookAtAll(looks).finally(() => this.#underWay.delete(channelId));
      this.#underWay.set(channelId, done);
    }
    return 0;
  }

  /** A round, and the end of everything that is under way. */
  async look(): Promise<number> {
    const found = await this.round();
    await Promise.all(this.#underWay.values());
    return found;
  }

  /** Begins no further look, and waits for those that have begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects. A gateway that does not answer once is asked no more in this round. */
  async #lookAtAll(looks: readonly Look[]): Promise<void> {
    for (const look of looks) {
      if (this.#isClosed || this.#unreadable.has(look.channelId)) return;
      try {
        await this.#lookAt(look);
      } catch (error) {
        const level = error instanceof Failure ? 'warn' : 'error';
        this.#needs.log[level]({ err: error, conversationId: look.conversationId }, 'A ticket could not be looked at');
        if (isSilence(error)) return;
      }
    }
  }

  async #lookAt(look: Look): Promise<void> {
    const { conversationId, lookedAt } = look;
    const channel = await this.#needs.channelOf(look.channelId);
    if (channel === undefined || !isReadable(this.#needs.tickets, channel)) {
      this.#unreadable.set(look.channelId, true);
      return;
    }
    const seen = await ticketOf(this.#needs, channel, look);
    if (seen !== undefined) await this.#needs.observe({ conversationId, seen, isEvent: false, at: lookedAt });
  }
}

/**
 * The hosted forks tell of tickets themselves, and have no call that only reads: the one that shows a ticket is the one that
 * changes it. It is not made every minute unless it can find something out, which is that a ticket came back.
 */
function isReadable(tickets: GatewayTickets, { gateway, handoff }: Channel): boolean {
  if (gateway.profile === 'hosted' && handoff.botQueueId === undefined) return false;
  return tickets.refusal(gateway) === undefined;
}

/** What is wrong then is wrong with the gateway, and not with one ticket. */
function isSilence(error: unknown): boolean {
  if (!(error instanceof Failure)) return true;
  return error.code === 'GATEWAY_UNREACHABLE' || error.detail.error === 'ETIMEDOUT';
}

/** Another company's ticket, or one that is gone, says nothing about ours. */
async function ticketOf(needs: WatchNeeds, channel: Channel, look: Look): Promise<TicketState | undefined> {
  const signal = deadlineSignal(LOOK_MS);
  if (look.ticketId === undefined) {
    const recipient = await needs.recipientOf(look.tenantId, look.conversationId);
    return await needs.tickets.findTicket(channel.gateway, recipient, signal);
  }
  const seen = await needs.tickets.readTicket(channel.gateway, look.ticketId, signal);
  return typeof seen === 'string' ? undefined : seen;
}

interface Look {
  readonly conversationId: ConversationId;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly ticketId: string | undefined;
  readonly lookedAt: Date;
}

interface LookRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly channel_id: string;
  readonly gateway_ticket_id: string | null;
  readonly looked_at: Date;
}

/** Those that were looked at longest ago, a few of each channel. */
async function claimLooks(db: Kysely<Schema>, without: readonly ChannelId[]): Promise<readonly Look[]> {
  const { rows } = await sql<LookRow>`
    with due as (
      select c.id, c.tenant_id, c.channel_id, c.gateway_ticket_id, t.looked_at,
             row_number() over (partition by c.channel_id order by t.looked_at nulls first, c.id) as place
        from conversation c join channel h on h.id = c.channel_id left join ticket_state t on t.conversation_id = c.id
       where c.owner = 'human' and c.channel_id <> all(${[...without]}::uuid[])
         and (h.gateway_profile <> 'hosted' or h.bot_queue_id is not null)
         and (t.looked_at is null or t.looked_at < clock_timestamp() - ${EVERY_SECONDS} * interval '1 second')
    ), chosen as materialized (
      select * from due where place <= ${PER_CHANNEL_MAX} order by looked_at nulls first limit ${PER_ROUND_MAX}
    ), claimed as (
      insert into ticket_state (conversation_id, tenant_id, looked_at)
      select id, tenant_id, clock_timestamp() from chosen order by id
      on conflict (conversation_id) do update set looked_at = excluded.looked_at
       where ticket_state.looked_at is null
          or ticket_state.looked_at < clock_timestamp() - ${EVERY_SECONDS} * interval '1 second'
      returning conversation_id, looked_at
    )
    select h.id, h.tenant_id, h.channel_id, h.gateway_ticket_id, claimed.looked_at
      from claimed join chosen h on h.id = claimed.conversation_id`.execute(db);
  return rows.map((row) => ({
    conversationId: ConversationId.parse(row.id),
    tenantId: TenantId.parse(row.tenant_id),
    channelId: ChannelId.parse(row.channel_id),
    ticketId: row.gateway_ticket_id ?? undefined,
    lookedAt: row.looked_at,
  }));
}
