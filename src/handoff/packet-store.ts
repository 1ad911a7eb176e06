import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { z } from 'zod';
import { MessageId, TenantId } from '../vocabulary/ids.ts';
import { MESSAGE_KINDS } from '../vocabulary/message.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { Packet, packetText, withTimeLeft, writePacket } from './packet.ts';
import type { PacketFacts, PacketMessage } from './packet.ts';

/** What is read of an episode for a packet. Of a longer one its end counts. */
const MESSAGES_READ = 40;
const TURNS_READ = 20;
/** Passages below this share a word with the question and were no source of anything. */
const SOURCE_SCORE_MIN = 0.2;
const SOURCES_MAX = 5;
/** A packet that no model could write by then is needed now, and stays as it is. */
export const TRIES_MAX = 2;
/** From one try of a model to the next: longer than a try may take. */
const TRY_AGAIN_MS = 60_000;
/** A deletion bears the time at which it began; by this long after, it is committed, and whoever reads sees it. */
const COMMITTED_WITHIN_MS = 5_000;

/** What facts and words of a packet depend on beside the rows. */
export interface PacketReading {
  readonly tenantOf: (id: TenantId) => Promise<{ readonly locale: string; readonly timeZone: string }>;
  readonly moodOf: PacketFacts['moodOf'];
}

export interface StoredPacket {
  readonly packet: Packet;
  readonly facts: PacketFacts;
}

/**
 * Takes the oldest handoff that nobody has written a packet for, until the end of the transaction: another worker takes
 * another one meanwhile.
 *
 * @param except those that are not to be taken now.
 */
