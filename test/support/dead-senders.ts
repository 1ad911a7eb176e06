import { Pool } from 'pg';
import { until } from './until.ts';

/**
 * Whoever claimed a bubble and has died leaves it `sending` for 11 s, and then it is waited for 10 s as one that may have
 * been said. Moves the clock of such bubbles past both, until there are none.
 */
export async function deadSendersAreKnown(databaseUrl: string | undefined): Promise<void> {
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  try {
    await until(async () => {
      const { rows } = await pool.query(
        `update outbox set due_at = now() - interval '3 seconds' where state in ('sending', 'unknown')
            and sending_since < now() - interval '2 seconds' returning id`,
      );
      return rows.length === 0;
    });
  } finally {
    await pool.end();
  }
}
