import { sql } from 'kysely';
import { newestWish } from '../privacy/privacy.ts';
import type { ConsentChange } from '../privacy/privacy.ts';
import type { Tx } from '../vocabulary/schema.ts';

/** What is read of a message for the wish in it. */
export const WISHED = ['id', 'text', 'seq'] as const;

interface Wished {
  readonly id: string;
  readonly text: string | null;
  readonly seq: string;
}

/**
 * What is settled without a turn, nobody reads again for what the customer wishes: the newest wish in it is kept here. An
 * opt-out silences the contact's other channels as well: what was decided there is of an older epoch now.
 */
export async function keepWish(tx: Tx, conversationId: string, settled: readonly Wished[]): Promise<void> {
  const wish = await newestWishOf(tx, conversationId, settled);
  if (wish === undefined) return;
  await sql`
    insert into consent_event (id, tenant_id, contact_id, kind, source, message_id)
    select gen_random_uuid(), tenant_id, contact_id, ${wish.kind}, 'message', ${wish.messageId} from conversation where id = ${conversationId}
    on conflict (message_id) where message_id is not null do nothing`.execute(tx);
  if (wish.kind !== 'opt-out') return;
  await sql`
    update conversation other set epoch = other.epoch + 1 from conversation c
     where c.id = ${conversationId} and other.tenant_id = c.tenant_id and other.contact_id = c.contact_id
       and other.id <> c.id and other.owner <> 'human'`.execute(tx);
}

/**
 * Where an opt-out is about to be kept, the contact's conversations are locked in one order, before this one: two at once,
 * on two channels, would wait for each other otherwise.
 */
export async function lockContactBeforeOptOut(tx: Tx, conversationId: string): Promise<void> {
  const open = await tx
    .selectFrom('message')
    .select(WISHED)
    .where('conversation_id', '=', conversationId)
    .where('author', '=', 'customer')
    .where('settled_at', 'is', null)
    .execute();
  if ((await newestWishOf(tx, conversationId, open))?.kind !== 'opt-out') return;
  await sql`
    select other.id from conversation other join conversation c on other.tenant_id = c.tenant_id and other.contact_id = c.contact_id
     where c.id = ${conversationId} order by other.id for no key update of other`.execute(tx);
}

async function newestWishOf(
  tx: Tx,
  conversationId: string,
  messages: readonly Wished[],
): Promise<ConsentChange | undefined> {
  if (messages.length === 0) return undefined;
  const { rows } = await sql<{ opted_out: boolean }>`
    select e.kind = 'opt-out' as opted_out from conversation c
      join consent_event e on e.tenant_id = c.tenant_id and e.contact_id = c.contact_id
     where c.id = ${conversationId} order by e.seq desc limit 1`.execute(tx);
  const inOrder = messages.toSorted((one, other) => (BigInt(one.seq) < BigInt(other.seq) ? -1 : 1));
  return newestWish(inOrder, rows[0]?.opted_out ?? false);
}