export async function claimHandoffWithoutPacket(tx: Tx, except: readonly string[]): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select id from handoff where packet_at is null and id <> all(${except}::uuid[])
     order by requested_at limit 1 for no key update skip locked`.execute(tx);
  return rows[0]?.id;
}

/** What the tables know about a handoff's conversation; undefined when the handoff is gone. */
export async function readPacketFacts(
  db: Kysely<Schema>,
  reading: PacketReading,
  handoffId: string,
): Promise<PacketFacts | undefined> {
  const handoff = await db
    .selectFrom('handoff')
    .innerJoin('conversation', 'conversation.id', 'handoff.conversation_id')
    .select(['handoff.tenant_id', 'handoff.conversation_id', 'handoff.reason', 'conversation.episode_started_at'])
    .select((is) =>
      is
        .selectFrom('sla_clock')
        .select((min) => min.fn.min('sla_clock.due_at').as('due_at'))
        .whereRef('sla_clock.handoff_id', '=', 'handoff.id')
        .whereRef('sla_clock.tenant_id', '=', 'handoff.tenant_id')
        .where('sla_clock.stopped_at', 'is', null)
        .as('due_at'),
    )
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where('handoff.id', '=', handoffId)
    .executeTakeFirst();
  if (handoff === undefined) return undefined;
  const { locale, timeZone } = await reading.tenantOf(TenantId.parse(handoff.tenant_id));
  const episode = {
    tenantId: handoff.tenant_id,
    conversationId: handoff.conversation_id,
    since: handoff.episode_started_at,
  };
  return {
    locale,
    timeZone,
    reason: handoff.reason,
    messages: await readMessages(db, episode),
    sources: await readSources(db, episode),
    moodOf: reading.moodOf,
    dueAt: handoff.due_at ?? undefined,
    now: handoff.now,
  };
}

/**
 * Keeps the first packet of a handoff. Safe to repeat: the second time there is one.
 *
 * @param improve whether a model may write it better.
 */
export async function saveFirstPacket(
  db: Kysely<Schema>,
  handoffId: string,
  { packet, improve }: { packet: Packet; improve: boolean },
): Promise<void> {
  await sql`
    with written as (
      insert into handoff_packet (handoff_id, tenant_id, written_by, packet, improve_at)
      select id, tenant_id, ${packet.writtenBy}, ${JSON.stringify(packet)}::jsonb, ${improve ? sql`now()` : sql`null`}
        from handoff where id = ${handoffId}
      on conflict (handoff_id) do nothing
    )
    update handoff set packet_at = now() where id = ${handoffId} and packet_at is null`.execute(db);
}

/**
 * Takes packets for a model to write better, each for one try that nobody else makes meanwhile. One whose person has come,
 * or that was tried often enough, is not taken again.
 */
export async function claimPacketsToImprove(db: Kysely<Schema>, limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ handoff_id: string; state: string }>`
    with due as (
      select p.handoff_id, h.state from handoff_packet p join handoff h on h.id = p.handoff_id
       where p.improve_at <= now() order by p.improve_at limit ${limit} for update of p skip locked
    )
    update handoff_packet p
       set tries = p.tries + 1,
           improve_at = case when due.state = 'waiting' and p.tries + 1 < ${TRIES_MAX}
                             then now() + ${TRY_AGAIN_MS} * interval '1 millisecond' end
      from due where p.handoff_id = due.handoff_id
    returning p.handoff_id, due.state`.execute(db);
  return rows.flatMap(({ handoff_id: id, state }) => (state === 'waiting' ? [id] : []));
}

/**
 * What a model wrote takes the rule's place. It counts as written when its facts were read: what is taken back while the model
 * writes is taken back from it as well.
 */
export async function saveImprovedPacket(
  db: Kysely<Schema>,
  handoffId: string,
  { packet, readAt }: { packet: Packet; readAt: Date },
): Promise<void> {
  await db
    .updateTable('handoff_packet')
    .set({
      packet: JSON.stringify(packet),
      written_by: packet.writtenBy,
      improve_at: null,
      written_at: readAt,
    })
    .where('handoff_id', '=', handoffId)
    .execute();
}

/**
 * The packet as it stands, with the time that is left now; by rule and not yet kept where nobody has written one. What the
 * customer has taken back since it was written is in no packet: then it is written by rule as well, out of what is left.
 */
export async function findPacket(
  db: Kysely<Schema>,
  reading: PacketReading,
  handoffId: string,
): Promise<StoredPacket | undefined> {
  const facts = await readPacketFacts(db, reading, handoffId);
  if (facts === undefined) return undefined;
  const row = await db
    .selectFrom('handoff_packet')
    .select('packet')
    .where('handoff_id', '=', handoffId)
    .where((is) => is.not(is.exists(takenBackSince())))
    .executeTakeFirst();
  const packet = row === undefined ? writePacket(facts) : withTimeLeft(Packet.parse(row.packet), facts);
  return { packet, facts };
}

/**
 * What was taken back after the facts of a packet were read. Any such message counts:
 * a model's sentence about one message may hold the words of its neighbour.
 */
function takenBackSince(): RawBuilder<unknown> {
  return sql`(
    select 1 from message m join handoff h on h.conversation_id = m.conversation_id and h.tenant_id = m.tenant_id
     where h.id = handoff_packet.handoff_id
       and m.deleted_at > handoff_packet.written_at - ${COMMITTED_WITHIN_MS} * interval '1 millisecond')`;
}

/** The packet as text for a ticket's note; undefined when there is no such handoff. */
export async function packetTextFor(
  db: Kysely<Schema>,
  reading: PacketReading,
  handoffId: string,
): Promise<string | undefined> {
  const found = await findPacket(db, reading, handoffId);
  return found && packetText(found.packet, found.facts.locale);
}

interface Episode {
  readonly tenantId: string;
  readonly conversationId: string;
  readonly since: Date;
}

const Author = z.enum(['customer', 'bot', 'human']);
const Kind = z.enum(MESSAGE_KINDS);

/** What was said in the episode, oldest first. What the bot meant to say and never sent is not among it. */
async function readMessages(db: Kysely<Schema>, episode: Episode): Promise<readonly PacketMessage[]> {
  const rows = await db
    .selectFrom('message')
    .select(['id', 'author', 'kind', 'text'])
    .where('tenant_id', '=', episode.tenantId)
    .where('conversation_id', '=', episode.conversationId)
    .where('received_at', '>=', episode.since)
    .where('deleted_at', 'is', null)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('outbox')
            .select('outbox.id')
            .whereRef('outbox.message_id', '=', 'message.id')
            .where('outbox.state', '=', 'dropped'),
        ),
      ),
    )
    .orderBy('seq', 'desc')
    .limit(MESSAGES_READ)
    .execute();
  return rows.reverse().map((row) => ({
    id: MessageId.parse(row.id),
    author: Author.parse(row.author),
    kind: Kind.parse(row.kind),
    text: row.text ?? undefined,
  }));
}

const Trace = z.object({
  read: z.array(z.uuid()).default([]),
  found: z.array(z.object({ documentId: z.uuid(), title: z.string(), score: z.number() })).default([]),
});

/** The documents that the turns of the episode looked into, each with the messages for which it was found. */
async function readSources(db: Kysely<Schema>, episode: Episode): Promise<PacketFacts['sources']> {
  const rows = await db
    .selectFrom('turn')
    .select('trace')
    .where('tenant_id', '=', episode.tenantId)
    .where('conversation_id', '=', episode.conversationId)
    .where('finished_at', '>=', episode.since)
    .orderBy('finished_at', 'desc')
    .limit(TURNS_READ)
    .execute();
  const sources = new Map<string, { documentId: string; title: string; messageIds: string[] }>();
  for (const { read, found } of rows.map((row) => Trace.safeParse(row.trace).data ?? Trace.parse({})).reverse()) {
    for (const { documentId, title, score } of found) {
      if (score < SOURCE_SCORE_MIN || read.length === 0) continue;
      const known = sources.get(documentId) ?? { documentId, title, messageIds: [] };
      sources.set(documentId, { ...known, messageIds: [...new Set([...known.messageIds, ...read])] });
    }
  }
  return [...sources.values()].slice(-SOURCES_MAX);
}
