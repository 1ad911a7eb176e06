import { z } from 'zod';
import { TenantId } from '../../vocabulary/ids.ts';

/** Text that somebody typed. PostgreSQL cannot keep a NUL, so it is refused where the caller still sees which field had it. */
export function text(charactersMax: number) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .refine((it) => !it.includes('\u0000'), 'must not hold a NUL character');
}

/** A moment in an answer: ISO 8601 in UTC. */
export const instant = z.iso.datetime();

/** A moment in a request. With an offset, because a bare date is another day in another place. */
export const givenInstant = z.iso
  .datetime({ offset: true, error: 'must be a date with time and offset, e.g. 2026-12-31T23:59:59-03:00' })
  .transform((written) => new Date(written));

export const NOTHING = z.strictObject({});
export const NO_BODY = z.undefined();
export const NO_ANSWER = z.void();

export const TenantParams = z.object({ tenantId: TenantId });

const CURSOR_CHARACTERS_MAX = 500;

/** Which part of a list is wanted. */
export const PageQuery = z.strictObject({
  cursor: z.string().max(CURSOR_CHARACTERS_MAX).optional().describe('The `nextCursor` of the page before.'),
  limit: z.coerce.number().pipe(z.int().min(1).max(100)).default(50),
});

export function page<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().describe('Null at the end of the list.'),
  });
}
