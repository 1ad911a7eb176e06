import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { Pool } from 'pg';
import { MIGRATIONS } from '../migrations/migrations.ts';
import { createDatabase } from '../src/platform/database.ts';
import { assertMigrated } from '../src/platform/migrator.ts';
import { systemClock } from '../src/platform/time.ts';
import type { Schema } from '../src/vocabulary/schema.ts';
import { watchOver } from './caretaker.ts';
import { giveTo, runTool, serverUser } from './postgres-tools.ts';
import type { PostgresTools } from './postgres-tools.ts';
import { restore } from './restore.ts';
import type { Restored, RestoreNeeds } from './restore.ts';

const CHECK_MS_MAX = 4 * 3_600_000;
const QUERY_MS_MAX = 600_000;

/** What a restored database holds, and what of it cannot be. */
export interface PromiseCounts {
  readonly tenants: number;
  readonly conversations: number;
  readonly messages: number;
  readonly unsettled: number;
  /** Settled by a reply that is not there. */
  readonly repliesMissing: number;
  /** Bubbles whose conversation is not there. */
  readonly bubblesAstray: number;
}

/**
 * Restores the newest backup with all of its log into a temporary server, and looks whether it is what it should be: every
 * file as it was copied, no gap in the log, every index and table sound, the schema current, and the promise kept in it.
 *
 * @throws naming the first thing that is wrong.
 */
export async function verify(needs: RestoreNeeds): Promise<PromiseCounts> {
  const { archive, say } = needs;
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'plantao-verify-'));
  const caretaker = watchOver({ folders: [folder] });
  giveTo(serverUser(), folder);
  let restored: Restored | undefined;
  try {
    restored = await restore(needs, {
      into: path.join(folder, 'data'),
      beforeRecovery: async (data, tools, user) => {
        await runTool({
          program: path.join(tools.folder, 'pg_verifybackup'),
          arguments: ['--quiet', data],
          user,
          withinMs: CHECK_MS_MAX,
        });
        say('Every file is as the server copied it (pg_verifybackup)');
      },
    });
    if (restored.gap) throw new Error('The log has a gap: take a base backup, and see that `backup -- wal` runs');
    const counts = await inspect(restored, say);
    await archive.markVerified(restored.base.label, systemClock.now());
    return counts;
  } finally {
    await restored?.server.stop();
    await fs.rm(folder, { recursive: true, force: true });
    caretaker.dismiss();
  }
}

/** @throws naming what is wrong with a restored database. */
export async function inspect(
  { server, tools, connection, lastCommitAt }: Pick<Restored, 'server' | 'tools' | 'connection' | 'lastCommitAt'>,
  say: (line: string) => void,
): Promise<PromiseCounts> {
  say(`Recovered up to the commit of ${lastCommitAt?.toISOString() ?? 'the base backup itself'}`);
  await checkPages(tools, { socket: server.socket, connection });
  say('Every table and index is sound (pg_amcheck)');
  const db = createDatabase<Schema>(new Pool({ ...connection, max: 1, query_timeout: QUERY_MS_MAX }));
  try {
    await assertMigrated(db, MIGRATIONS);
    const counts = await countPromise(db);
    say(
      `${counts.messages} messages in ${counts.conversations} conversations of ${counts.tenants} tenants, ` +
        `${counts.unsettled} of them not settled yet`,
    );
    if (counts.repliesMissing > 0)
      throw new Error(`${counts.repliesMissing} messages were settled by replies that are not there`);
    if (counts.bubblesAstray > 0) throw new Error(`${counts.bubblesAstray} bubbles belong to no conversation`);
    return counts;
  } finally {
    await db.destroy();
  }
}

async function checkPages(
  tools: PostgresTools,
  { socket, connection }: { socket: string; connection: Restored['connection'] },
): Promise<void> {
  await runTool({
    program: path.join(tools.folder, 'pg_amcheck'),
    arguments: [
      ...['-h', socket, '-p', String(connection.port), '-U', connection.user ?? '', '-w'],
      ...['--install-missing', '--heapallindexed', '-d', connection.database ?? ''],
    ],
    withinMs: CHECK_MS_MAX,
  });
}

async function countPromise(db: Kysely<Schema>): Promise<PromiseCounts> {
  const { rows } = await sql<PromiseCounts>`
    select (select count(*)::int from tenant) as tenants,
           (select count(*)::int from conversation) as conversations,
           (select count(*)::int from message) as messages,
           (select count(*)::int from message where author = 'customer' and settled_at is null) as unsettled,
           (select count(*)::int from message m where m.settled_kind = 'reply'
               and not exists (select from message r where r.id = m.settled_by_message_id)) as "repliesMissing",
           (select count(*)::int from outbox o
             where not exists (select from conversation c where c.id = o.conversation_id)) as "bubblesAstray"`.execute(
    db,
  );
  const [counts] = rows;
  if (counts === undefined) throw new Error('The restored database cannot be counted');
  return counts;
}
