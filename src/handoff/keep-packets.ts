import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Logger } from '../platform/logger.ts';
import type { ComposeRequest } from '../vocabulary/model.ts';
import { packetImproved } from '../vocabulary/events.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { packetFromModel, packetRequest } from './packet-by-model.ts';
import { writePacket } from './packet.ts';
import {
  claimHandoffWithoutPacket,
  claimPacketsToImprove,
  readPacketFacts,
  saveFirstPacket,
  saveImprovedPacket,
} from './packet-store.ts';
import type { PacketReading } from './packet-store.ts';

/** Taken in one round; the next one follows at once while there are more. */
const WRITTEN_AT_ONCE = 50;
const IMPROVED_AT_ONCE = 2;
/** A handoff whose packet failed is tried again after this: what was wrong with it may be over. */
const SET_ASIDE_MS = 60_000;
/** So many are remembered; one more, and the one that has waited longest is tried again early. */
const SET_ASIDE_MAX = 500;

/** What keeping packets needs, and nothing more. */
export interface KeepPacketsNeeds extends PacketReading {
  readonly db: Kysely<Schema>;
  /** Whether a model may write for this handoff's tenant. */
  readonly mayAskModel: (handoffId: string) => Promise<boolean>;
  /** What a model wrote within the time it has; undefined when none answered. */
  readonly ask: (
    request: ComposeRequest,
    asking: { handoffId: string; signal: AbortSignal },
  ) => Promise<string | undefined>;
  /** Kept from round to round. */
  readonly failing: PacketFailures;
  readonly log: Logger;
}

/** The handoffs whose packets failed a moment ago, in this process, so that they keep no younger one without a packet. */
export type PacketFailures = LRUCache<string, true>;

export function noPacketFailures(): PacketFailures {
  return new LRUCache({ max: SET_ASIDE_MAX, ttl: SET_ASIDE_MS });
}

/**
 * Writes by rule what no packet has yet. Safe to run again, and in several processes: each takes a handoff that no other one
 * is at, and the first packet that is kept stays. One that fails is set aside, so that the others have theirs.
 *
 * @returns how many it wrote.
 */
export async function writePackets(needs: KeepPacketsNeeds): Promise<number> {
  let written = 0;
  for (let taken = 0; taken < WRITTEN_AT_ONCE; taken += 1) {
    const outcome = await writeNext(needs);
    if (outcome === 'none-left') break;
    if (outcome === 'written') written += 1;
  }
  return written;
}

async function writeNext(needs: KeepPacketsNeeds): Promise<'written' | 'failed' | 'none-left'> {
  let handoffId: string | undefined;
  try {
    return await needs.db.transaction().execute(async (tx) => {
      handoffId = await claimHandoffWithoutPacket(tx, [...needs.failing.keys()]);
      if (handoffId === undefined) return 'none-left';
      const facts = await readPacketFacts(tx, needs, handoffId);
      if (facts === undefined) throw new Error('The handoff has no conversation');
      const improve = facts.messages.length > 0 && (await needs.mayAskModel(handoffId));
      await saveFirstPacket(tx, handoffId, { packet: writePacket(facts), improve });
      return 'written';
    });
  } catch (error) {
    // Nothing was taken: it is the database, and every other one would fail as well.
    if (handoffId === undefined) throw error;
    needs.failing.set(handoffId, true);
    needs.log.error({ err: error, handoffId }, 'A packet could not be written; it will be tried again');
    return 'failed';
  }
}

/**
 * Lets a model write packets whose person has not come yet. Whatever the model does, the packet by rule is there: what it
 * wrote takes its place only when every sentence rests on a message of this conversation.
 *
 * Safe to run again: each try is taken by one process, and there are few.
 *
 * @returns how many it tried.
 */
export async function improvePackets(needs: KeepPacketsNeeds, signal: AbortSignal): Promise<number> {
  if (signal.aborted) return 0;
  const ids = await claimPacketsToImprove(needs.db, IMPROVED_AT_ONCE);
  await Promise.all(ids.map((id) => improve(needs, id, signal)));
  return ids.length;
}

async function improve(needs: KeepPacketsNeeds, handoffId: string, signal: AbortSignal): Promise<void> {
  const facts = await readPacketFacts(needs.db, needs, handoffId);
  if (facts === undefined) return;
  const reply = await needs.ask(packetRequest(facts), { handoffId, signal });
  const packet = reply === undefined ? undefined : packetFromModel(writePacket(facts), reply, facts);
  if (packet !== undefined) await saveImprovedPacket(needs.db, handoffId, { packet, readAt: facts.now });
  const outcome = reply === undefined ? 'no-answer' : packet === undefined ? 'not-traceable' : 'written';
  packetImproved(needs.log, { handoffId, outcome });
}
