import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { isSealedWith, seal, unseal } from '../platform/crypto.ts';
import type { SealedPlace, SealingKey } from '../platform/crypto.ts';
import { TenantId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';

/**
 * The master key seals one thing only: the data key of each tenant. Its rotation seals those anew and touches no row of a
 * customer, so it is over in seconds, and whoever holds both keys notices nothing.
 */

/** One statement locks no more rows than this, each of which a webhook of that tenant may be reading. */
const BATCH_ROWS = 100;

export interface Sealing {
  /** Tenants whose data key is under the current master key. */
  readonly current: number;
  /** Those under another one that we have. */
  readonly pending: number;
  /** Those that none of our keys opens. Never empty without a reason to stop: the key that is missing is still needed. */
  readonly unreadable: readonly TenantId[];
}

/** How the data keys are sealed now. Opens every one of them, and changes nothing. */
export async function inspectSealing(db: Kysely<Schema>, keys: readonly SealingKey[]): Promise<Sealing> {
  const [master] = keys;
  if (master === undefined) throw new Error('There is no master key');
  const found = { current: 0, pending: 0, unreadable: [] as TenantId[] };
  for await (const { id, sealed } of dataKeys(db)) {
    if (opened(keys, sealed, id) === undefined) found.unreadable.push(id);
    else if (isSealedWith(master, sealed)) found.current += 1;
    else found.pending += 1;
  }
  return found;
}

/**
 * Seals under the current master key what is under another one.
 *
 * Safe to run twice, from two places at once, and again after it was interrupted: it begins with whatever is not under the
 * current key, and a row that somebody else has changed meanwhile is left to the next run.
 *
 * @param keys the current one first. What none of them opens is left as it is.
 * @returns how many were sealed anew.
 */
export async function rewrapDataKeys(
  db: Kysely<Schema>,
  keys: readonly SealingKey[],
  onProgress: (rewrapped: number) => void = () => undefined,
): Promise<number> {
  const [master] = keys;
  if (master === undefined) throw new Error('There is no master key');
  let rewrapped = 0;
  for await (const { id, sealed } of dataKeys(db)) {
    if (isSealedWith(master, sealed)) continue;
    const dataKey = opened(keys, sealed, id);
    if (dataKey === undefined) continue;
    const result = await db
      .updateTable('tenant')
      .set({ sealed_data_key: seal(master, dataKey, dataKeyPlace(id)) })
      .where('id', '=', id)
      .where('sealed_data_key', '=', sealed)
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) continue;
    rewrapped += 1;
    if (rewrapped % BATCH_ROWS === 0) onProgress(rewrapped);
  }
  return rewrapped;
}

export function dataKeyPlace(id: TenantId): SealedPlace {
  return { tenantId: id, table: 'tenant', column: 'sealed_data_key', rowId: id };
}

const DataKeyRow = z.object({ id: TenantId, sealed: z.instanceof(Buffer) });

/** Every data key in the order of the ids, a page at a time: those of tenants that come meanwhile may or may not be among them. */
async function* dataKeys(db: Kysely<Schema>): AsyncGenerator<z.infer<typeof DataKeyRow>> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const { rows } = await sql`
      select id, sealed_data_key as sealed from tenant where id > ${after} order by id limit ${BATCH_ROWS}`.execute(db);
    const page = rows.map((row) => DataKeyRow.parse(row));
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < BATCH_ROWS) return;
    after = last.id;
  }
}

function opened(keys: readonly SealingKey[], sealed: Buffer, id: TenantId): Buffer | undefined {
  try {
    return unseal(keys, sealed, dataKeyPlace(id));
  } catch {
    // Another key, or a byte that was changed: either way it is counted and named by whoever asks.
    return undefined;
  }
}
