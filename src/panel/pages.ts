import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { z } from 'zod';
import { Failure } from '../vocabulary/failures.ts';

/**
 * A place in a list: the sort key of the last row that was shown. A page is what comes after it, so that rows which
 * arrive meanwhile neither repeat nor hide others. It names nobody's rows: whose they are is decided by the query.
 */

/** To the microsecond, as PostgreSQL keeps it: cut to milliseconds it would skip rows of the same millisecond. */
const Microseconds = z.iso.datetime({ precision: 6 }).refine((at) => !at.startsWith('0000'));

/** The place in a list that is sorted by a time and then by id. */
const TimedPlace = z.strictObject({ at: Microseconds, id: z.uuid() });
/** The place in a list of messages: by the provider's time, then by arrival. */
const SpokenPlace = z.strictObject({ at: Microseconds, seq: z.string().regex(/^\d{1,18}$/) });

type Column = `${string}_at` | `${string}.${string}_at`;

/** A time as a cursor carries it. */
export function exactTime(column: Column): RawBuilder<string> {
  return sql<string>`to_char(${sql.ref(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** The rows after the cursor in a list that is sorted newest first. Everything when there is no cursor. */
export function olderThan(cursor: string | undefined, time: Column, id: string): RawBuilder<boolean> {
  const place = placeAt(TimedPlace, cursor);
  if (place === undefined) return sql<boolean>`true`;
  return sql<boolean>`(${sql.ref(time)}, ${sql.ref(id)}) < (${place.at}::timestamptz, ${place.id}::uuid)`;
}

/** The messages after the cursor, oldest first. */
export function spokenAfter(cursor: string | undefined): RawBuilder<boolean> {
  const place = placeAt(SpokenPlace, cursor);
  if (place === undefined) return sql<boolean>`true`;
  return sql<boolean>`(message.said_at, message.seq) > (${place.at}::timestamptz, ${place.seq}::bigint)`;
}

interface PageShape<Row, Item> {
  readonly limit: number;
  readonly placeOf: (row: Row) => z.input<typeof TimedPlace> | z.input<typeof SpokenPlace>;
  readonly itemOf: (row: Row) => Item;
}

/** How many rows to ask for: one more than are shown tells whether there is a next page. */
export function rowsFor(limit: number): number {
  return limit + 1;
}

export function pageOf<Row, Item>(
  rows: readonly Row[],
  shape: PageShape<Row, Item>,
): { items: Item[]; nextCursor: string | null } {
  const shown = rows.slice(0, shape.limit);
  const last = rows.length > shape.limit ? shown.at(-1) : undefined;
  return {
    items: shown.map(shape.itemOf),
    nextCursor: last === undefined ? null : Buffer.from(JSON.stringify(shape.placeOf(last))).toString('base64url'),
  };
}

/** @throws {Failure} CURSOR_NOT_VALID when it is not one of ours, or one of another list. */
function placeAt<Place>(parser: z.ZodType<Place>, cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const place = parser.safeParse(jsonFrom(cursor));
  if (!place.success) throw new Failure('CURSOR_NOT_VALID');
  return place.data;
}

function jsonFrom(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch (error) {
    throw new Failure('CURSOR_NOT_VALID', {}, { cause: error });
  }
}
